"""What is differentiated: a loss for each token, to be minimised."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SurrogateKind = Literal["clip", "reinforce"]
LOG_RATIO_LIMIT = 20.0


def probability_ratio(
    logprob: Float[Tensor, "response token"], old: Float[Tensor, "response token"]
) -> Float[Tensor, "response token"]:
    """`exp(logprob - old)`; the difference is kept within 20 nats, so that one absurd token cannot make the sum infinite."""
    return (logprob - old).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()


def surrogate(
    logprob: Float[Tensor, "response token"],
    old: Float[Tensor, "response token"],
    advantage: Float[Tensor, "response 1"],
    kind: SurrogateKind,
    clip_low: float,
    clip_high: float,
) -> tuple[Float[Tensor, "response token"], Bool[Tensor, "response token"]]:
    """Loss of each token, and whether the clip took its gradient away.

    - `clip`: max(-A r, -A clip(r, 1 - clip_low, 1 + clip_high)), PPO's pessimistic bound (arXiv 1707.06347, equation 7).
    - `reinforce`: -A log p, with the gradient that `clip` has where r = 1.

    Args:
        logprob: log-probability of each sampled token under the policy being trained, in nats; carries the gradient.
        old: the same under the policy that sampled it, no gradient.
        advantage: of each response.
    """
    if kind == "reinforce":
        return -advantage * logprob, torch.zeros_like(logprob, dtype=torch.bool)
    if kind != "clip":
        raise ValueError(f"no surrogate is called `{kind}`")
    ratio = probability_ratio(logprob, old)
    free = -advantage * ratio
    bounded = -advantage * ratio.clamp(1 - clip_low, 1 + clip_high)
    return torch.maximum(free, bounded), bounded > free
