"""Estimators of the divergence from another policy, token by token."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

KlEstimator = Literal["k1", "k2", "k3"]
LOG_RATIO_LIMIT = 20.0
"""In nats, both ways: one absurd token cannot make the sum infinite."""


def kl(
    logprob: Float[Tensor, "response token"], other: Float[Tensor, "response token"], estimator: KlEstimator
) -> Float[Tensor, "response token"]:
    """Estimate KL(policy || other) from tokens that the policy sampled, in nats.

    With d = other - logprob: k1 = -d, k2 = d^2 / 2, k3 = e^d - d - 1 (http://joschu.net/blog/kl-approx.html). k1 and k3
    are unbiased as values; as a term of a loss, k1 has a zero gradient in expectation, k2 the right one, and k3
    approximates it where the policies are near.
    """
    difference = (other - logprob).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
    match estimator:
        case "k1":
            return -difference
        case "k2":
            return difference**2 / 2
        case "k3":
            return torch.expm1(difference) - difference
    raise ValueError(f"no estimator is called `{estimator}`")
