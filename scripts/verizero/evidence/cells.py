"""The cells of the main table: one estimate with its interval for one group and one metric.

`audit --verify` recomputes a row of a published table through `recompute`; nothing here draws or writes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from verizero.artifacts.errors import UserError
from verizero.config.spec import Cell, StudySpec
from verizero.evidence.reading import Group, Key, MemberGrades, groups_of, missing_inputs, read_member
from verizero.statistics.conditional_means import conditional_mean
from verizero.statistics.estimators import avg_at_k, majority, pass_at_k, tries
from verizero.statistics.intervals import Interval, share_interval, two_way_interval

COLUMNS = (
    "model",
    "train_set",
    "template",
    "optimizer",
    "checkpoint",
    "benchmark",
    "protocol",
    "metric",
    "estimate",
    "ci_low",
    "ci_high",
    "n_problems",
    "n_samples",
    "seeds",
)
KEY_COLUMNS = COLUMNS[:8]
DECIMALS = 6
LENGTHS = ("length_correct", "length_incorrect")


@dataclass(frozen=True)
class SeedValues:
    """One seed's share in an estimate.

    Attributes:
        values: [problem]; their mean is the seed's estimate.
        contributing: [problem], which problems say anything of the metric.
        samples: how many samples enter.
    """

    values: NDArray[np.float64]
    contributing: NDArray[np.bool_]
    samples: int


@dataclass(frozen=True)
class Estimate:
    """A number of the main table.

    Attributes:
        estimate: mean over seeds of each seed's estimate; None where no sample says anything of the metric.
        low, high: ends of the interval; None where the formula has none.
        n_problems, n_samples: what enters the estimate: all graded problems and samples (all seeds together), but for
            a length only those with a right, or a wrong, response.
        seeds: those that enter; empty for a base model.
        method: name of the interval's formula.
        by_seed: each seed's own estimate.
        without: seeds that have grades, but no sample that says anything of the metric.
    """

    estimate: float | None
    low: float | None
    high: float | None
    n_problems: int
    n_samples: int
    seeds: tuple[int, ...]
    method: str
    by_seed: Mapping[int | None, float]
    without: tuple[int, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of the main table."""

    key: Key
    metric: str
    estimate: Estimate
    missing: tuple[int | None, ...]
    suite: str
    member: str

    def texts(self) -> dict[str, str]:
        """The row as the CSV file has it: column -> text."""
        found = self.estimate
        numbers = {"estimate": found.estimate, "ci_low": found.low, "ci_high": found.high}
        return {
            **{name: str(value) for name, value in vars(self.key).items()},
            "metric": self.metric,
            **{name: decimal_text(value) for name, value in numbers.items()},
            "n_problems": str(found.n_problems),
            "n_samples": str(found.n_samples),
            "seeds": seeds_text(found.seeds, self.missing, found.without),
        }


def decimal_text(value: float | None) -> str:
    """A number with six decimals; nothing where there is none. A negative zero loses its sign."""
    return "" if value is None else f"{round(value, DECIMALS) + 0.0:.{DECIMALS}f}"


def seeds_text(seeds: Sequence[int], missing: Sequence[int | None], without: Sequence[int] = ()) -> str:
    """`1,2 (missing: 3)`; a base model has no seeds, and reads `(missing)` where it has no grades.

    `(no such response: 3)` names a seed that was graded but has, say, no wrong response whose length could be told.
    """
    parts = [",".join(map(str, seeds))]
    if None in missing:
        parts.append("(missing)")
    elif missing:
        parts.append(f"(missing: {','.join(map(str, missing))})")
    if without:
        parts.append(f"(no such response: {','.join(map(str, without))})")
    return " ".join(part for part in parts if part)


def metrics_of(samples: int, voted: bool = False) -> list[str]:
    """The metrics of a member with so many samples a problem, in the tables' order; maj@k where its grades say whose answers are the same."""
    tried = [f"avg@{samples}", *(f"pass@{k}" for k in tries(samples)), *([f"maj@{samples}"] if voted else [])]
    return [*tried, *LENGTHS, "truncated_share", "boxed_share"]


