"""The rules by which a checkpoint could have been chosen, side by side: the last one, and the best on the test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verizero.config.expansion import Step, time_of
from verizero.evidence.cells import seed_values
from verizero.evidence.comparisons import Graded
from verizero.evidence.reading import Key, check_alike
from verizero.statistics.optimism import Choice, best_of


@dataclass(frozen=True)
class Chosen:
    """One recipe under one benchmark and protocol, each seed by itself.

    Attributes:
        key: of the last checkpoint.
        metric: avg@k.
        steps: how many checkpoints there are to choose from.
        last: seed -> accuracy at the last one.
        best: seed -> what the best on the test set is.
        at: seed -> its step.
    """

    key: Key
    metric: str
    steps: int
    last: dict[int, float]
    best: dict[int, Choice]
    at: dict[int, Step]


def choices(graded: Sequence[Graded]) -> list[Chosen]:
    """One for each recipe, benchmark and protocol with several checkpoints; seeds that lack one of the checkpoints are left out.

    Raises:
        UserError: checkpoints were asked different problems.
    """
    places: dict[tuple[str, ...], dict[Step, Graded]] = {}
    for one in graded:
        key, suite = one[0].key, one[0].suite
        if key.optimizer:
            place = (key.model, key.train_set, key.template, key.optimizer, key.benchmark, key.protocol, suite)
            places.setdefault(place, {})[key.checkpoint] = one
    found: dict[tuple[Key, str], Chosen] = {}
    for by_step in places.values():
        if len(by_step) < 2:
            continue
        steps = sorted(by_step, key=time_of)
        seeds = set.intersection(*({seed for seed in by_step[step][1] if seed is not None} for step in steps))
        if not seeds:
            continue
        last, best, at = {}, {}, {}
        for seed in sorted(seeds):
            members = [by_step[step][1][seed] for step in steps]
            check_alike(members)
            metric = f"avg@{members[-1].samples}"
            values = [seed_values(member, metric) for member in members]
            choice = best_of(np.stack([one.values for one in values if one]))
            last[seed], best[seed], at[seed] = float(members[-1].correct.mean()), choice, steps[choice.index]
        key = by_step[steps[-1]][0].key
        found.setdefault((key, metric), Chosen(key, metric, len(steps), last, best, at))
    return list(found.values())
