"""How good a response is, compared with the other responses to its prompt."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Baseline = Literal["none", "group-mean", "leave-one-out", "greedy", "sign"]
Scale = Literal["none", "group-std"]
GROUPED = ("group-mean", "leave-one-out")
"""Baselines that compare a response with others of its group."""


def advantages(
    reward: Float[Tensor, " response"],
    group: Int[Tensor, " response"],
    baseline: Baseline,
    scale: Scale = "none",
    epsilon: float = 1e-8,
    greedy: Float[Tensor, " response"] | None = None,
) -> Float[Tensor, " response"]:
    """Advantage of each response: its reward less a baseline, divided by a scale.

    - `group-mean` without scale: Dr. GRPO (arXiv 2503.20783, section 3.2).
    - `group-mean` over `group-std`: GRPO (arXiv 2402.03300, section 4.1.2); the standard deviation is the unbiased
      one, as in the code of papers A, B and C, and `epsilon` is added to it.
    - `leave-one-out`: the mean of the *other* responses, RLOO (arXiv 2402.14740, equation 4); G/(G-1) times Dr. GRPO's.
    - `greedy`: the reward of the greedy completion to the same prompt, ReMax (arXiv 2310.10505).
    - `sign`: 2r - 1 for a reward of 0 or 1 (arXiv 2605.07689): a group that is all wrong still has a gradient.

    With a baseline of the group, a response of a group whose rewards are all equal has an advantage of exactly 0,
    whatever rounding does.

    Args:
        reward: any real reward of each response (`sign`: 0 or 1); all ranks' responses of the step.
        group: an id shared by the responses to one prompt, in any order.
        greedy: the reward of the greedy completion to each response's prompt.

    Raises:
        ValueError: a baseline or scale needs at least two responses in each group, or a baseline other rewards.
    """
    size = group_sum(torch.ones_like(reward), group)
    grouped = baseline in GROUPED
    if (grouped or scale != "none") and bool((size < 2).any()):
        raise ValueError(
            f"a group has a single response; baseline `{baseline}` and scale `{scale}` compare it with others"
        )
    mean = group_sum(reward, group) / size
    match baseline:
        case "none":
            advantage = reward.clone()
        case "group-mean":
            advantage = reward - mean
        case "leave-one-out":
            advantage = (reward - mean) * size / (size - 1)
        case "greedy":
            if greedy is None:
                raise ValueError("baseline `greedy` needs the rewards of greedy completions")
            advantage = reward - greedy
        case "sign":
            if bool(((reward != 0) & (reward != 1)).any()):
                raise ValueError("baseline `sign` is 2r - 1 for rewards of 0 and 1, and another one was given")
            advantage = 2 * reward - 1
        case _:
            raise ValueError(f"no baseline is called `{baseline}`")
    if scale == "group-std":
        advantage = advantage / (group_std(reward, group) + epsilon)
    elif scale != "none":
        raise ValueError(f"no scale is called `{scale}`")
    return advantage.masked_fill(zero_variance(reward, group), 0.0) if grouped else advantage


def group_std(reward: Float[Tensor, " response"], group: Int[Tensor, " response"]) -> Float[Tensor, " response"]:
    """The unbiased standard deviation of the rewards of each response's group."""
    size = group_sum(torch.ones_like(reward), group)
    mean = group_sum(reward, group) / size
    return (group_sum((reward - mean) ** 2, group) / (size - 1)).sqrt()


def zero_variance(reward: Float[Tensor, " response"], group: Int[Tensor, " response"]) -> Bool[Tensor, " response"]:
    """Whether all rewards of a response's group are equal, so that the group says nothing about what to prefer."""
    groups, index = torch.unique(group, return_inverse=True)
    highest = reward.new_full((len(groups),), -torch.inf).scatter_reduce(0, index, reward, "amax")
    lowest = reward.new_full((len(groups),), torch.inf).scatter_reduce(0, index, reward, "amin")
    return (highest == lowest)[index]


def group_sum(value: Float[Tensor, " response"], group: Int[Tensor, " response"]) -> Float[Tensor, " response"]:
    """The sum over its group, for each response."""
    _, index = torch.unique(group, return_inverse=True)
    return torch.zeros_like(value).index_add_(0, index, value)[index]
