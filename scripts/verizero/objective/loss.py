"""The objective: a weighted sum over the tokens of an update.

`loss = sum weight * (correction * surrogate + kl_coefficient * kl - entropy_coefficient * entropy) - sum imitation * logprob`
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verizero.objective.correction import CorrectionKind, correction
from verizero.objective.kl import KlEstimator, kl
from verizero.objective.ratio import RatioLevel, log_ratio, position
from verizero.objective.surrogate import SurrogateKind, TokenLoss, clipped, detached_clip, reinforce


@dataclass(frozen=True)
class Objective:
    """The coefficients of the objective, fixed for a run."""

    surrogate: SurrogateKind
    clip_low: float = 0.2
    clip_high: float = 0.2
    ratio: RatioLevel = "token"
    clip_growth: float = 0.0
    """The range of a `cumulative` ratio, in nats, widens with the position in the response to this power."""
    dual_clip: float | None = None
    ratio_min: float = 0.0
    ratio_max: float = 1.0
    """The range of `detached-clip`."""
    kl_coefficient: float = 0.0
    kl_estimator: KlEstimator = "k3"
    entropy_coefficient: float = 0.0
    imitation_coefficient: float = 0.0
    """Of -log p of right responses; it is in the `imitation` that `loss_sums` is given."""
    correction: CorrectionKind | None = None
    correction_low: float = 0.0
    correction_high: float = 1.0

    @property
    def needs_all_tokens(self) -> bool:
        """Whether a token without advantage still has a gradient."""
        return self.kl_coefficient != 0 or self.entropy_coefficient != 0 or self.imitation_coefficient != 0


@dataclass(frozen=True)
class LossSums:
    """Sums over the tokens of a micro-batch; over the micro-batches and ranks of an update they add up."""

    loss: Float[Tensor, ""]
    """Carries the gradient."""
    clipped: Float[Tensor, ""]
    """Number of tokens that the clip changed: under `clip` it took their gradient away."""
    kl_old: Float[Tensor, ""]
    """Sum of k3 between the policy that sampled and the one being trained, in nats."""
    kl_reference: Float[Tensor, ""] | None
    """Sum of the estimator of the divergence from the reference policy, where there is one."""
    correction: Float[Tensor, ""] | None
    """Sum of the correction's factor, where there is one."""
    finite: Bool[Tensor, " response"]
    """Whether the loss of each response is a number."""


def loss_sums(
    objective: Objective,
    logprob: Float[Tensor, "response token"],
    entropy: Float[Tensor, "response token"],
    old: Float[Tensor, "response token"],
    reference: Float[Tensor, "response token"] | None,
    advantage: Float[Tensor, "response token"],
    weight: Float[Tensor, "response token"],
    mask: Bool[Tensor, "response token"],
    sampled: Float[Tensor, "response token"] | None = None,
    imitation: Float[Tensor, "response token"] | None = None,
) -> LossSums:
    """The part of an update's loss that these responses contribute.

    Args:
        logprob, entropy: of each sampled token under the policy being trained, in nats; carry the gradient.
        old, reference: log-probabilities under the sampling policy and the reference policy; no gradient.
        advantage: of each token.
        weight: of each token, from `objective.weight` over the *whole* update.
        mask: which positions are tokens of the response; what stands elsewhere has no influence, and no gradient.
        sampled: the engine's own log-probabilities; for a correction.
        imitation: what -log p of each token counts, over the whole update: VAPO's positive-example loss (arXiv 2504.05118).

    Raises:
        ValueError: a term needs what was not given.
    """
    if objective.kl_coefficient and reference is None:
        raise ValueError("kl_coefficient is not 0, but no log-probabilities of the reference policy were given")
    logprob, old = logprob.masked_fill(~mask, 0.0), old.masked_fill(~mask, 0.0)
    each, changed = policy_loss(objective, logprob, old, advantage.masked_fill(~mask, 0.0), mask)
    factor = None
    if objective.correction is not None:
        if sampled is None:
            raise ValueError("a correction was asked for, but no log-probabilities of the engine were given")
        bounds = (objective.correction_low, objective.correction_high)
        factor = correction(old, sampled.masked_fill(~mask, 0.0), objective.correction, *bounds)
        each = factor * each
    divergence = None if reference is None else kl(logprob, reference.masked_fill(~mask, 0.0), objective.kl_estimator)
    if divergence is not None and objective.kl_coefficient:
        each = each + objective.kl_coefficient * divergence
    if objective.entropy_coefficient:
        each = each - objective.entropy_coefficient * entropy
    weighted = weight.masked_fill(~mask, 0.0) * each.masked_fill(~mask, 0.0)
    if imitation is not None:
        weighted = weighted - imitation.masked_fill(~mask, 0.0) * logprob
    return LossSums(
        loss=weighted.sum(),
        clipped=(changed & mask).sum(),
        kl_old=kl(old, logprob.detach(), "k3").sum(),
        kl_reference=None if divergence is None else divergence.detach().masked_fill(~mask, 0.0).sum(),
        correction=None if factor is None else factor.masked_fill(~mask, 0.0).sum(),
        finite=weighted.detach().isfinite().all(-1),
    )


def policy_loss(
    objective: Objective,
    logprob: Float[Tensor, "response token"],
    old: Float[Tensor, "response token"],
    advantage: Float[Tensor, "response token"],
    mask: Bool[Tensor, "response token"],
) -> TokenLoss:
    """The surrogate that the objective names, and where its clip is at work.

    Raises:
        ValueError: no surrogate has that name.
    """
    match objective.surrogate:
        case "none":
            return torch.zeros_like(logprob), torch.zeros_like(mask)
        case "reinforce":
            return reinforce(logprob, advantage)
        case "detached-clip":
            ratio = log_ratio(logprob, old, mask, objective.ratio)
            return detached_clip(ratio, logprob, advantage, objective.ratio_min, objective.ratio_max)
        case "clip":
            ratio = log_ratio(logprob, old, mask, objective.ratio)
            return clipped(ratio, advantage, *_range(objective, mask))
    raise ValueError(f"no surrogate is called `{objective.surrogate}`")


def _range(
    objective: Objective, mask: Bool[Tensor, "response token"]
) -> tuple[Tensor | float, Tensor | float, Tensor | float | None]:
    """Where the clip begins, below and above, and the dual clip's end; as ratios."""
    low, high, dual = objective.clip_low, objective.clip_high, objective.dual_clip
    if objective.ratio != "cumulative":
        return 1 - low, 1 + high, dual
    width = position(mask).clamp(min=1).float() ** objective.clip_growth
    return (-low * width).exp(), (high * width).exp(), None if dual is None else (dual * width).exp()
