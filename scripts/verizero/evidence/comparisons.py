"""Paired differences: one optimizer against another, and a checkpoint against its base model, on the same problems."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from verizero.config.expansion import Step, time_of
from verizero.evidence.cells import LENGTHS, common_metrics, metric_order, seed_values, seeds_text
from verizero.evidence.reading import Group, Key, MemberGrades, check_alike
from verizero.statistics.differences import detectable_effect, difference_interval, sign_flip_floor
from verizero.statistics.intervals import Interval
from verizero.statistics.multiplicity import holm

Axis = Literal["optimizer", "train_set", "template", "model"]
AXES: tuple[Axis, ...] = ("optimizer", "train_set", "template", "model")
NOUNS: dict[Axis, str] = {
    "optimizer": "optimizer",
    "train_set": "training set",
    "template": "template",
    "model": "model",
}
Graded = tuple[Group, Mapping[int | None, MemberGrades]]


@dataclass(frozen=True)
class Difference:
    """One number minus another, for one metric.

    Attributes:
        left, right: the keys; `left - right` is what is told.
        interval: of the mean difference; None where no common seed says anything of the metric.
        p: two-sided, from the same t; p_holm: adjusted over the family of comparisons.
        seeds: those that both sides have (for a change from base, those of the checkpoint).
        missing: planned seeds that one side lacks.
    """

    left: Key
    right: Key
    metric: str
    interval: Interval | None
    p: float | None
    p_holm: float | None
    n_problems: int
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    note: str

    @property
    def mde(self) -> float | None:
        """Smallest difference that such a comparison finds in 80 % of cases at a two-sided 5 %, taken by itself."""
        return self.detectable(0.05)

    def detectable(self, level: float) -> float | None:
        """The same at another two-sided level."""
        found = self.interval
        return detectable_effect(found.se, found.df, level) if found and found.se and found.df else None

    @property
    def unresolved(self) -> bool:
        """Whether 0 is inside the interval, or there is none."""
        found = self.interval
        return found is None or found.low is None or found.high is None or found.low <= 0 <= found.high

    def seeds_text(self) -> str:
        """As in the main table."""
        return seeds_text(self.seeds, self.missing)


def pairs_along(graded: Sequence[Graded], axis: Axis, confidence: float) -> list[Difference]:
    """Every two subjects that differ in this axis alone, at their last checkpoints: same benchmark, protocol and metric, the rest alike.

    A is the one that the study lists first. `D_si = Y^A_si - Y^B_si` over the seeds that both have; a seed gives two optimizers
    the same initial weights and the same order of training problems. The interval is `two_way_interval` on D:
    with one seed it would tell two checkpoints apart, not two optimizers, and the note says so. Base models are compared along `template`
    and `model`, as they are: no seeds enter.
    """
    places: dict[tuple[object, ...], list[Graded]] = {}
    for one in _last_checkpoints(graded, bases=axis in ("template", "model")):
        same = replace(one[0].key, checkpoint=0, **{axis: ""})
        places.setdefault((same, one[0].suite), []).append(one)
    found: dict[tuple[Key, Key, str], Difference] = {}
    for place in places.values():
        for left, right in itertools.combinations(place, 2):
            if axis == "template" and not _evaluated_alike(left[0], right[0]):
                continue
            for metric in _metrics([left, right]):
                found.setdefault((left[0].key, right[0].key, metric), _pair(left, right, axis, metric, confidence))
    return _sorted(with_holm(list(found.values())))


def _evaluated_alike(left: Group, right: Group) -> bool:
    """Whether two groups differ in one template: both are evaluated under their own, or both under the same other one."""
    own = all("/" not in group.key.template for group in (left, right))
    return own or left.member == right.member


def changes_from_base(graded: Sequence[Graded], confidence: float) -> list[Difference]:
    """Every checkpoint minus its base model, paired over problems: `D_si = Y_si - Y^base_i`, interval as for pairs."""
    bases = {(one[0].key.model, one[0].suite, one[0].member): one for one in graded if not one[0].key.optimizer}
    found: dict[tuple[Key, str], Difference] = {}
    for one in graded:
        base = bases.get((one[0].key.model, one[0].suite, one[0].member))
        if one[0].key.optimizer and base:
            for metric in _metrics([one, base]):
                found.setdefault((one[0].key, metric), _change(one, base, metric, confidence))
    return _sorted(with_holm(list(found.values())))


def family(metric: str) -> str:
    """The family in which a comparison is adjusted: one metric over all optimizers, benchmarks, protocols and templates.

    avg@8 of one benchmark and avg@1 of another are one family, accuracy.
    """
    return "avg@k" if metric.startswith("avg@") else metric


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The differences with p adjusted inside each family."""
    adjusted = list(differences)
    for name in {family(one.metric) for one in differences}:
        places = [i for i, one in enumerate(differences) if family(one.metric) == name and one.p is not None]
        for place, p in zip(places, holm([differences[i].p or 0.0 for i in places]), strict=True):
            adjusted[place] = replace(differences[place], p_holm=p)
    return adjusted


