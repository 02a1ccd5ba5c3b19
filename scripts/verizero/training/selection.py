"""Which responses of a step enter its updates."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from verizero.config.axes import Selection
from verizero.objective.advantage import zero_variance
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
