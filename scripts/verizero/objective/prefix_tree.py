"""What a token changes where the responses of a group branch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def branch_differences(
    tokens: Sequence[Int[Tensor, " token"]], reward: Float[Tensor, " response"], group: Int[Tensor, " response"]
) -> list[Float[Tensor, " token"]]:
    """The temporal difference V(y_<=t) - V(y_<t) of each token of each response, in units of the reward.

    V of a prefix is the mean reward of those responses of the group that begin with it, so the difference is 0 wherever
    all of them go on alike: everywhere but at branches. TEMPO (arXiv 2509.18314) adds it to GRPO's advantage.

    A response that is alone on its branch has no further difference: behind its last branch, TEMPO is GRPO. At the branch
    itself it is not: a response that shares nothing with the others has 2 (r - mean) / std at its first token.

    Args:
        tokens: ids of each response; lengths may differ.
    """
    found = [torch.zeros(len(row), dtype=reward.dtype) for row in tokens]
    for number in group.unique().tolist():
        members = (group == number).nonzero().flatten().tolist()
        rewards = reward[members]
        alike = torch.ones(len(members), len(members), dtype=torch.bool)  # which of the group share the prefix so far
        before = rewards.mean().expand(len(members))
        columns = _padded([tokens[member] for member in members])
        for t, column in enumerate(columns.T):
            alike = alike & (column[:, None] == column[None, :]) & (column >= 0)
            if not bool(alike.any()):
                break
            share = alike.to(rewards.dtype)
            value = (share @ rewards) / share.sum(1).clamp(min=1)
            for row, member in enumerate(members):
                if t < len(tokens[member]):
                    found[member][t] = value[row] - before[row]
            before = value
            alone = alike.sum(1) <= 1
            if bool(alone.all()):
                break  # nobody shares anything any more
    return found


def _padded(rows: Sequence[Int[Tensor, " token"]]) -> Int[Tensor, "response token"]:
    """One row for each response, -1 behind its end."""
    width = max(len(row) for row in rows)
    table = torch.full((len(rows), width), -1, dtype=torch.long)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table
