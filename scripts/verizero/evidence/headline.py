"""The headline of a study: one line for each base model and optimizer, one column for each benchmark under its main protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verizero.config.expansion import Step
from verizero.config.spec import StudySpec
from verizero.evidence.cells import Row, seed_values
from verizero.evidence.comparisons import Difference, Graded, last_checkpoints
from verizero.evidence.reading import Group, MemberGrades
from verizero.statistics.intervals import Interval, average_interval


@dataclass(frozen=True)
class Column:
    """A benchmark under one protocol."""

    benchmark: str
    protocol: str


@dataclass(frozen=True)
class Subject:
    """What a line is about; a base model has no training set and no optimizer."""

    model: str
    train_set: str
    template: str
    optimizer: str
    checkpoint: Step


@dataclass(frozen=True)
class Entry:
    """One number of the headline.

    Attributes:
        row: that of the main table.
        change: from the base model; None for a base model, and where there is none to compare with.
    """

    row: Row
    change: Difference | None


@dataclass(frozen=True)
class Line:
    """A line of the headline.

    Attributes:
        entries: one a column; None where the study has no such number.
        average: over the columns; None with fewer than two benchmarks or where an entry is missing.
        seeds: those that enter; none for a base model.
    """

    subject: Subject
    entries: tuple[Entry | None, ...]
    average: Interval | None
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Headline:
    """The table before it is text."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


def headline(spec: StudySpec, graded: Sequence[Graded], rows: Sequence[Row], changes: Sequence[Difference]) -> Headline:
    """Base models and last checkpoints under the main protocol of each benchmark.

    The study's `headline` says which benchmarks under which protocols; by default all that checkpoints are evaluated on (base models, where
    nothing is trained), each under the protocol with most samples a problem, the first of equals.
    """
    accuracy = {(row.key, row.suite): row for row in rows if row.metric.startswith("avg@")}
    shown = [group for group, _ in last_checkpoints(graded)]
    columns = _asked(spec) or _usual([one for one in graded if one[0] in shown])
    differences = {(one.left, one.metric): one for one in changes}
    members = {id(group): by_seed for group, by_seed in graded}
    lines: dict[Subject, list[Group | None]] = {}
    for group in shown:
        key = group.key
        column = Column(key.benchmark, key.protocol)
        if column in columns:
            subject = Subject(key.model, key.train_set, key.template, key.optimizer, key.checkpoint)
            own = lines.setdefault(subject, [None] * len(columns))
            place = columns.index(column)
            own[place] = own[place] or group
    found = []
    for subject in sorted(lines, key=lambda one: _order(spec, one)):
        groups = lines[subject]
        entries = []
        for here in groups:
            row = accuracy.get((here.key, here.suite)) if here else None
            entries.append(Entry(row, differences.get((row.key, row.metric))) if row else None)
        seeds = sorted({seed for one in entries if one for seed in one.row.estimate.seeds})
        by_seed = [members[id(here)] if here else {} for here in groups]
        average = _average(columns, by_seed, spec.confidence)
        found.append(Line(subject, tuple(entries), average, tuple(seeds)))
    return Headline(tuple(columns), tuple(found))


def _asked(spec: StudySpec) -> list[Column]:
    return [Column(one.benchmark, one.protocol) for one in spec.study.headline]


def _usual(graded: Sequence[Graded]) -> list[Column]:
    trained = [one for one in graded if one[0].key.optimizer] or list(graded)
    best: dict[str, tuple[int, str]] = {}
    for group, by_seed in trained:
        samples = max((member.samples for member in by_seed.values()), default=0)
        if samples > best.get(group.key.benchmark, (-1, ""))[0]:
            best[group.key.benchmark] = (samples, group.key.protocol)
    return [Column(benchmark, protocol) for benchmark, (_, protocol) in best.items()]


def _average(
    columns: Sequence[Column], groups: Sequence[Mapping[int | None, MemberGrades]], confidence: float
) -> Interval | None:
    """The average over benchmarks of the seeds that all of them have."""
    if len({column.benchmark for column in columns}) < 2 or len(columns) != len({one.benchmark for one in columns}):
        return None
    seeds = set.intersection(*(set(by_seed) for by_seed in groups))
    if not seeds:
        return None
    parts = []
    for by_seed in groups:
        values = [seed_values(by_seed[seed], f"avg@{by_seed[seed].samples}") for seed in sorted(seeds, key=str)]
        parts.append(np.stack([one.values for one in values if one]))
    return average_interval(parts, confidence)


def _order(spec: StudySpec, subject: Subject) -> tuple[object, ...]:
    study = spec.study
    return (
        _place(study.models, subject.model),
        subject.optimizer != "",
        _place(study.train_sets, subject.train_set),
        _place(study.templates, subject.template.split("/")[0]),
        subject.template,
        _place(study.optimizers, subject.optimizer),
    )


def _place(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)
