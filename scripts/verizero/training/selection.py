"""Which responses of a step enter its updates."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from verizero.config.axes import Selection
from verizero.config.optimizers import Optimizer
from verizero.objective.advantage import GROUPED, zero_variance
from verizero.objective.loss import Objective
from verizero.training.rollouts import Outcomes


def entering(known: Outcomes, how: Selection) -> Bool[Tensor, " response"]:
    """Whether each response has a part in the loss.

    It changes no comparison: a response that stays out still counts in the mean of its group.
    """
    chosen = torch.ones(len(known.rows), dtype=torch.bool)
    if how.truncated == "masked":
        chosen &= ~torch.tensor([row.truncated for row in known.rows])
    if how.zero_variance != "kept":
        chosen &= ~zero_variance(known.rewards, known.groups)
    return chosen


def read_by_updates(
    known: Outcomes, enters: Bool[Tensor, " response"], settings: Optimizer, objective: Objective
) -> Bool[Tensor, " response"]:
    """Whether an update will read each response, as far as the rewards alone tell: one without advantage is left out.

    Args:
        enters: whether it has a part in the loss.
    """
    grouped = settings.advantage.baseline in GROUPED and settings.kl.where != "reward"
    if objective.needs_all_tokens or not grouped:
        return enters
    return enters & ~zero_variance(known.rewards, known.groups)
