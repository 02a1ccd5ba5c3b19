"""What is differentiated: a loss for each token, to be minimised."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SurrogateKind = Literal["clip", "detached-clip", "reinforce", "none"]
TokenLoss = tuple[Float[Tensor, "response token"], Bool[Tensor, "response token"]]
"""The loss of each token, and whether a clip changed it."""


def clipped(
    log_ratio: Float[Tensor, "response token"],
    advantage: Float[Tensor, "response token"],
    low: Float[Tensor, "response token"] | float,
    high: Float[Tensor, "response token"] | float,
    dual: Float[Tensor, "response token"] | float | None = None,
) -> TokenLoss:
    """max(-A r, -A clip(r, low, high)): PPO's pessimistic bound (arXiv 1707.06347, equation 7).

    `high` above 2 - `low` is DAPO's clip-higher (arXiv 2503.14476). A clipped token has no gradient.

    Args:
        log_ratio: from `objective.ratio`, in nats; carries the gradient.
        low, high: the range of the ratio that is not clipped.
        dual: where A < 0, the loss is at most -A dual (dual clip, arXiv 1912.09729): a ratio far above 1 ends somewhere.
    """
    ratio = log_ratio.exp()
    free = -advantage * ratio
    bounded = -advantage * ratio.clamp(low, high)
    loss, changed = torch.maximum(free, bounded), bounded > free
    if dual is None:
        return loss, changed
    most = -advantage * dual
    capped = (advantage < 0) & (loss > most)
    return torch.where(capped, most, loss), changed | capped


def detached_clip(
    log_ratio: Float[Tensor, "response token"],
    logprob: Float[Tensor, "response token"],
    advantage: Float[Tensor, "response token"],
    low: float,
    high: float,
) -> TokenLoss:
    """-stopgrad(clip(r, low, high)) A log p: CISPO (arXiv 2506.13585); a clipped token keeps a gradient."""
    ratio = log_ratio.detach().exp()
    return -ratio.clamp(low, high) * advantage * logprob, (ratio < low) | (ratio > high)


def reinforce(logprob: Float[Tensor, "response token"], advantage: Float[Tensor, "response token"]) -> TokenLoss:
    """-A log p, with the gradient that `clipped` has where r = 1."""
    return -advantage * logprob, torch.zeros_like(logprob, dtype=torch.bool)
