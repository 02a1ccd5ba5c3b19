"""The learning rate of each update."""

from __future__ import annotations

import math

from verizero.config.axes import Critic
from verizero.config.optimizers import Optimizer


def frozen_steps(recipe: Optimizer) -> int:
    """How many first steps of a run leave the policy as it is: those that train its critic alone."""
    return recipe.critic.pretraining_steps if recipe.critic else 0


def learning_rate_at(update: int, recipe: Optimizer) -> float:
    """The learning rate of an update of the policy (the first of the run is 0).

    It rises linearly over `warmup_steps` updates and then stays, or falls to `schedule_end` of the peak, where it would be
    one update after the last.
    """
    # not `recipe.updates`: the digest of a run's code leaves the configuration's code out
    total = (recipe.steps - frozen_steps(recipe)) * recipe.epochs_per_rollout * recipe.updates_per_rollout
    return _scheduled(update, recipe.learning_rate, recipe.warmup_steps, total, recipe)


def critic_learning_rate_at(update: int, recipe: Optimizer, critic: Critic) -> float:
    """The learning rate of an update of the critic, by the same schedule over its own updates."""
    total = recipe.steps * recipe.epochs_per_rollout * (critic.updates_per_rollout or recipe.updates_per_rollout)
    return _scheduled(update, critic.learning_rate, critic.warmup_steps, total, recipe)


def _scheduled(update: int, peak: float, warmup: int, total: int, recipe: Optimizer) -> float:
    if update < warmup:
        return peak * min(1.0, (update + 1) / warmup)
    if recipe.schedule == "constant":
        return peak
    progress = (update - warmup) / (total - warmup)
    left = 1 - progress if recipe.schedule == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return peak * (recipe.schedule_end + (1 - recipe.schedule_end) * left)
