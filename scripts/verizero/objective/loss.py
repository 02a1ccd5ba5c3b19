"""The objective: a weighted sum over the tokens of an update.

`loss = sum weight * surrogate + kl_coefficient * sum weight * kl - entropy_coefficient * sum weight * entropy`
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from verizero.objective.kl import KlEstimator, kl
from verizero.objective.surrogate import SurrogateKind, surrogate


@dataclass(frozen=True)
class Objective:
    """The coefficients of the objective, fixed for a run."""

    surrogate: SurrogateKind
    clip_low: float
    clip_high: float
    kl_coefficient: float = 0.0
    kl_estimator: KlEstimator = "k3"
    entropy_coefficient: float = 0.0

    @property
    def needs_all_tokens(self) -> bool:
        """Whether a token without advantage still has a gradient."""
        return self.kl_coefficient != 0 or self.entropy_coefficient != 0


@dataclass(frozen=True)
class LossSums:
    """Sums over the tokens of a micro-batch; over the micro-batches and ranks of an update they add up."""

    loss: Float[Tensor, ""]
    """Carries the gradient."""
    clipped: Float[Tensor, ""]
    """Number of tokens whose gradient the clip took away."""
    kl_old: Float[Tensor, ""]
    """Sum of k3 between the policy that sampled and the one being trained, in nats."""
    kl_reference: Float[Tensor, ""] | None
    """Sum of the estimator of the divergence from the reference policy, where there is one."""


def loss_sums(
    objective: Objective,
    logprob: Float[Tensor, "response token"],
    entropy: Float[Tensor, "response token"],
    old: Float[Tensor, "response token"],
    reference: Float[Tensor, "response token"] | None,
    advantage: Float[Tensor, " response"],
    weight: Float[Tensor, " response"],
    mask: Bool[Tensor, "response token"],
) -> LossSums:
    """The part of an update's loss that these responses contribute.

    Args:
        logprob, entropy: of each sampled token under the policy being trained, in nats; carry the gradient.
        old, reference: log-probabilities under the sampling policy and the reference policy; no gradient.
        advantage: of each response, from `objective.advantage`.
        weight: of each token of a response, from `objective.weight` over the *whole* update.
        mask: which positions are tokens of the response; what stands elsewhere has no influence, and no gradient.

    Raises:
        ValueError: a divergence from the reference policy is asked for, but there is no reference.
    """
    if objective.kl_coefficient and reference is None:
        raise ValueError("kl_coefficient is not 0, but no log-probabilities of the reference policy were given")
    logprob, old = logprob.masked_fill(~mask, 0.0), old.masked_fill(~mask, 0.0)
    each, clipped = surrogate(
        logprob, old, advantage[:, None], objective.surrogate, objective.clip_low, objective.clip_high
    )
    divergence = None if reference is None else kl(logprob, reference.masked_fill(~mask, 0.0), objective.kl_estimator)
    if divergence is not None and objective.kl_coefficient:
        each = each + objective.kl_coefficient * divergence
    if objective.entropy_coefficient:
        each = each - objective.entropy_coefficient * entropy
    return LossSums(
        loss=(weight[:, None] * each.masked_fill(~mask, 0.0)).sum(),
        clipped=(clipped & mask).sum(),
        kl_old=kl(old, logprob.detach(), "k3").sum(),
        kl_reference=None if divergence is None else divergence.detach().masked_fill(~mask, 0.0).sum(),
    )
