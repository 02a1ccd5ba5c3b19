"""Generalised advantage estimation: how much better each token was than the critic expected."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from verizero.objective.returns import discounted_sums, token_rewards


def gae(
    final: float,
    penalty: Float[Tensor, " token"],
    value: Float[Tensor, " token"],
    discount: float,
    decay: float,
) -> Float[Tensor, " token"]:
    """A_t = sum_{s >= t} (discount decay)^(s-t) delta_s with delta_t = rho_t + discount V_{t+1} - V_t (arXiv 1506.02438, equation 16).

    V is 0 behind the last token: a response ends there, at the token limit too. A_t + V_t is what a critic is fitted to. With
    decay 1 that is the return, with decay 0 the reward of the token plus the value of the next.

    Args:
        final: what the response earned.
        penalty: what each token takes from the reward.
        value: what the critic expects before each token, in units of the reward.
        decay: lambda.
    """
    value = value.double()
    following = torch.cat([value[1:], value.new_zeros(1)])[: len(value)]
    return discounted_sums(token_rewards(final, penalty) + discount * following - value, discount * decay)


def length_adaptive_lambda(tokens: int, alpha: float) -> float:
    """1 - 1/(alpha |o|), not below 0: the bootstrap reaches a share of the response that does not depend on its length.

    VAPO (arXiv 2504.05118), with alpha 0.05. A response of at most 1/alpha tokens gets 0.
    """
    return max(0.0, 1.0 - 1.0 / (alpha * max(tokens, 1)))
