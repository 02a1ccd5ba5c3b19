r"""Generated arithmetic with worked steps: named quantities, added one by one.

    problem   := (LABEL term)+ '='                                    C3D18E5=
    solution  := chain ('~' chain)* ('~' total)* '\boxed{' total '}'  C3=3,D18=21,E5=26,~26\boxed{26}
    chain     := (step ',')+
    step      := LABEL term '=' total ('?' LABEL term '=' total)*     '?': the step is done again

Labels are consecutive letters, so that the next step is known; the skill to learn is the sum. A solution slips, redoes a
step, looks at the chain again or repeats its total with the probabilities of `config.sources.Sums`: length is free to
vary, and wrong solutions are in the corpus. The golds are the true sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.artifacts.seeds import derive_seed
from verizero.config.problem_sets import Sums

LABELS = "ABCDEFGHIJKL"
ALPHABET = "0123456789" + LABELS + "=,?~.\\boxed{}"
SLIPS = (1, 2, 10)
MAX_REPEATS = 12
MAX_DOCUMENT = 128
"""Characters (a token each) of a problem, its solution and the end of text; a detour that would exceed it is not taken."""

Quantities = list[tuple[str, int]]


def generate(source: Sums) -> Iterator[dict[str, Any]]:
    """Rows with `problem`, `answer` and `solution`; row i depends on the seed and i alone.

    Raises:
        UserError: more terms than labels, or a range that ends below its start.
    """
    if source.max_terms > len(LABELS):
        raise UserError(
            f"source.max_terms is {source.max_terms}; there are {len(LABELS)} labels (A to {LABELS[-1]}), so at most {len(LABELS)} terms"
        )
    if source.min_terms > source.max_terms:
        raise UserError(f"source.min_terms is {source.min_terms}, above source.max_terms {source.max_terms}")
    for number in range(source.problems):
        random = Random(derive_seed(source.seed, "sums", number))
        quantities = _quantities(source, random)
        problem = "".join(f"{label}{term}" for label, term in quantities) + "="
        yield {
            "problem": problem,
            "answer": sum(term for _, term in quantities),
            "solution": _solution(source, quantities, problem, random),
        }


def _quantities(source: Sums, random: Random) -> Quantities:
    terms = random.randint(source.min_terms, source.max_terms)
    start = random.randint(0, len(LABELS) - terms)
    return [
        (label, random.randint(10, 99) if random.random() < source.two_digit else random.randint(1, 9))
        for label in LABELS[start : start + terms]
    ]


def _solution(source: Sums, quantities: Quantities, problem: str, random: Random) -> str:
    """A worked solution under the source's habits; `random` is used up in a fixed order."""
    right = sum(term for _, term in quantities)
    plain = "".join(
        f"{label}{term}={total}," for (label, term), total in zip(quantities, _running(quantities), strict=True)
    )
    closing = len(f"\\boxed{{{right + len(quantities) * max(SLIPS)}}}") + 1  # the longest box, and the end of text
    room = (
        MAX_DOCUMENT - len(problem) - len(plain) - closing - len(quantities)
    )  # slips may carry each total over a power of ten
    first, total, spent = _chain(source, quantities, random, room)
    room -= spent
    text = first
    first_total = total
    while random.random() < (source.second_look if total == right else source.second_look_if_wrong):
        verbatim = random.random() < source.verbatim
        if room < len(first if verbatim else plain) + 2 + len(quantities):
            break
        if verbatim:
            again, total = first, first_total
        else:
            again, total, _ = _chain(source, quantities, random, room - len(plain) - 1 - len(quantities))
        text += "~" + again
        room -= len(again) + 1
    repeats = 0
    while (
        repeats < MAX_REPEATS
        and room > len(str(total))
        and random.random() < (source.repeat_total if total == right else source.repeat_total_if_wrong)
    ):
        text += f"~{total}"
        room -= len(str(total)) + 1
        repeats += 1
    return f"{text}\\boxed{{{total}}}"


def _chain(source: Sums, quantities: Quantities, random: Random, room: int) -> tuple[str, int, int]:
    """One pass over the quantities: its text, its total, and how much longer than the plain chain it is."""
    total, pieces, spent = 0, [], 0
    for (label, term), plain_total in zip(quantities, _running(quantities), strict=True):
        said, slipped = _add(source, total, term, random)
        step = f"{label}{term}={said}"
        while random.random() < (source.redo_after_slip if slipped else source.redo):
            longest = (
                len(step)
                - len(f"{label}{term}={plain_total}")
                + len(f"?{label}{term}=")
                + len(str(total + term + max(SLIPS)))
            )
            if spent + longest > room:
                break
            said, slipped = _add(source, total, term, random)
            step += f"?{label}{term}={said}"
        spent += len(step) - len(f"{label}{term}={plain_total}")
        pieces.append(step + ",")
        total = said
    return "".join(pieces), total, spent


def _add(source: Sums, total: int, term: int, random: Random) -> tuple[int, bool]:
    """The total as said, and whether it slipped; never below 0, for which there is no sign."""
    right = total + term
    if random.random() >= source.slip:
        return right, False
    off = random.choice(SLIPS) * random.choice((-1, 1))
    return (right + off if right + off >= 0 else right - off), True


def _running(quantities: Quantities) -> list[int]:
    totals = [0]
    for _, term in quantities:
        totals.append(totals[-1] + term)
    return totals[1:]