def seed_floor(seeds: int) -> str:
    """What so few seeds cannot say: with S of them the smallest two-sided sign-flip p is 2/2^S."""
    floor = sign_flip_floor(seeds)
    return (
        f"{seeds} seeds: a sign-flip over seeds cannot reach p < 0.05 (its floor is {floor:.3g})"
        if floor >= 0.05
        else ""
    )


def _pair(left: Graded, right: Graded, axis: Axis, metric: str, confidence: float) -> Difference:
    a, b = left[0], right[0]
    seeds = [seed for seed in a.paths if seed in b.paths]
    planned = {*a.paths, *a.missing, *b.paths, *b.missing}
    missing = tuple(sorted(seed for seed in planned if seed is not None and seed not in seeds))
    couples = {seed: (left[1][seed], right[1][seed]) for seed in seeds}
    one_seed = f"one seed: these two checkpoints differ or not, which says little of the {NOUNS[axis]}s"
    return _difference(a.key, b.key, metric, couples, missing, one_seed, confidence)


def _change(one: Graded, base: Graded, metric: str, confidence: float) -> Difference:
    group = one[0]
    missing = tuple(seed for seed in group.missing if seed is not None)
    couples: dict[int | None, tuple[MemberGrades, MemberGrades]] = {
        seed: (member, base[1][None]) for seed, member in one[1].items() if seed is not None and None in base[1]
    }
    note = "one seed: this checkpoint changed or not, which says little of the optimizer"
    return _difference(group.key, base[0].key, metric, couples, missing, note, confidence)


def _difference(
    left: Key,
    right: Key,
    metric: str,
    couples: Mapping[int | None, tuple[MemberGrades, MemberGrades]],
    missing: tuple[int, ...],
    one_seed: str,
    confidence: float,
) -> Difference:
    rows: list[NDArray[np.float64]] = []
    sides: list[list[NDArray[np.bool_]]] = [[], []]
    seeds = []
    for seed, (first, second) in couples.items():
        check_alike([first, second])
        own, other = seed_values(first, metric), seed_values(second, metric)
        if own is None or other is None:
            continue
        seeds.append(seed)
        rows.append(own.values - other.values)
        sides[0].append(own.contributing)
        sides[1].append(other.contributing)
    if not rows:
        return Difference(left, right, metric, None, None, None, 0, (), missing, "nothing to compare")
    support = min(int(np.any(side, axis=0).sum()) for side in sides)
    interval, note = difference_interval(np.stack(rows), confidence, support, share=metric not in LENGTHS)
    p = 1.0 if interval.method == "wilson" else interval.p_value()
    trained = [seed for seed in seeds if seed is not None]
    notes = [note, one_seed if len(trained) == 1 else seed_floor(len(trained)) if trained else ""]
    return Difference(
        left,
        right,
        metric,
        interval,
        p,
        None,
        support,
        tuple(trained),
        missing,
        "; ".join(text for text in notes if text),
    )


def last_checkpoints(graded: Sequence[Graded]) -> list[Graded]:
    """Base models, and of each optimizer's groups those of the last step that the study plans."""
    last: dict[tuple[str, ...], Step] = {}
    for group, _ in graded:
        name = (group.key.model, group.key.train_set, group.key.optimizer)
        last[name] = max(last.get(name, 0), group.key.checkpoint, key=time_of)
    return [one for one in graded if (key := one[0].key).checkpoint == last[key.model, key.train_set, key.optimizer]]


def _last_checkpoints(graded: Sequence[Graded], bases: bool) -> list[Graded]:
    return [one for one in last_checkpoints(graded) if one[0].key.optimizer or bases]


def _metrics(sides: Sequence[Graded]) -> list[str]:
    """The metrics that both sides have."""
    members = [member for _, by_seed in sides for member in by_seed.values()]
    return common_metrics(members) if len({member.samples for member in members}) == 1 else []


def _sorted(differences: Sequence[Difference]) -> list[Difference]:
    return sorted(differences, key=lambda one: (*_sortable(one.left), *_sortable(one.right), metric_order(one.metric)))


def _sortable(key: Key) -> tuple[object, ...]:
    return tuple(time_of(value) if name == "checkpoint" else value for name, value in vars(key).items())
