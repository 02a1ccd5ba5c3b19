"""A problem set from its registry entry: fetch, map, filter, keep benchmarks out, select, and count at each step."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import Benchmark, Local, Sets, Sums
from verizero.config.sources import MIRROR_ROOT, UNPINNED, Hub
from verizero.problems.evidence import NOTHING, Evidence
from verizero.problems.hub import read_hub
from verizero.problems.labels import by_difficulty, replaced, with_wrong_labels
from verizero.problems.local import Rows, read_local
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


def prepare(entry: Benchmark, excluded: Mapping[str, Sequence[Problem]], evidence: Evidence = NOTHING) -> Prepared:
    """Make the set.

    Counts: `source` (rows), `without_answer` (rows left out, where there are any), `after_filter_<i>_<condition>`,
    `excluded_<benchmark>`, `after_exclusion`, `replaced`, `wrong_labels`, `problems`, `sha256_problems`.

    Args:
        excluded: benchmark -> its problems, for every name in `entry.exclude`.
        evidence: the other inputs that the entry names.

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
    if isinstance(source, Sets):
        problems, without_answer = joined(source, evidence.sets), 0
    else:
        rows = read_source(source)
        problems, without_answer = problems_of(rows.values, entry, rows.where)
    counts: dict[str, int | str] = {"source": len(problems) + without_answer}
    if without_answer:
        counts["without_answer"] = without_answer
    for number, condition in enumerate(entry.filters, 1):
        for name, left in filtered(problems, condition, evidence):
            problems = left
            counts[f"after_filter_{number}_{name}"] = len(left)
    if excluded:
        problems, found = without(problems, excluded, entry.exclude_by)
        counts |= {f"excluded_{name}": number for name, number in found.items()}
        counts["after_exclusion"] = len(problems)
    problems = selected(problems, entry.select, evidence)
    if entry.replace:
        problems = replaced(problems, entry.replace)
        counts["replaced"] = len(entry.replace)
    if entry.labels:
        noisy = with_wrong_labels(problems, entry.labels)
        counts["wrong_labels"] = sum(old.answers != new.answers for old, new in zip(problems, noisy, strict=True))
        problems = noisy
    if entry.difficulty:
        problems = by_difficulty(problems, entry.difficulty, evidence)
    counts["problems"] = len(problems)
    counts["sha256_problems"] = sha256_problems(problems)
    _check(entry, counts)
    unpinned = [source.repo] if isinstance(source, Hub) and source.revision == UNPINNED else []
    return Prepared(problems, counts, unpinned)


def joined(source: Sets, sets: Mapping[str, Sequence[Problem]]) -> list[Problem]:
    """The problems of other sets, one after the other.

    Raises:
        UserError: a set is no input.
    """
    if absent := [name for name in source.names if name not in sets]:
        raise UserError(f"--set: {absent[0]} is missing; the spec takes its problems")
    if len(source.names) == 1:
        return list(sets[source.names[0]])
    return [
        problem.model_copy(update={"id": f"{name}/{problem.id}"}) for name in source.names for problem in sets[name]
    ]


def read_source(source: Hub | Local | Sums) -> Rows:
    """The raw rows of a source, and where each is."""
    if isinstance(source, Local):
        return read_local(source)
    rows = read_hub(source) if isinstance(source, Hub) else list(generate(source))
    return Rows(rows, [f"row {number} of the source" for number, _ in enumerate(rows, 1)])


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
