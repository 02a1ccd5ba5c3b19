"""The headline of a study: one line for each base model and optimizer, one column for each benchmark under its main protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verizero.config.expansion import Step
from verizero.config.spec import StudySpec
from verizero.evidence.cells import Row, seed_values
from verizero.evidence.comparisons import Difference, Graded, last_checkpoints
from verizero.evidence.reading import Group, MemberGrades, is_cut
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
        seeds: those that all entries and the average have; none for a base model.
        missing: planned seeds that an entry lacks.
    """

    subject: Subject
    entries: tuple[Entry | None, ...]
    average: Interval | None
    seeds: tuple[int, ...]
    missing: tuple[int, ...]


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
    members = {id(group): by_seed for group, by_seed in graded}
    columns = _asked(spec) or _usual([(group, members[id(group)]) for group in shown])
    differences = {(one.left, one.metric): one for one in changes}
    lines: dict[Subject, list[Group | None]] = {}
    for group in shown:
        column = Column(group.key.benchmark, group.key.protocol)
        if column not in columns:
            continue
        place = columns.index(column)
        for subject in _subjects(spec, group):
            own = lines.setdefault(subject, [None] * len(columns))
            if own[place] is None or _samples(members[id(group)]) > _samples(members[id(own[place])]):
                own[place] = group
    found = []
    for subject in sorted(lines, key=lambda one: _order(spec, one)):
        groups = lines[subject]
        entries = []
        for here in groups:
            row = accuracy.get((here.key, here.suite)) if here else None
            entries.append(Entry(row, differences.get((row.key, row.metric))) if row else None)
        by_seed = [members[id(here)] if here else {} for here in groups]
        there = [set(own) for own in by_seed if own]
        planned = {seed for here in groups if here for seed in (*here.paths, *here.missing) if seed is not None}
        common = {seed for seed in set.intersection(*there) if seed is not None} if there else set()
        average = _average(columns, by_seed, spec.confidence)
        missing = tuple(sorted(planned - common))
        found.append(Line(subject, tuple(entries), average, tuple(sorted(common)), missing))
    return Headline(tuple(columns), tuple(found))


def _subjects(spec: StudySpec, group: Group) -> list[Subject]:
    """The lines that a group belongs to.

    A run's line is that of the template of its training, whatever its suites evaluate it under. A base model under a template that the suite fixes
    stands beside the runs of each template.
    """
    key = group.key
    if key.optimizer:
        templates = [key.template.split("/")[0]]
    elif spec.study.optimizers and key.template not in spec.study.templates:
        templates = list(spec.study.templates)
    else:
        templates = [key.template]
    return [Subject(key.model, key.train_set, template, key.optimizer, key.checkpoint) for template in templates]


def _samples(by_seed: Mapping[int | None, MemberGrades]) -> int:
    return max((member.samples for member in by_seed.values()), default=0)


def _asked(spec: StudySpec) -> list[Column]:
    return [Column(one.benchmark, one.protocol) for one in spec.study.headline]


def _usual(graded: Sequence[Graded]) -> list[Column]:
    trained = [one for one in graded if one[0].key.optimizer] or list(graded)
    best: dict[str, tuple[int, str]] = {}
    for group, by_seed in trained:
        samples = _samples(by_seed)
        if any(is_cut(path) for path in group.paths.values()):
            continue  # a shorter limit of what another protocol has sampled
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
