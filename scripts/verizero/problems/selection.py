"""Which problems make the set: filters, exclusion of benchmark problems, and a named, seeded selection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from verizero.artifacts.errors import UserError
from verizero.config.contamination import OverlapKind
from verizero.config.sources import Filter, Selection
from verizero.problems.golds import is_number
from verizero.problems.overlap import texts_alike
from verizero.problems.problem import Problem
from verizero.problems.text import normalised


def filtered(problems: Sequence[Problem], entry: Filter) -> list[tuple[str, list[Problem]]]:
    """The problems after each condition that the filter has, in the order distinct, numeric, length: (condition, what is left)."""
    left, steps = list(problems), []
    if entry.distinct:
        left = distinct(left)
        steps.append(("distinct", left))
    if entry.numeric_answer:
        left = [problem for problem in left if all(is_number(answer) for answer in problem.answers)]
        steps.append(("numeric_answer", left))
    if entry.max_problem_characters is not None:
        left = [problem for problem in left if len(problem.problem) <= entry.max_problem_characters]
        steps.append(("max_problem_characters", left))
    return steps


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


def selected(problems: Sequence[Problem], rule: Selection) -> list[Problem]:
    """The problems that the rule picks, in their order.

    The place of a problem depends on the seed and its own normalised text, never on its neighbours.

    Raises:
        UserError: fewer problems than the rule wants.
    """
    if rule.rule == "all":
        return list(problems)
    if rule.rule == "share":
        return [problem for problem in problems if rule.low <= fraction(rule.seed, problem) < rule.high]
    if rule.n is None:
        raise UserError("`select.n` is missing; the rule `random` needs it")
    if len(problems) < rule.n:
        raise UserError(
            f"`select.n` is {rule.n}, but only {len(problems)} problems are left after filters and exclusion"
        )
    order = sorted(range(len(problems)), key=lambda place: (_digest(rule.seed, problems[place]), place))
    return [problems[place] for place in sorted(order[: rule.n])]


def fraction(seed: int, problem: Problem) -> float:
    """SHA-256(seed, normalised text), its first 53 bits read as a fraction of 1: in [0, 1)."""
    return (int.from_bytes(_digest(seed, problem)[:8], "big") >> 11) / 2**53


def _digest(seed: int, problem: Problem) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{normalised(problem.problem)}".encode()).digest()
