"""Choosing a token from logits with a number that only its completion's seed and its position decide."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def uniforms(seed: int, count: int) -> Float[np.ndarray, " count"]:
    """The uniform numbers of a completion, one for each of its tokens: Philox, keyed by the seed (Salmon et al. 2011)."""
    return np.random.Generator(np.random.Philox(key=seed)).random(count, dtype=np.float64)


def choose(
    logits: Float[Tensor, "batch vocabulary"], temperature: float, top_p: float, uniform: Float[Tensor, " batch"]
) -> tuple[Int[Tensor, " batch"], Float[Tensor, " batch"]]:
    """One token for each row by the inverse of its cumulative distribution, and its log-probability.

    Temperature 0 takes the most probable token; its log-probability is then that of the unscaled distribution. With
    `top_p` < 1 the log-probability is that of the truncated, renormalised distribution: what was sampled from.
    """
    if temperature == 0:
        log_all = logits.float().log_softmax(-1)
        best = log_all.argmax(-1)
        return best, log_all.gather(-1, best[:, None]).squeeze(-1)
    log_all = (logits.float() / temperature).log_softmax(-1)
    if top_p < 1:
        log_all = truncate(log_all, top_p)
    cumulative = log_all.double().exp().cumsum(-1)
    target = uniform.to(cumulative)[:, None] * cumulative[:, -1:]
    token = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1).squeeze(-1)
    return token, log_all.gather(-1, token[:, None]).squeeze(-1)


def truncate(log_all: Float[Tensor, "batch vocabulary"], top_p: float) -> Float[Tensor, "batch vocabulary"]:
    """The smallest set of most probable tokens with mass of at least `top_p`, renormalised (Holtzman et al. 2020)."""
    ordered, order = log_all.sort(-1, descending=True)
    before = ordered.exp().cumsum(-1) - ordered.exp()
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return torch.empty_like(log_all).scatter_(-1, order, ordered).log_softmax(-1)
