"""The looks of a declared sequential design: what each says of the primary comparison, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from verizero.artifacts.errors import UserError
from verizero.config.spec import StudySpec
from verizero.config.study import Sequential
from verizero.evidence.cells import seed_values
from verizero.evidence.comparisons import Graded, last_checkpoints
from verizero.evidence.reading import MemberGrades, check_alike
from verizero.statistics.components import components
from verizero.statistics.intervals import Interval, two_way_interval
from verizero.statistics.sequential import calibration, nominal_levels, power_if, power_to_come

FUTILE = 0.05
"""Below this chance of finding anything at the last look, the tool advises to stop."""


@dataclass(frozen=True)
class Look:
    """One look.

    Attributes:
        number, of: which look, and how many the design has.
        seeds: those that enter, in the order of the study's file.
        level: two-sided level of this look, calibrated.
        found: the difference with its ordinary standard error and degrees of freedom.
        low, high: an interval that stays valid however many looks are taken (repeated confidence interval).
        p: two-sided; to be compared with `level`.
        power: the chance that the last look finds an effect; None at the last look, and where nothing differs yet.
        power_if: the chance if the true difference is the smallest worth finding; None where the design names none.
        decision: `effect`, `futile`, `go on` or `end`.
    """

    number: int
    of: int
    seeds: tuple[int, ...]
    level: float
    found: Interval
    low: float | None
    high: float | None
    p: float | None
    power: float | None
    power_if: float | None
    decision: str


@dataclass(frozen=True)
class Looks:
    """All looks taken so far.

    Attributes:
        design: the study's.
        subject: the comparison in words.
        looks: those taken.
        planned: how many the design has.
    """

    design: Sequential
    subject: str
    looks: tuple[Look, ...]
    planned: int


def looks_of(spec: StudySpec, graded: Sequence[Graded]) -> Looks | None:
    """Each look of the study's design that its seeds allow, the earlier ones from the earlier seeds again.

    A look counts as taken as soon as its seeds are there, whether somebody looked or not.

    Returns:
        None where the study declares no design.

    Raises:
        UserError: the primary comparison is no single one, because several models, templates or other recipes of the study fit it; the two
            sides were asked different problems.
    """
    design = spec.study.sequential
    if design is None:
        return None
    left, right = (_side(spec, graded, name) for name in (design.primary.a, design.primary.b))
    order = [seed for seed in spec.study.seeds if seed in left and seed in right]
    taken = [number for number in design.looks if number <= len(order)]
    levels = nominal_levels([number / design.most for number in design.looks], design.alpha, design.spending)
    subject = f"{design.primary.a} minus {design.primary.b} on {design.primary.benchmark} ({design.primary.protocol})"
    if not taken:
        return Looks(design, subject, (), len(design.looks))
    rows = [_difference(left[seed], right[seed]) for seed in order[: taken[-1]]]
    scale = calibration(design.looks, design.alpha, levels, len(rows[0]))
    looks = [
        take_look(
            place + 1, design, tuple(order[:number]), np.stack(rows[:number]), levels[place] * scale, levels[-1] * scale
        )
        for place, number in enumerate(taken)
    ]
    return Looks(design, subject, tuple(looks), len(design.looks))


def _side(spec: StudySpec, graded: Sequence[Graded], name: str) -> dict[int, MemberGrades]:
    assert spec.study.sequential
    primary = spec.study.sequential.primary
    axis = "optimizer" if name in spec.study.optimizers else "train_set"
    fitting = {
        group.key: by_seed
        for group, by_seed in reversed(last_checkpoints(graded))
        if group.key.optimizer
        and getattr(group.key, axis) == name
        and (group.key.benchmark, group.key.protocol) == (primary.benchmark, primary.protocol)
    }
    if len(fitting) > 1:
        raise UserError(
            f"study `{spec.name}`: sequential.primary fits {len(fitting)} results of {name}, because the study has several models, templates or "
            "recipes; a sequential design needs a study of its own, in which they are fixed"
        )
    return {seed: member for own in fitting.values() for seed, member in own.items() if seed is not None}


def _difference(left: MemberGrades, right: MemberGrades) -> np.ndarray:
    check_alike([left, right])
    sides = [seed_values(member, f"avg@{member.samples}") for member in (left, right)]
    assert sides[0] and sides[1]
    return sides[0].values - sides[1].values


def take_look(
    number: int, design: Sequential, seeds: tuple[int, ...], values: np.ndarray, level: float, last_level: float
) -> Look:
    """One look at a difference.

    Args:
        number: which look, from 1.
        design: of the study.
        seeds: those that enter.
        values: [seed, problem], a minus b.
        level, last_level: two-sided levels of this look and of the last, calibrated.
    """
    found = two_way_interval(values, 0.95)
    p, low, high = found.p_value(), None, None
    if found.se and found.df is not None:
        half = float(stdtrit(found.df, 1 - level / 2)) * found.se
        low, high = found.estimate - half, found.estimate + half
    last = number == len(design.looks)
    power, power_if_there = (None, None) if last else _power(design, values, found, last_level)
    if p is not None and p < level:
        decision = "effect"
    elif last:
        decision = "end"
    else:
        decision = "futile" if power is not None and max(power, power_if_there or 0.0) < FUTILE else "go on"
    return Look(number, len(design.looks), seeds, level, found, low, high, p, power, power_if_there, decision)


def _power(
    design: Sequential, values: np.ndarray, found: Interval, last_level: float
) -> tuple[float | None, float | None]:
    """The chance to find something at the last look, and the chance if the smallest effect worth finding is there."""
    if not found.se or found.df is None:
        return None, None
    parts = components(values, 0.0, 1)
    now = parts.standard_error(len(values), values.shape[1], 1)
    if not now:
        return None, None
    last = found.se * min(1.0, parts.standard_error(design.most, values.shape[1], 1) / now)
    critical = float(stdtrit(design.most - 1, 1 - last_level / 2))
    chance = power_to_come(found.estimate, found.se, last, critical, found.df)
    if design.effect is None:
        return chance, None
    signs = (design.effect, -design.effect)
    return chance, max(power_if(effect, found.estimate, found.se, last, critical) for effect in signs)
