"""The learning rate of each update."""

from __future__ import annotations

import math

from verizero.config.optimizers import Optimizer


def learning_rate_at(update: int, recipe: Optimizer) -> float:
    """The learning rate of an update of the run (the first is 0).

    It rises linearly over `warmup_steps` updates and then stays, or falls to `schedule_end` of the peak, where it would be
    one update after the last.
    """
    peak, warmup = recipe.learning_rate, recipe.warmup_steps
    if update < warmup:
        return peak * min(1.0, (update + 1) / warmup)
    if recipe.schedule == "constant":
        return peak
    # not `recipe.updates`: the digest of a run's code leaves the configuration's code out
    total = recipe.steps * recipe.epochs_per_rollout * recipe.updates_per_rollout
    progress = (update - warmup) / (total - warmup)
    left = 1 - progress if recipe.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return peak * (recipe.schedule_end + (1 - recipe.schedule_end) * left)
