"""Which benchmark problems the study trained on, and the accuracy without them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from verizero.artifacts.manifest import Manifest, open_artifact
from verizero.artifacts.rows import read_rows
from verizero.config.contamination import included
from verizero.config.spec import StudySpec
from verizero.evidence.cells import Estimate, Row, common_metrics, estimate_cell, metric_order
from verizero.evidence.reading import Group, Key, MemberGrades, overlap_path

PAIRS = "pairs.jsonl"


@dataclass(frozen=True)
class Overlap:
    """What one training set shares with the study's benchmarks.

    Attributes:
        folder: of its payload.
        pairs: the rows of `pairs.jsonl`.
        flagged: benchmark -> the ids of its flagged problems.
    """

    train_set: str
    manifest: Manifest
    folder: Path
    pairs: Sequence[Mapping[str, Any]]
    flagged: Mapping[str, frozenset[str]]

    @property
    def benchmarks(self) -> list[str]:
        """Those that it was compared with, sorted."""
        names = (name.rpartition("/") for name in self.manifest.counts)
        return sorted(benchmark for benchmark, _, what in names if benchmark and what == "problems")

    def count(self, benchmark: str, what: str) -> int:
        """How many problems a benchmark has (`problems`), or has in a pair under this first kind."""
        return int(self.manifest.counts[f"{benchmark}/{what}"] or 0)


def read_overlaps(spec: StudySpec, results: Path) -> list[Overlap]:
    """The overlaps of the study's training sets that are there; a study of an earlier version has none.

    Raises:
        UserError: one is damaged, or its payload is absent.
    """
    flag = spec.study.contamination.flag
    kinds = () if flag == "none" else included(flag)
    found = []
    for name in spec.compared:
        if (path := overlap_path(spec, results, name)).is_file():
            manifest, folder = open_artifact(path, lambda file: file == PAIRS)
            pairs = list(read_rows(folder / PAIRS))
            ids: dict[str, set[str]] = {}
            for pair in pairs:
                if pair["kind"] in kinds:
                    ids.setdefault(pair["benchmark"], set()).add(pair["benchmark_id"])
            found.append(Overlap(name, manifest, folder, pairs, {key: frozenset(one) for key, one in ids.items()}))
    return found


def flagged_problems(overlaps: Iterable[Overlap]) -> dict[str, frozenset[str]]:
    """Benchmark -> the ids that are flagged in any training set of the study.

    They are left out of every row, of the base model too, so that rows are compared on the same problems.
    """
    found: dict[str, frozenset[str]] = {}
    for overlap in overlaps:
        for benchmark, ids in overlap.flagged.items():
            found[benchmark] = found.get(benchmark, frozenset()) | ids
    return found


@dataclass(frozen=True)
class Without:
    """A row of the main table without the flagged problems.

    Attributes:
        row: estimated on the others.
        all_problems: the main table's estimate.
        flagged: how many problems are left out.
    """

    row: Row
    all_problems: float | None
    flagged: int


def rows_without_flagged(
    graded: Sequence[tuple[Group, Mapping[int | None, MemberGrades]]],
    flagged: Mapping[str, frozenset[str]],
    confidence: float,
) -> list[Without]:
    """The accuracies of the main table for benchmarks with flagged problems, estimated again without them."""
    found: dict[tuple[Key, str], Without] = {}
    for group, by_seed in graded:
        ids = flagged.get(group.key.benchmark)
        if not ids or not by_seed:
            continue
        left = {seed: one for seed, member in by_seed.items() if (one := without_problems(member, ids)) is not None}
        first = next(iter(by_seed.values()))
        for metric in (name for name in common_metrics(by_seed.values()) if "@" in name):
            if (group.key, metric) in found:
                continue
            whole = estimate_cell(by_seed, metric, confidence)
            own = estimate_cell(left, metric, confidence) if left else replace(_NOTHING, seeds=whole.seeds)
            row = Row(group.key, metric, own, group.missing, group.suite, group.member)
            found[group.key, metric] = Without(row, whole.estimate, len(ids & set(first.problems)))
    return sorted(found.values(), key=lambda one: (*vars(one.row.key).values(), metric_order(one.row.metric)))


def without_problems(member: MemberGrades, ids: frozenset[str]) -> MemberGrades | None:
    """The grades of the other problems; None where there are no others. The statuses stay those of all."""
    kept = np.array([problem not in ids for problem in member.problems], dtype=bool)
    if not kept.any():
        return None
    return replace(
        member,
        problems=tuple(problem for problem in member.problems if problem not in ids),
        classes=None if member.classes is None else member.classes[kept],
        **{name: getattr(member, name)[kept] for name in ("correct", "tokens", "truncated", "boxed")},
    )


_NOTHING = Estimate(None, None, None, 0, 0, (), "none", {})
