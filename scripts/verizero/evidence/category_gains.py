"""Where a benchmark's accuracy changed: the change from base of each recipe's last checkpoint, by subject and by level of the problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.rows import read_rows
from verizero.evidence.comparisons import Graded, last_checkpoints
from verizero.evidence.headline import Column
from verizero.evidence.reading import Key, MemberGrades, check_alike
from verizero.statistics.differences import difference_interval
from verizero.statistics.estimators import avg_at_k
from verizero.statistics.intervals import Interval

By = Literal["subject", "level"]
BY: tuple[By, ...] = ("subject", "level")
Categories = Mapping[By, Mapping[str, str]]
"""Problem id -> its category, by subject and by level."""


@dataclass(frozen=True)
class Gain:
    """The change of one recipe's accuracy in one category.

    Attributes:
        key: of the checkpoint.
        category: a subject, or a level.
        base: accuracy of the base model on the category's problems.
        change: checkpoint minus base, mean over seeds, with its interval, paired over the category's problems (and seeds).
        n_problems: of the category.
    """

    key: Key
    by: By
    category: str
    base: float
    change: Interval
    n_problems: int
    seeds: tuple[int, ...]


def read_categories(benchmark: str, results: Path) -> tuple[Categories, str | None]:
    """The subject and level of each problem of a benchmark, and what could not be read, in a sentence.

    A benchmark whose registry entry names neither column has none; that its problems are not here does not matter then.
    """
    folder = results / "datasets" / benchmark
    path = folder / "payload" / "problems.jsonl"
    if path.is_file():
        rows = list(read_rows(path))
        found: dict[By, dict[str, str]] = {
            by: {str(row["id"]): str(row[by]) for row in rows if row.get(by) is not None} for by in BY
        }
        return {by: known for by, known in found.items() if len(set(known.values())) > 1}, None
    if not _names_them(folder / "manifest.json"):
        return {}, None
    return {}, f"{benchmark}: its problems are not on this machine, which say what subject and level they have"


def gains(
    graded: Sequence[Graded], columns: Sequence[Column], categories: Mapping[str, Categories], confidence: float
) -> list[Gain]:
    """The gains of every recipe's last checkpoint under the main protocols, by subject and by level.

    Problems without a category enter none. `D_si = Y_si - Y^base_i` over the category's problems; the interval is that of the change table.

    Args:
        categories: benchmark -> its problems' categories.
    """
    bases = {(one[0].key.model, one[0].suite, one[0].member): one[1] for one in graded if not one[0].key.optimizer}
    found: dict[tuple[Key, By, str], Gain] = {}
    for group, by_seed in last_checkpoints(graded):
        key = group.key
        base = bases.get((key.model, group.suite, group.member), {}).get(None)
        if not key.optimizer or base is None or Column(key.benchmark, key.protocol) not in columns or not by_seed:
            continue
        difference, seeds = _differences(by_seed, base)
        for by, known in categories.get(key.benchmark, {}).items():
            labels = np.array([known.get(problem, "") for problem in base.problems])
            for category in sorted(set(labels) - {""}):
                here = labels == category
                interval, _ = difference_interval(difference[:, here], confidence, int(here.sum()), share=True)
                before = float(avg_at_k(base.correct)[here].mean())
                one = Gain(key, by, str(category), before, interval, int(here.sum()), seeds)
                found.setdefault((key, by, str(category)), one)
    return list(found.values())


def _differences(
    by_seed: Mapping[int | None, MemberGrades], base: MemberGrades
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """[seed, problem], and the seeds."""
    for member in by_seed.values():
        check_alike([member, base])
    values = [avg_at_k(member.correct) - avg_at_k(base.correct) for member in by_seed.values()]
    return np.stack(values), tuple(seed for seed in by_seed if seed is not None)


def _names_them(manifest: Path) -> bool:
    """Whether a data set's spec says in which columns subject or level are."""
    if not manifest.is_file():
        return False
    problems = read_manifest(manifest).spec.get("problems")
    fields = problems.get("fields") if isinstance(problems, dict) else None
    return isinstance(fields, dict) and any(fields.get(by) for by in BY)
