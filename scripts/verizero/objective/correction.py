"""A factor for tokens that were sampled from other probabilities than the learner's."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from verizero.objective.kl import LOG_RATIO_LIMIT

CorrectionKind = Literal["truncated", "masked"]


def correction(
    old: Float[Tensor, "response token"],
    sampled: Float[Tensor, "response token"],
    kind: CorrectionKind,
    low: float,
    high: float,
) -> Float[Tensor, "response token"]:
    """R = exp(old - sampled), bounded; without gradient.

    - `truncated`: min(r, high), truncated importance sampling (oat: high 2).
    - `masked`: r where low <= r <= high, else 0: such a token has no part in the surrogate (IcePop, arXiv 2510.18855).

    Args:
        old: log-probabilities under the learner's policy that sampled, in nats.
        sampled: what the engine said of the same tokens.
    """
    ratio = (old.detach() - sampled).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
    match kind:
        case "truncated":
            return ratio.clamp(max=high)
        case "masked":
            return ratio.masked_fill((ratio < low) | (ratio > high), 0.0)
    raise ValueError(f"no correction is called `{kind}`")
