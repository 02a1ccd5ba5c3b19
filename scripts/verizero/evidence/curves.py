"""Training curves: each run's metrics by step, and their mean over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import CURVES_FILE
from verizero.artifacts.manifest import open_artifact
from verizero.artifacts.rows import read_rows
from verizero.config.spec import PlannedRun, StudySpec
from verizero.evidence.reading import run_path

Array = NDArray[np.float64]
CURVES = (
    *("reward_mean", "pass_rate", "tokens"),
    *("length_mean", "length_correct_mean", "length_incorrect_mean", "truncated_share"),
)
MEASURED_NOW_AND_THEN = "validation_accuracy"
OF_THE_OBJECTIVE = {
    MEASURED_NOW_AND_THEN: "Share of right answers in validation",
    "value_loss": "Loss of the critic",
    "explained_variance": "Variance that the critic explains",
    "value_clip_fraction": "Tokens that the value clip held",
    "rounds": "Rounds of sampling a step",
    "extra_completions": "Completions of later rounds",
    "groups_with_signal": "Groups with signal a step",
    "greedy_reward_mean": "Reward of greedy completions",
    "correction_mean": "Mean correction of a token",
}
"""Metrics that only some runs have, in the order of their panels: name -> title."""


@dataclass(frozen=True)
class Curve:
    """One metric of one run.

    Attributes:
        steps: [step].
        values: [step]; NaN where a step has no value (no wrong response, so no length of one).
    """

    run: PlannedRun
    steps: NDArray[np.int64]
    values: Array

    @property
    def empty(self) -> bool:
        """Whether no step has a value."""
        return bool(np.isnan(self.values).all())


def read_curves(spec: StudySpec, results: Path) -> dict[str, list[Curve]]:
    """The curves of every run that is there: metric -> one curve a run.

    Raises:
        UserError: a run's payload is absent or damaged.
    """
    curves: dict[str, list[Curve]] = {metric: [] for metric in (*CURVES, *OF_THE_OBJECTIVE)}
    for run in spec.runs:
        path = run_path(results, run.id)
        if not path.is_file():
            continue
        _, payload = open_artifact(path, lambda file: file == CURVES_FILE)
        rows = list(read_rows(payload / CURVES_FILE))
        if not rows or any("step" not in row for row in rows):
            raise UserError(f"{payload / CURVES_FILE} has a line without `step`; remove {path} and train again")
        steps = np.array([row["step"] for row in rows], dtype=np.int64)
        for metric in curves:
            found = [row.get(metric) for row in rows]
            values = np.array([np.nan if value is None else value for value in found], dtype=np.float64)
            there = ~np.isnan(values) if metric == MEASURED_NOW_AND_THEN else np.full(len(steps), True)
            curves[metric].append(Curve(run, steps[there], values[there]))
    return curves


def mean_curve(curves: Sequence[Curve]) -> tuple[NDArray[np.int64], Array]:
    """The mean over seeds at the steps that all of them have; a seed without a value at a step is left out there."""
    common = sorted(set.intersection(*({*curve.steps.tolist()} for curve in curves)))
    table = np.array([[curve.values[np.searchsorted(curve.steps, step)] for step in common] for curve in curves])
    there = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.array(common, dtype=np.int64), np.where(there, table, 0.0).sum(axis=0) / there.sum(axis=0)


def running_mean(values: Array, window: int) -> Array:
    """Centred mean over a window of steps, shorter at both ends; NaN counts as absent."""
    half = window // 2
    found = np.full(len(values), np.nan)
    for i in range(len(values)):
        part = values[max(0, i - half) : i + half + 1]
        if (~np.isnan(part)).any():
            found[i] = np.nanmean(part)
    return found


def window_of(steps: int) -> int:
    """How many steps a figure averages: an odd number, about a twentieth of the run."""
    return max(1, steps // 20 // 2 * 2 + 1) if steps >= 40 else 1


def curve_rows(curves: Mapping[str, Sequence[Curve]]) -> list[dict[str, str]]:
    """What a figure of these curves shows, before smoothing: one row a run and step."""
    rows = []
    for own in zip(*curves.values(), strict=True):
        run = own[0].run
        by_step = [dict(zip(curve.steps.tolist(), curve.values.tolist(), strict=True)) for curve in own]
        for step in sorted(set().union(*by_step)):  # not all metrics have a value at the same steps
            values = {metric: known.get(step, np.nan) for metric, known in zip(curves, by_step, strict=True)}
            texts = {metric: "" if np.isnan(value) else f"{value:.6f}" for metric, value in values.items()}
            rows.append(
                {
                    "run": run.id,
                    "optimizer": run.optimizer,
                    "seed": str(run.seed),
                    "step": str(step),
                    **texts,
                }
            )
    return rows
