"""The advantages of a step: what is compared over all ranks, and what each token of this rank's responses gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verizero.config.axes import Advantage
from verizero.objective.advantage import advantages, group_std
from verizero.objective.prefix_tree import branch_differences
from verizero.objective.returns import returns
from verizero.objective.whitening import whitened
from verizero.training.rollouts import Outcomes, Response
from verizero.training.world import World


@dataclass(frozen=True)
class StepAdvantages:
    """Advantages in units of the reward, or of its spread."""

    response: Float[Tensor, " response"]
    """Of all ranks' responses, before anything that tells their tokens apart."""
    token: Mapping[int, Float[Tensor, " token"]]
    """Of this rank's responses, by their number."""


def step_advantages(
    how: Advantage,
    known: Outcomes,
    mine: Sequence[Response],
    penalties: Mapping[int, Float[Tensor, " token"]],
    entering: Bool[Tensor, " response"],
    world: World,
) -> StepAdvantages:
    """Compare the step's responses as the optimizer's file says; all ranks call this together.

    Args:
        penalties: what each token takes from the reward; of all of this rank's responses, or of none.
        entering: only their tokens count in a whitening.
    """
    reward = known.rewards
    if penalties and how.shape != "returns":
        totals = dict(world.gather([(number, float(penalty.sum())) for number, penalty in penalties.items()]))
        reward = reward - torch.tensor([totals[row.number] for row in known.rows], dtype=reward.dtype)
    scale = "none" if how.scale == "whiten" else how.scale
    response = advantages(reward, known.groups, how.baseline, scale, how.epsilon, known.greedy)
    token = {one.number: response[one.number].expand(len(one.tokens)) for one in mine}
    match how.shape:
        case "returns":
            nothing = {number: torch.zeros(len(values)) for number, values in token.items()}
            token = {n: returns(float(response[n]), penalties.get(n, nothing[n]), how.discount) for n in token}
        case "prefix-tree":
            everyone = dict(world.gather([(one.number, torch.tensor(one.tokens)) for one in mine]))
            differences = branch_differences([everyone[row.number] for row in known.rows], reward, known.groups)
            std = group_std(reward, known.groups) + how.epsilon if how.scale == "group-std" else torch.ones_like(reward)
            token = {n: token[n] + differences[n] / std[n] for n in token}
    if how.scale == "whiten":
        counted = [number for number in token if entering[number]]
        token |= dict(zip(counted, whitened([token[n] for n in counted], world.sums, how.epsilon), strict=True))
    return StepAdvantages(response, token)
