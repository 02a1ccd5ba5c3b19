"""How a verdict came about, for a person."""

from __future__ import annotations

from verizero.reward.extraction import final_answer
from verizero.reward.graders import Grader
from verizero.reward.normalisation import tidied
from verizero.reward.pool import grade_one
from verizero.reward.quick import golds_of
from verizero.reward.verdict import Accepted, Status, Verdict

RULES = {
    "box": "the response has no complete box with something in it",
    "exact": "the texts are the same, once what only changes their look is gone",
    "number": "both are plain numbers, or end with one behind an equals sign, compared exactly with their units (within 1e-9 of the gold where one is a decimal)",
    "tolerance": "the gold is a rounded decimal, and the answer is within the declared tolerance of it",
    "name": "they are values of differently named unknowns",
    "contradiction": "the answer equates two different numbers",
    "unsolved": "the answer is an equation that is still to be solved",
    "symbols": "their letters differ in capitals",
    "order": "one has an order, and the other has none",
    "clock": "both can be times of day, compared as they stand",
    "ratio": "both are ratios, compared by their proportions",
    "words": "at least one is made of words, compared without regard to case",
    "letter": "both are letters of options",
    "equation": "an equation with 0 on its right is not the number 0",
    "unevaluated": "the answer leaves an integral, a limit, a sum or a product to be computed, and the gold has none",
    "ellipsis": "the answer goes on with dots, and the gold does not",
    "prime": "they have other numbers of primes: f is not f'",
    "unit": "their units are both known and differ",
    "base": "they are written in different bases",
    "chain": "both are the same chain of inequalities",
    "region": "both are sets of numbers, compared piece by piece and end by end",
    "value": "both have a value, computed to 30 digits",
    "parts": "both are tuples or matrices, compared entry by entry",
    "points": "they differ when numbers are put for their symbols",
    "algebra": "math-verify and sympy compare the expressions",
    "several-answers": "the answer lists several, and the gold is one",
    "text": "algebra cannot read it, and the texts differ",
    "gold-limit": "the gold is too large for algebra",
    "response-length": "the response is too long to be read",
    "limit-length": "the answer is too long to be read",
    "limit-digits": "the answer has a number of too many digits",
    "limit-nesting": "the answer's brackets are nested too deep",
    "limit-items": "the answer lists too many things",
    "limit-terms": "the answer has too many terms",
    "limit-powers": "the answer has a power that is too large to be computed",
    "limit-size": "a number that the answer asks for would be too large",
    "MemoryError": "algebra used up the memory that an answer has",
    "RecursionError": "the answer is nested too deep for algebra",
    "processor-time": "algebra used up the processor time that an answer has",
    "deadline": "algebra did not end before the answer's deadline",
}
"""What each rule of the grader `verizero` says; see `docs/graders.md`."""

_STATUSES: dict[Status, str] = {
    "correct": "right",
    "wrong": "wrong",
    "no_box": "wrong: the response has no \\boxed{} and no \\fbox{}",
    "unterminated": "wrong: the last box is never closed",
    "empty": "wrong: the last box is empty",
    "unparsable_gold": "wrong: the gold cannot be read, and the answer is another text",
    "unparsable_answer": "wrong: the answer cannot be read, and it is another text than the gold",
    "limit": "wrong: stopped for its size",
    "timeout": "wrong: stopped for its time",
    "error": "wrong: the comparison failed; this is a fault of the grader, not of the answer",
}


def explained(grader: Grader, accepted: Accepted, response: str) -> str:
    """The verdict of a grader on one response, and the steps to it.

    A gold that stands alone is judged too where there are several, so that one sees which of them the answer meets.
    """
    verdict = grade_one(grader, accepted, response)
    ours = grader.name == "verizero"
    steps = [
        ("grader", grader.name),
        ("verdict", _STATUSES[verdict.status]),
        ("decided by", f"{verdict.rule}{_meaning(verdict) if ours else ''}"),
        ("took", f"{1000 * verdict.seconds:.1f} ms"),
        *([("last box", final_answer(response).answer or "nothing")] if ours else []),
        ("extracted", "nothing" if verdict.extracted is None else verdict.extracted),
        ("compared as", "nothing" if verdict.normalised is None else verdict.normalised),
    ]
    for gold, text in zip(accepted.answers, golds_of(accepted), strict=True):
        tidy = tidied(text)
        steps.append(("gold", gold if not ours or tidy == gold else f"{gold}, compared as {tidy}"))
        if len(accepted.answers) > 1:
            alone = grade_one(grader, Accepted((gold,), accepted.tolerance, accepted.unit), response)
            steps.append(("", f"{_STATUSES[alone.status]} ({alone.rule})"))
    if accepted.tolerance is not None:
        steps.append(("tolerance", f"{accepted.tolerance:g} of a gold that is a rounded decimal"))
    return "\n".join(f"{name:<12} {' '.join(said.split())}" for name, said in steps)


def _meaning(verdict: Verdict) -> str:
    known = RULES.get(verdict.rule)
    return f" ({known})" if known else ""