def metrics_of_member(member: MemberGrades) -> list[str]:
    """The metrics that follow from a member's grades."""
    return metrics_of(member.samples, member.classes is not None)


def common_metrics(members: Iterable[MemberGrades]) -> list[str]:
    """The metrics that all of them have, which have the same number of samples; grades of different versions may differ in what they say."""
    found = [metrics_of_member(member) for member in members]
    return [name for name in found[0] if all(name in other for other in found)] if found else []


def seed_values(member: MemberGrades, metric: str) -> SeedValues | None:
    """One seed's values for a metric; None where no sample says anything of it.

    Raises:
        UserError: there is no such metric, or its k is not what the samples allow.
    """
    everywhere, samples = np.ones(len(member.problems), dtype=bool), int(member.correct.size)
    if metric in LENGTHS:
        found = conditional_mean(member.tokens, member.correct if metric == "length_correct" else ~member.correct)
        return SeedValues(found.values, found.contributing, found.samples) if found else None
    if metric == "truncated_share":
        return SeedValues(member.truncated.mean(axis=1), everywhere, samples)
    if metric == "boxed_share":
        return SeedValues(member.boxed.mean(axis=1), everywhere, samples)
    k = metric_k(metric)
    if metric.startswith("avg@") and k == member.samples:
        return SeedValues(avg_at_k(member.correct), everywhere, samples)
    if metric.startswith("pass@") and k <= member.samples:
        return SeedValues(pass_at_k(member.correct, k), everywhere, samples)
    if metric.startswith("maj@") and k == member.samples and member.classes is not None:
        return SeedValues(majority(member.classes), everywhere, samples)
    raise UserError(
        f"{member.path}: {metric} does not follow from {member.samples} samples a problem; "
        f"its metrics are {', '.join(metrics_of_member(member))}"
    )


def estimate_cell(by_seed: Mapping[int | None, MemberGrades], metric: str, confidence: float = 0.95) -> Estimate:
    """A number of the main table from the grades of each seed (`None` for a base model).

    Raises:
        UserError: the metric does not follow from these grades.
    """
    found = {seed: values for seed, member in by_seed.items() if (values := seed_values(member, metric)) is not None}
    seeds = tuple(sorted(seed for seed in found if seed is not None))
    without = tuple(sorted(seed for seed in by_seed if seed is not None and seed not in found))
    if not found:
        return Estimate(None, None, None, 0, 0, (), "none", {}, without)
    contributing = np.any([one.contributing for one in found.values()], axis=0)
    interval = metric_interval(
        metric, np.stack([one.values for one in found.values()]), confidence, int(contributing.sum())
    )
    return Estimate(
        interval.estimate,
        interval.low,
        interval.high,
        int(contributing.sum()),
        sum(one.samples for one in found.values()),
        seeds,
        interval.method,
        {seed: float(one.values.mean()) for seed, one in found.items()},
        without,
    )


def metric_interval(metric: str, values: NDArray[np.float64], confidence: float, support: int) -> Interval:
    """The interval that suits a metric; `values` is [seed, problem]."""
    if metric in LENGTHS:
        return two_way_interval(values, confidence, support)
    return share_interval(values, confidence)


def rows_of(spec: StudySpec, results: Path, partial: bool = False) -> list[Row]:
    """The main table of a study.

    Raises:
        UserError: an input is missing and `partial` is off, or an input is damaged.
    """
    check_complete(spec, results, partial)
    groups = groups_of(spec.cells, results)
    return rows_of_groups([(group, group.read()) for group in groups], spec.confidence)


def check_complete(spec: StudySpec, results: Path, partial: bool) -> None:
    """Refuse a study with holes, unless holes are wanted.

    Raises:
        UserError: names the first missing input.
    """
    if not partial and (missing := missing_inputs(spec, results)):
        more = f" and {len(missing) - 1} more of this study's inputs are" if len(missing) > 1 else " is"
        raise UserError(
            f"{missing[0]}{more} missing; run `snakemake --config study={spec.name}` to make what is missing, "
            "or pass --partial to show it as missing"
        )


