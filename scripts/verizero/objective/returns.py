"""The return of each token: what is still to be earned from it on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.signal import lfilter
from torch import Tensor


def returns(final: float, penalty: Float[Tensor, " token"], discount: float = 1.0) -> Float[Tensor, " token"]:
    """sum_{s >= t} discount^(s-t) rho_s, where rho is the reward of each token.

    REINFORCE++ (arXiv 2501.03262) with the divergence from the reference policy as penalty; without penalty and discount
    all tokens have the return `final`.

    Args:
        final: what the response earned, less its baseline.
        penalty: of each of its tokens, in units of the reward.
    """
    return discounted_sums(token_rewards(final, penalty), discount)


def token_rewards(final: float, penalty: Float[Tensor, " token"]) -> Float[Tensor, " token"]:
    """rho: -penalty at each token, plus `final` at the last one; in float64."""
    rewards = -penalty.double()
    rewards[-1:] += final
    return rewards


def discounted_sums(values: Float[Tensor, " token"], factor: float) -> Float[Tensor, " token"]:
    """sum_{s >= t} factor^(s-t) values_s, in float64."""
    backwards = values.double().flip(0).numpy()
    return torch.from_numpy(lfilter([1.0], [1.0, -factor], backwards)).flip(0)
