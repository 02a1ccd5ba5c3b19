"""Pairs of problems that are alike, as lines of a file, and counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from verizero.artifacts.files import write_atomic
from verizero.config.contamination import OVERLAP_KINDS, OverlapKind
from verizero.problems.overlap import Pair
from verizero.problems.problem import Problem

DECIMALS = 6


def pair_rows(pairs: Iterable[Pair]) -> Iterator[dict[str, Any]]:
    """One line a pair, without texts: these belong to their authors, and a published study leaves them out."""
    for pair in pairs:
        yield {
            "train_id": pair.train.id,
            "copies": pair.copies,
            "benchmark": pair.benchmark,
            "benchmark_id": pair.problem.id,
            "kind": pair.kind,
            "score": round(pair.score, DECIMALS),
            "containment": round(pair.containment, DECIMALS),
            "jaccard": round(pair.jaccard, DECIMALS),
            "same_answer": pair.same_answer,
        }


def text_rows(pairs: Iterable[Pair]) -> Iterator[dict[str, Any]]:
    """The two texts of each pair, in the order of the pairs."""
    for pair in pairs:
        yield {"train": pair.train.problem, "benchmark": pair.problem.problem}


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line; equal rows give equal bytes."""
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def counts_of(pairs: Sequence[Pair], benchmarks: Mapping[str, Sequence[Problem]]) -> dict[str, int]:
    """`pairs`; for each benchmark `<name>/problems`, and `<name>/<kind>`: those in a pair, each under its first kind."""
    first: dict[tuple[str, str], OverlapKind] = {}
    for pair in sorted(pairs, key=lambda pair: OVERLAP_KINDS.index(pair.kind)):
        first.setdefault((pair.benchmark, pair.problem.id), pair.kind)
    counts = {"pairs": len(pairs)}
    for name, problems in sorted(benchmarks.items()):
        counts[f"{name}/problems"] = len(problems)
        for kind in OVERLAP_KINDS:
            counts[f"{name}/{kind}"] = sum(1 for (other, _), found in first.items() if (other, found) == (name, kind))
    return counts
