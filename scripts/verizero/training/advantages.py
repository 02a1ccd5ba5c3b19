"""The advantages of a step: what is compared over all ranks, and what each token of this rank's responses gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verizero.config.axes import Advantage
from verizero.objective.advantage import advantages, group_std
from verizero.objective.gae import gae, length_adaptive_lambda
from verizero.objective.prefix_tree import branch_differences
from verizero.objective.returns import returns
from verizero.objective.whitening import whitened
from verizero.training.rollouts import Outcomes, Response
from verizero.training.world import World

PENALTIES_BY_TOKEN = ("returns", "gae")
"""Shapes in which a token bears its own penalty; elsewhere the response bears the sum."""
NO_VALUES: Mapping[int, Float[Tensor, " token"]] = {}


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
    values: Mapping[int, Float[Tensor, " token"]] = NO_VALUES,
) -> StepAdvantages:
    """Compare the step's responses as the optimizer's file says; all ranks call this together.

    Args:
        penalties: what each token takes from the reward; of all of this rank's responses, or of none.
        entering: only their tokens count in a whitening.
        values: what a critic expects before each token of this rank's responses; for shape `gae`.
    """
    reward = known.rewards
    if penalties and how.shape not in PENALTIES_BY_TOKEN:
        totals = dict(world.gather([(number, float(penalty.sum())) for number, penalty in penalties.items()]))
        reward = reward - torch.tensor([totals[row.number] for row in known.rows], dtype=reward.dtype)
    scale = "none" if how.scale == "whiten" else how.scale
    baseline = "none" if how.baseline == "critic" else how.baseline  # a critic's differs from token to token
    response = advantages(reward, known.groups, baseline, scale, how.epsilon, known.greedy)
    token = {one.number: response[one.number].expand(len(one.tokens)) for one in mine}
    match how.shape:
        case "returns":
            taken = _for_each(mine, penalties)
            token = {n: returns(float(response[n]), taken[n], how.discount) for n in token}
        case "gae":
            taken = _for_each(mine, penalties)
            token = {
                n: gae(float(reward[n]), taken[n], values[n], how.discount, _decay(how, len(values[n]))) for n in token
            }
        case "prefix-tree":
            everyone = dict(world.gather([(one.number, torch.tensor(one.tokens)) for one in mine]))
            differences = branch_differences([everyone[row.number] for row in known.rows], reward, known.groups)
            std = group_std(reward, known.groups) + how.epsilon if how.scale == "group-std" else torch.ones_like(reward)
            token = {n: token[n] + differences[n] / std[n] for n in token}
    if how.scale == "whiten":
        counted = [number for number in token if entering[number]]
        token |= dict(zip(counted, whitened([token[n] for n in counted], world.sums, how.epsilon), strict=True))
    return StepAdvantages(response, token)


def value_targets(
    known: Outcomes,
    mine: Sequence[Response],
    penalties: Mapping[int, Float[Tensor, " token"]],
    values: Mapping[int, Float[Tensor, " token"]],
    discount: float,
    decay: float,
) -> dict[int, Float[Tensor, " token"]]:
    """What a critic is fitted to at each token of this rank's responses, by their number: the advantage plus the value.

    Args:
        decay: lambda of the targets; 1 makes them returns.
    """
    reward, taken = known.rewards, _for_each(mine, penalties)
    return {
        one.number: gae(float(reward[one.number]), taken[one.number], values[one.number], discount, decay)
        + values[one.number].double()
        for one in mine
    }


def _for_each(
    mine: Sequence[Response], penalties: Mapping[int, Float[Tensor, " token"]]
) -> dict[int, Float[Tensor, " token"]]:
    """The penalty of each token of each response, 0 where there is none."""
    return {one.number: penalties.get(one.number, torch.zeros(len(one.tokens))) for one in mine}


def _decay(how: Advantage, tokens: int) -> float:
    """Lambda for a response of so many tokens."""
    if how.length_adaptive is not None:
        return length_adaptive_lambda(tokens, how.length_adaptive)
    return how.gae_lambda or 0.0
