"""The accuracy of each recipe at each of its checkpoints, and the completion tokens that training had sampled by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verizero.config.expansion import time_of
from verizero.evidence.cells import Row, metric_k
from verizero.evidence.curves import Curve
from verizero.evidence.headline import Column


@dataclass(frozen=True)
class Place:
    """What the lines of one figure have in common: they differ in their optimizer."""

    model: str
    train_set: str
    template: str


@dataclass(frozen=True)
class Point:
    """The accuracy of one checkpoint over its seeds.

    Attributes:
        row: of the main table; a base model's stands for step 0 of each optimizer.
        step: of training.
    """

    row: Row
    optimizer: str
    step: int


def accuracy_points(rows: Sequence[Row], place: Place, columns: Sequence[Column]) -> list[Point]:
    """Each optimizer's points under the main protocol of each benchmark: the base model as step 0, then its checkpoints.

    A checkpoint that validation chose (`best`) has no step of its own and is left out. Of two rows that differ in their number of samples
    alone, the one with more is taken. Where base models are not evaluated so, there is no step 0.
    """
    points = []
    for column in columns:
        own = [row for row in rows if _is_accuracy_of(row, column)]
        trained = [row for row in own if _is_trained(row, place) and isinstance(row.key.checkpoint, int)]
        for evaluated in dict.fromkeys(_evaluated(row) for row in trained):
            alike = [row for row in trained if _evaluated(row) == evaluated]
            most = max((row.metric for row in alike), key=metric_k)
            base = [
                row
                for row in own
                if not row.key.optimizer and row.key.model == place.model and _evaluated(row) == evaluated
            ]
            for optimizer in dict.fromkeys(row.key.optimizer for row in alike):
                line = [row for row in [*base, *alike] if row.metric == most and row.key.optimizer in ("", optimizer)]
                points += [
                    Point(row, optimizer, int(time_of(row.key.checkpoint)))
                    for row in sorted(line, key=lambda row: time_of(row.key.checkpoint))
                ]
    return points


def most_checkpoints(points: Sequence[Point]) -> int:
    """How many checkpoints, besides the base model, the optimizer with most of them has."""
    steps: dict[str, set[int]] = {}
    for point in points:
        if point.row.key.optimizer:
            steps.setdefault(point.optimizer, set()).add(point.step)
    return max(map(len, steps.values()), default=0)


def tokens_spent(curves: Mapping[str, Sequence[Curve]], place: Place, point: Point) -> float | None:
    """Completion tokens that a run had sampled up to a checkpoint, mean over the seeds with a curve; None where no curve says so.

    The curves' `tokens` count every completion that a step drew, those of later rounds of dynamic sampling too; greedy completions for a
    baseline, validation and prompts are not in it.
    """
    if point.step == 0:
        return 0.0
    spent = []
    for curve in curves.get("tokens", ()):
        run = curve.run
        if (run.model, run.train_set, run.template) != (place.model, place.train_set, place.template):
            continue
        here = curve.steps <= point.step
        if run.optimizer == point.optimizer and here.any() and not np.isnan(curve.values[here]).any():
            spent.append(float(curve.values[here].sum()))
    return float(np.mean(spent)) if spent else None


def _is_accuracy_of(row: Row, column: Column) -> bool:
    return (
        row.metric.startswith("avg@")
        and row.estimate.estimate is not None
        and (row.key.benchmark, row.key.protocol) == (column.benchmark, column.protocol)
    )


def _is_trained(row: Row, place: Place) -> bool:
    key = row.key
    return bool(key.optimizer) and (key.model, key.train_set, key.template.split("/")[0]) == (
        place.model,
        place.train_set,
        place.template,
    )


def _evaluated(row: Row) -> str:
    return row.key.template.split("/")[-1]
