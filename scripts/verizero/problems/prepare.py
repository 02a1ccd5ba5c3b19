"""A problem set from its registry entry: fetch, map, filter, keep benchmarks out, select, and count at each step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.config.sources import MIRROR_ROOT, UNPINNED, Benchmark, Hub, Local, ProblemSource
from verizero.problems.hub import read_hub
from verizero.problems.local import read_local
from verizero.problems.problem import Problem, sha256_problems
from verizero.problems.rows import problems_of
from verizero.problems.selection import filtered, selected, without
from verizero.problems.sums import generate


@dataclass(frozen=True)
class Prepared:
    """The problems, what was counted on the way, and the sources whose revision is not resolved."""

    problems: list[Problem]
    counts: dict[str, int | str]
    unpinned: list[str]


def prepare(entry: Benchmark, excluded: Mapping[str, Sequence[Problem]]) -> Prepared:
    """Make the set.

    Counts: `source` (rows), `without_answer` (rows left out, where there are any), `after_filter_<i>_<condition>`,
    `excluded_<benchmark>`, `after_exclusion`, `problems`, `sha256_problems`.

    Args:
        excluded: benchmark -> its problems, for every name in `entry.exclude`.

    Raises:
        UserError: what is wrong with the entry or its source, in one sentence.
    """
    if missing := set(entry.exclude) ^ set(excluded):
        name = min(missing)
        raise UserError(
            f"--exclude: {name} is missing; the spec excludes it"
            if name in entry.exclude
            else f"--exclude: {name} is given, but the spec does not exclude it"
        )
    source = entry.hub if entry.hub and not os.environ.get(MIRROR_ROOT) else entry.source
    problems, without_answer = problems_of(read_source(source), entry)
    counts: dict[str, int | str] = {"source": len(problems) + without_answer}
    if without_answer:
        counts["without_answer"] = without_answer
    for number, condition in enumerate(entry.filters, 1):
        for name, left in filtered(problems, condition):
            problems = left
            counts[f"after_filter_{number}_{name}"] = len(left)
    if excluded:
        problems, found = without(problems, excluded, entry.exclude_by)
        counts |= {f"excluded_{name}": number for name, number in found.items()}
        counts["after_exclusion"] = len(problems)
    problems = selected(problems, entry.select)
    counts["problems"] = len(problems)
    counts["sha256_problems"] = sha256_problems(problems)
    _check(entry, counts)
    unpinned = [source.repo] if isinstance(source, Hub) and source.revision == UNPINNED else []
    return Prepared(problems, counts, unpinned)


def read_source(source: ProblemSource) -> list[dict[str, Any]]:
    """The raw rows of a source."""
    if isinstance(source, Hub):
        return read_hub(source)
    if isinstance(source, Local):
        return read_local(source)
    return list(generate(source))


def _check(entry: Benchmark, counts: dict[str, int | str]) -> None:
    if not counts["problems"]:
        raise UserError(f"no problem is left after filters, exclusion and selection: {counts}")
    if entry.n is not None and counts["problems"] != entry.n:
        raise UserError(
            f"`n` is {entry.n}, but the set has {counts['problems']} problems; the source changed, or `n` is wrong"
        )
    if entry.sha256 is not None and counts["sha256_problems"] != entry.sha256:
        raise UserError(
            f"`sha256` is {entry.sha256}, but the problems have {counts['sha256_problems']}; "
            "the source changed, or the mapping of its fields did"
        )
