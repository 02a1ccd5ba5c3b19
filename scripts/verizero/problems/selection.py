"""Which problems make the set: filters, exclusion of benchmark problems, and a named, seeded selection."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from verizero.artifacts.errors import UserError
from verizero.config.contamination import OverlapKind
from verizero.config.problem_sets import Filter, Selection
from verizero.problems.evidence import NOTHING, Evidence
from verizero.problems.golds import is_number
from verizero.problems.near_duplicates import distinct_nearly
from verizero.problems.overlap import texts_alike
from verizero.problems.problem import Problem
from verizero.problems.ranking import by_variance
from verizero.problems.text import normalised


def filtered(
    problems: Sequence[Problem], entry: Filter, evidence: Evidence = NOTHING
) -> list[tuple[str, list[Problem]]]:
    """The problems after each condition that the filter has, in the order of its keys: (condition, what is left).

    Args:
        evidence: for what depends on a model.
    """
    left, steps = list(problems), []
    for name, keep in _conditions(entry, evidence):
        left = keep(left)
        steps.append((name, left))
    return steps


def _conditions(entry: Filter, evidence: Evidence) -> Iterator[tuple[str, Callable[[list[Problem]], list[Problem]]]]:
    def those(keep: Callable[[Problem], bool]) -> Callable[[list[Problem]], list[Problem]]:
        return lambda problems: [problem for problem in problems if keep(problem)]

    if entry.distinct:
        yield "distinct", distinct
    if (jaccard := entry.near_duplicates) is not None:
        yield "near_duplicates", lambda problems: distinct_nearly(problems, jaccard)
    if entry.numeric_answer:
        yield "numeric_answer", those(lambda problem: all(is_number(answer) for answer in problem.answers))
    if (most := entry.max_problem_characters) is not None:
        yield "max_problem_characters", those(lambda problem: len(problem.problem) <= most)
    if (longest := entry.max_solution_characters) is not None:
        yield "max_solution_characters", those(lambda one: one.solution is not None and len(one.solution) <= longest)
    if entry.levels:
        yield "levels", those(lambda problem: problem.level in entry.levels)
    if entry.subjects:
        yield "subjects", those(lambda problem: problem.subject in entry.subjects)
    if entry.answer_types:
        yield "answer_types", those(lambda problem: problem.answer_type in entry.answer_types)
    if (tokens := entry.prompt_tokens) is not None:
        yield "prompt_tokens", those(lambda problem: evidence.prompt_tokens(problem, tokens) <= tokens.most)
    if (band := entry.pass_rate) is not None:
        yield "pass_rate", those(lambda problem: band.low <= evidence.pass_rate(band, problem) <= band.high)


def distinct(problems: Iterable[Problem]) -> list[Problem]:
    """The first of the problems that have the same normalised text."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(normalised(problem.problem), problem)
    return list(first.values())


def without(
    problems: Sequence[Problem], excluded: Mapping[str, Sequence[Problem]], by: OverlapKind = "exact"
) -> tuple[list[Problem], dict[str, int]]:
    """The problems that are in no benchmark, and for each benchmark how many were its.

    Args:
        by: what is taken for a benchmark's problem: its normalised text, and up to this kind what is like it.
    """
    texts = {name: {normalised(problem.problem) for problem in benchmark} for name, benchmark in excluded.items()}
    if by != "exact":
        texts = {name: texts[name] | alike for name, alike in texts_alike(problems, excluded, by).items()}
    left, found = [], dict.fromkeys(excluded, 0)
    for problem in problems:
        text = normalised(problem.problem)
        hits = [name for name, known in texts.items() if text in known]
        for name in hits:
            found[name] += 1
        if not hits:
            left.append(problem)
    return left, found


def selected(problems: Sequence[Problem], rule: Selection, evidence: Evidence = NOTHING) -> list[Problem]:
    """The problems that the rule picks, in their order; by `historical-variance` and `ids` in the order of the ranking or the list.

    Under `random` and `share` the place of a problem depends on the seed and its own normalised text, never on its neighbours.

    Args:
        evidence: with the history that is ranked by.

    Raises:
        UserError: fewer problems than the rule wants, or one of them is not there.
    """
    match rule.rule:
        case "all":
            return list(problems)
        case "share":
            return [problem for problem in problems if rule.low <= fraction(rule.seed, problem) < rule.high]
        case "ids":
            return _named(problems, rule.ids, "select.ids")
        case "historical-variance":
            return _ranked(problems, rule, evidence)
    if rule.n is None:
        raise UserError("`select.n` is missing; the rule `random` needs it")
    if len(problems) < rule.n:
        raise UserError(
            f"`select.n` is {rule.n}, but only {len(problems)} problems are left after filters and exclusion"
        )
    order = sorted(range(len(problems)), key=lambda place: (_digest(rule.seed, problems[place]), place))
    return [problems[place] for place in sorted(order[: rule.n])]


def _ranked(problems: Sequence[Problem], rule: Selection, evidence: Evidence) -> list[Problem]:
    histories = evidence.history(rule.run, rule.history)
    if not any(len(set(values)) > 1 for values in histories.values()):
        raise UserError(
            f"`select.rule` is `{rule.rule}`, but no problem's accuracy varied"
            + (f" in {rule.run}" if rule.run else "")
            + ": each was trained on once or never, so that every rank would be a tie; rank by a run of several epochs"
        )
    ranking = by_variance(histories)
    if rule.ranks:  # places among all that have a history, as a paper counts them
        if max(rule.ranks) > len(ranking):
            raise UserError(f"`select.ranks` has {max(rule.ranks)}, but the history has {len(ranking)} problems")
        return _named(problems, [ranking[rank - 1] for rank in rule.ranks], "select.ranks")
    here = {problem.id for problem in problems}
    left = [one for one in ranking if one in here]
    if rule.n is None or len(left) < rule.n:
        raise UserError(f"`select.n` is {rule.n}, but only {len(left)} problems of the set have a history")
    return _named(problems, left[: rule.n], "select.n")


def _named(problems: Sequence[Problem], ids: Sequence[str], key: str) -> list[Problem]:
    known = {problem.id: problem for problem in problems}
    if absent := [one for one in ids if one not in known]:
        raise UserError(f"`{key}` names the problem {absent[0]}, which is not in the set after filters and exclusion")
    return [known[one] for one in ids]


def fraction(seed: int, problem: Problem) -> float:
    """SHA-256(seed, normalised text), its first 53 bits read as a fraction of 1: in [0, 1)."""
    return (int.from_bytes(_digest(seed, problem)[:8], "big") >> 11) / 2**53


def _digest(seed: int, problem: Problem) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{normalised(problem.problem)}".encode()).digest()
