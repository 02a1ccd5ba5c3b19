"""How far the policy being trained is from the one that sampled: the log of a probability ratio at each token."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

from verizero.objective.kl import LOG_RATIO_LIMIT

RatioLevel = Literal["token", "sequence", "cumulative"]
LOG_PRODUCT_LIMIT = 10.0
"""In nats, upwards: a product of many ratios reaches the limit sooner (verl; the code of arXiv 2605.07331)."""


def log_ratio(
    logprob: Float[Tensor, "response token"],
    old: Float[Tensor, "response token"],
    mask: Bool[Tensor, "response token"],
    level: RatioLevel,
) -> Float[Tensor, "response token"]:
    """The log of the ratio that each token's loss has, in nats.

    With d_t = logprob_t - old_t:

    - `token`: d_t.
    - `sequence`: the mean of d over the response, GSPO (arXiv 2507.18071). The gradient goes to each token as if the ratio
      were its own; summed over a response with equal weights that is the gradient of the mean.
    - `cumulative`: the sum of d over the tokens so far, CTPO (arXiv 2605.07331). Its gradient goes through the token
      itself alone: the prefix is a weight and no path.

    Args:
        logprob, old: 0 outside the mask.
        mask: which positions are tokens of the response.
    """
    difference = (logprob - old).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    match level:
        case "token":
            return difference
        case "sequence":
            product = (difference.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1)).expand_as(logprob)
        case "cumulative":
            product = difference.cumsum(-1)
        case _:
            raise ValueError(f"no ratio is called `{level}`")
    return (product.detach() + logprob - logprob.detach()).clamp(max=LOG_PRODUCT_LIMIT)


def position(mask: Bool[Tensor, "response token"]) -> Int[Tensor, "response token"]:
    """The place of each token in its response, from 1."""
    return mask.long().cumsum(-1)
