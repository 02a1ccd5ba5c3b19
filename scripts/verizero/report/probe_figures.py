"""Which figures say what base models and checkpoints can do and how they answer, without drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from verizero.config.expansion import time_of
from verizero.evidence.cells import Row, metric_k
from verizero.report.figure_data import PlannedFigure

RATES = ("answer_rate", "box_rate")


def probe_figures(rows: Sequence[Row], behaviours: Sequence[Row]) -> list[PlannedFigure]:
    """Pass@k over k where some member has several samples, and answer and box rates by template.

    Args:
        rows: of the main table.
        behaviours: of the table of behaviours.
    """
    several = {row.key for row in rows if row.metric.startswith("pass@")}
    curve = [row for row in _last(rows) if row.key in several and "@" in row.metric and _power_of_two(row.metric)]
    rates = [row for row in _last(behaviours) if row.metric in RATES and row.estimate.estimate is not None]
    found = []
    if curve:
        found.append(PlannedFigure("probe_pass_at_k", "pass_at_k", {}, curve))
    if rates:
        found.append(PlannedFigure("probe_rates", "rates", {}, rates))
    return found


def template_figures(rows: Sequence[Row]) -> list[PlannedFigure]:
    """The accuracy of base models by template, where a benchmark has several templates or models under one protocol.

    Args:
        rows: of the main table.
    """
    best: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = row.key
        if not key.optimizer and row.metric.startswith("avg@") and row.estimate.estimate is not None:
            place = (key.benchmark, key.protocol, key.model, key.template)
            if place not in best or metric_k(row.metric) > metric_k(best[place].metric):
                best[place] = row
    numbers = Counter(place[:2] for place in best)
    shown = [row for place, row in best.items() if numbers[place[:2]] > 1]
    return [PlannedFigure("probe_accuracy", "bars", {}, shown)] if shown else []


def tries_of(row: Row) -> int:
    """Where a row of the main table stands on the axis of k: avg@n is the chance of one try."""
    return 1 if row.metric.startswith("avg@") else metric_k(row.metric)


def _power_of_two(metric: str) -> bool:
    k = metric_k(metric)
    return metric.startswith("avg@") or k & (k - 1) == 0


def _last(rows: Sequence[Row]) -> list[Row]:
    """Those of base models and of each optimizer's last checkpoint."""
    last: dict[tuple[str, ...], float] = {}
    for row in rows:
        recipe = (row.key.model, row.key.train_set, row.key.template, row.key.optimizer)
        last[recipe] = max(last.get(recipe, 0), time_of(row.key.checkpoint))
    return [
        row
        for row in rows
        if time_of(row.key.checkpoint) == last[(row.key.model, row.key.train_set, row.key.template, row.key.optimizer)]
    ]
