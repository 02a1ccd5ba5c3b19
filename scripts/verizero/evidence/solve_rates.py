"""How often each problem of a benchmark is solved by the base model and by each checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verizero.config.expansion import time_of
from verizero.evidence.accuracy_by_step import Place
from verizero.evidence.comparisons import Graded
from verizero.evidence.headline import Column
from verizero.evidence.reading import Group, MemberGrades, check_alike
from verizero.statistics.estimators import avg_at_k

MOST_PROBLEMS = 500
"""More are not told apart in a picture: those that come first in the order of SHA-256(id) are shown."""


@dataclass(frozen=True)
class SolveRates:
    """Of one benchmark under one protocol.

    Attributes:
        problems: ids, the one that the base model solves most often first, of equals the one first by id.
        subjects: `base` and `<optimizer>@<step>`, ascending steps.
        rates: [problem, subject], share of right samples, mean over seeds.
        of: how many problems the benchmark has.
    """

    column: Column
    problems: tuple[str, ...]
    subjects: tuple[str, ...]
    rates: NDArray[np.float64]
    of: int


def solve_rates(graded: Sequence[Graded], place: Place, column: Column, least: int) -> SolveRates | None:
    """The rates of one place under a column; None without a base model, or where no optimizer has so many checkpoints with grades.

    Where a benchmark is evaluated under several templates, or in several suites, the study's first is taken.
    """
    trained = [
        (group, by_seed) for group, by_seed in graded if by_seed and _is_here(group, place, column)
    ]  # a group without grades has nothing to show
    if not trained:
        return None
    first = trained[0][0]
    trained = [one for one in trained if (one[0].suite, one[0].member) == (first.suite, first.member)]
    steps = [group.key.optimizer for group, _ in trained]
    base = next(
        (
            by_seed.get(None)
            for group, by_seed in graded
            if not group.key.optimizer
            and (group.key.model, group.suite, group.member) == (place.model, first.suite, first.member)
        ),
        None,
    )
    if base is None or max(map(steps.count, steps)) < least:
        return None
    order = list(dict.fromkeys(steps))
    trained.sort(key=lambda one: (order.index(one[0].key.optimizer), time_of(one[0].key.checkpoint)))
    for _, by_seed in trained:
        check_alike([base, *by_seed.values()])
    table = np.stack([avg_at_k(base.correct), *(_mean_rate(by_seed) for _, by_seed in trained)], axis=1)
    names = ("base", *(f"{group.key.optimizer}@{group.key.checkpoint}" for group, _ in trained))
    chosen = sorted(range(len(base.problems)), key=lambda i: hashlib.sha256(base.problems[i].encode()).digest())
    chosen = sorted(chosen[:MOST_PROBLEMS], key=lambda i: (-table[i, 0], base.problems[i]))
    return SolveRates(column, tuple(base.problems[i] for i in chosen), names, table[chosen], len(base.problems))


def _mean_rate(by_seed: Mapping[int | None, MemberGrades]) -> NDArray[np.float64]:
    return np.mean([avg_at_k(member.correct) for member in by_seed.values()], axis=0)


def _is_here(group: Group, place: Place, column: Column) -> bool:
    key = group.key
    return (
        bool(key.optimizer)
        and (key.model, key.train_set, key.template.split("/")[0]) == (place.model, place.train_set, place.template)
        and (key.benchmark, key.protocol) == (column.benchmark, column.protocol)
    )
