"""What responses are like, as rows with intervals: the same groups, seeds and formulas as the main table's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from verizero.evidence.cells import Estimate, Row, SeedValues
from verizero.evidence.reading import Group, MemberGrades
from verizero.evidence.reflection import KEYWORDS
from verizero.evidence.responses import Array, MemberResponses, read_responses
from verizero.statistics.conditional_means import conditional_mean, ratio_of_sums
from verizero.statistics.intervals import Interval, share_interval, two_way_interval, wilson_interval

FROM_GRADES = ("box_rate", "clip_ratio", "length_stopped")
WHOLE = ("answer_rate", "mixed_language", "han_share", "other_script_share", "repetitive", "code")
SPLITS = ("", "_correct", "_incorrect")
REFLECTION = tuple(f"{name}{kind}{split}" for name in KEYWORDS for kind in ("", "_per_1k") for split in SPLITS)
METRICS = ("answer_rate", *FROM_GRADES, *REFLECTION, *WHOLE[1:])
"""In the table's order. `box_rate`, `answer_rate`, `repetitive`, `code`, `mixed_language` and `clip_ratio` are shares of
responses; `reflection_x` the share with at least one of the list's keywords, `reflection_x_per_1k` keywords for each 1,000
tokens, both also among correct and among incorrect responses; `length_stopped` mean tokens of those that ended by a stop."""


def behaviour_rows(
    graded: Sequence[tuple[Group, Mapping[int | None, MemberGrades]]], results: Path, confidence: float
) -> tuple[list[Row], list[str]]:
    """One row for each group and metric, in the main table's order, and one sentence for each member that could not be read.

    A metric of the texts has no estimate where the texts of a seed, or the problems that they answer, are not on this machine.
    """
    rows: dict[tuple[object, str], Row] = {}
    unread: dict[str, None] = {}
    for group, by_seed in graded:
        if (group.key, METRICS[0]) in rows:
            continue
        found = {seed: read_responses(grades, group.key.benchmark, results) for seed, grades in by_seed.items()}
        for one in found.values():
            if one.lacks:
                unread[f"{one.grades.path.parent.relative_to(results / 'grades')}: {one.lacks}"] = None
        for metric in METRICS:
            estimate = behaviour_estimate(found, metric, confidence)
            rows[group.key, metric] = Row(group.key, metric, estimate, group.missing, group.suite, group.member)
    return sorted(rows.values(), key=lambda row: (*vars(row.key).values(), METRICS.index(row.metric))), list(unread)


def behaviour_estimate(by_seed: Mapping[int | None, MemberResponses], metric: str, confidence: float) -> Estimate:
    """One metric over the seeds of a group; without an estimate where nothing says anything of it."""
    if metric not in FROM_GRADES and any(measure_of(metric) not in one.measured for one in by_seed.values()):
        return Estimate(None, None, None, 0, 0, (), "none", {})
    found = {seed: values for seed, one in by_seed.items() if (values := metric_values(one, metric)) is not None}
    without = tuple(sorted(seed for seed in by_seed if seed is not None and seed not in found))
    if not found:
        return Estimate(None, None, None, 0, 0, (), "none", {}, without)
    contributing = np.any([one.contributing for one in found.values()], axis=0)
    support = int(contributing.sum())
    interval = _interval(metric, np.stack([one.values for one in found.values()]), confidence, support)
    return Estimate(
        interval.estimate,
        interval.low,
        interval.high,
        support,
        sum(one.samples for one in found.values()),
        tuple(sorted(seed for seed in found if seed is not None)),
        interval.method,
        {seed: float(one.values.mean()) for seed, one in found.items()},
        without,
    )


def metric_values(member: MemberResponses, metric: str) -> SeedValues | None:
    """One seed's value of a metric for each problem; None where no response says anything of it."""
    grades = member.grades
    everything = np.ones(grades.correct.shape, dtype=bool)
    if metric == "length_stopped":
        return _conditional(grades.tokens, ~grades.truncated)
    if metric in FROM_GRADES:
        return _of_all((grades.boxed if metric == "box_rate" else grades.truncated).astype(np.float64))
    if metric in WHOLE:
        return _of_all(member.measured[metric])
    name, split = _parts(metric)
    among = {"": everything, "_correct": grades.correct, "_incorrect": ~grades.correct}[split]
    counts = member.measured[measure_of(metric)]
    if not name.endswith("_per_1k"):
        said = (counts > 0).astype(np.float64)
        return _conditional(said, among) if split else _of_all(said)
    tokens = np.where(among, grades.tokens, 0.0).sum(axis=1)
    if not tokens.any():
        return None
    values = ratio_of_sums(1000 * np.where(among, counts, 0.0).sum(axis=1), tokens)
    return SeedValues(values, tokens > 0, int(among.sum()))


def measure_of(metric: str) -> str:
    """The measure of a response that a metric of texts is computed from."""
    return metric if metric in WHOLE else _parts(metric)[0].removesuffix("_per_1k")


def _parts(metric: str) -> tuple[str, str]:
    split = next(ending for ending in ("_incorrect", "_correct", "") if metric.endswith(ending))
    return metric.removesuffix(split) if split else metric, split


def _of_all(quantity: Array) -> SeedValues:
    return SeedValues(quantity.mean(axis=1), np.ones(len(quantity), dtype=bool), quantity.size)


def _conditional(quantity: Array, condition: np.ndarray) -> SeedValues | None:
    found = conditional_mean(quantity, condition)
    return SeedValues(found.values, found.contributing, found.samples) if found else None


def _interval(metric: str, values: Array, confidence: float, support: int) -> Interval:
    """A share keeps inside 0..1 and has Wilson's interval where nothing varies; a length and a rate are means of any size."""
    if metric == "length_stopped" or "_per_1k" in metric:
        return two_way_interval(values, confidence, support)
    if "_correct" not in metric and "_incorrect" not in metric:
        return share_interval(values, confidence)
    mean = float(values.mean())
    if np.allclose(values, round(mean)) and round(mean) in (0, 1):
        return wilson_interval(float(round(mean)), support, confidence)
    found = two_way_interval(values, confidence, support)
    if found.low is None or found.high is None:
        return found
    return Interval(found.estimate, max(0.0, found.low), min(1.0, found.high), found.se, found.df, found.method)
