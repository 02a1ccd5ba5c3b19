"""What a critic minimises."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verizero.objective.whitening import Sums

ROUNDING = 1e-24
"""A variance of rewards about 1 that is below this is the rounding of a mean."""


def value_loss(
    value: Float[Tensor, "response token"],
    before: Float[Tensor, "response token"],
    target: Float[Tensor, "response token"],
    clip: float | None,
) -> tuple[Float[Tensor, "response token"], Bool[Tensor, "response token"]]:
    """The loss of each token, and whether the clip took its gradient away.

    (V - R)^2 / 2 without a clip; with one, max((V - R)^2, (V' - R)^2) / 2 with V' = V kept within `clip` of the value before the
    step's updates, as the code of OpenAI's PPO has it (baselines, ppo2) and oat, verl and OpenRLHF after it.

    Args:
        value: carries the gradient, in units of the reward.
        before: of the same tokens, before the first update of the step.
        target: R, what was earned from the token on.
    """
    free = (value - target) ** 2 / 2
    if clip is None:
        return free, torch.zeros_like(free, dtype=torch.bool)
    bounded = (torch.clamp(value, before - clip, before + clip) - target) ** 2 / 2
    return torch.maximum(free, bounded), bounded > free


def explained_variance(
    values: Sequence[Float[Tensor, " token"]], targets: Sequence[Float[Tensor, " token"]], sums: Sums = list
) -> float | None:
    """1 - Var(R - V) / Var(R): 1 for a perfect critic, 0 for one that knows the mean alone, below 0 for a worse one.

    Args:
        values, targets: V and R of the tokens of each response that this rank holds.
        sums: adds numbers up over the ranks; called twice by every rank, also by one that holds nothing.

    Returns:
        None where all targets are equal, or there is none.
    """
    nothing = torch.zeros(0, dtype=torch.float64)
    target = torch.cat([nothing, *(one.double() for one in targets)])
    residual = target - torch.cat([nothing, *(one.double() for one in values)])
    count, *totals = sums([float(len(target)), float(target.sum()), float(residual.sum())])
    means = [total / max(count, 1.0) for total in totals]
    spread, left = sums([float(((one - m) ** 2).sum()) for one, m in zip((target, residual), means, strict=True)])
    return None if spread <= ROUNDING * count else 1 - left / spread