def rows_of_groups(groups: Sequence[tuple[Group, Mapping[int | None, MemberGrades]]], confidence: float) -> list[Row]:
    """One row a group and metric, sorted by key; where two suites give the same row, the first in the plan is taken.

    A group without any grades takes its metrics from another one of the same suite, benchmark and protocol.
    """
    rows: dict[tuple[Key, str], Row] = {}
    known = {
        (group.suite, group.key.benchmark, group.key.protocol): metrics_of_member(one)
        for group, by_seed in groups
        for one in by_seed.values()
    }
    for group, by_seed in groups:
        own = common_metrics(by_seed.values())
        for metric in own or known[group.suite, group.key.benchmark, group.key.protocol]:
            if (group.key, metric) not in rows:
                rows[group.key, metric] = Row(
                    group.key,
                    metric,
                    estimate_cell(by_seed, metric, confidence),
                    group.missing,
                    group.suite,
                    group.member,
                )
    return sorted(rows.values(), key=lambda row: (*vars(row.key).values(), metric_order(row.metric)))


def metric_k(metric: str) -> int:
    """The k in `avg@8` or `pass@8`.

    Raises:
        UserError: the metric has no k.
    """
    _, at, k = metric.partition("@")
    if not at or not k.isdigit() or int(k) < 1:
        raise UserError(
            f"`{metric}` is no metric; valid are avg@K, pass@K, maj@K, length_correct, length_incorrect, truncated_share and boxed_share"
        )
    return int(k)


def metric_order(metric: str) -> tuple[int, int]:
    """Where a metric stands in the tables."""
    if "@" in metric:
        return ("avg", "pass", "maj").index(metric.partition("@")[0]), metric_k(metric)
    return 3, (*LENGTHS, "truncated_share", "boxed_share").index(metric)


def row_sources(spec: StudySpec, row: Mapping[str, str], results: Path) -> list[Path]:
    """The grades' manifests from which a row of the main table follows, by ascending seed.

    Args:
        row: the row's texts; its key columns are read (model ... metric).

    Raises:
        UserError: the study has no such row.
    """
    return list(_group_of(spec, row, results).paths.values())


def recompute(spec: StudySpec, row: Mapping[str, str], results: Path) -> dict[str, str]:
    """A row of the main table again, from its grades alone: column -> text.

    Raises:
        UserError: the study has no such row.
    """
    group = _group_of(spec, row, results)
    return Row(
        group.key,
        row["metric"],
        estimate_cell(group.read(), row["metric"], spec.confidence),
        group.missing,
        group.suite,
        group.member,
    ).texts()


def _group_of(spec: StudySpec, row: Mapping[str, str], results: Path) -> Group:
    """The first group in the plan that gives a row; of the grades no more than one member is read."""
    cells = spec.cells
    # A row without any grades is known only from other subjects' suites: hence the second look, at all cells.
    for group in itertools.chain.from_iterable(
        groups_of(some, results) for some in ([cell for cell in cells if _is_about(cell, row)], cells)
    ):
        if {name: str(value) for name, value in vars(group.key).items()} != {
            name: row[name] for name in KEY_COLUMNS[:7]
        }:
            continue
        first = next(iter(group.paths.values()), None)
        if first is None or row["metric"] in metrics_of_member(read_member(first)):
            return group
    raise UserError(f"study `{spec.name}` has no row with {', '.join(f'{name}={row[name]}' for name in KEY_COLUMNS)}")


def _is_about(cell: Cell, row: Mapping[str, str]) -> bool:
    return (cell.model, cell.train_set or "", cell.optimizer or "", str(cell.step)) == (
        row["model"],
        row["train_set"],
        row["optimizer"],
        row["checkpoint"],
    )
