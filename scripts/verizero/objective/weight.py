"""How much each token counts in the loss of one update."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from verizero.objective.advantage import group_sum

WeightKind = Literal["sequence", "token", "constant", "prompt", "balanced"]


def token_weights(
    lengths: Int[Tensor, " response"],
    kind: WeightKind,
    constant_length: int | None = None,
    group: Int[Tensor, " response"] | None = None,
    advantage: Float[Tensor, " response"] | None = None,
) -> Float[Tensor, " response"]:
    """The weight of each token of a response; it is the same for all tokens of one response.

    Computed once for an optimizer update, from *all* its responses on all ranks, so that micro-batches, packing and data
    parallelism cannot change the loss. N is the number of responses with at least one token, P that of their groups.

    - `sequence`, 1/(N |o|): GRPO as paper A trains it; every response counts the same, so a token of a long one counts less.
    - `token`, 1/sum |o|: GRPO as papers B and C train it, and DAPO (arXiv 2503.14476, equation 8).
    - `constant`, 1/(N L): Dr. GRPO (arXiv 2503.20783, listing 1), L = `constant_length` in tokens; L = 1 sums over a response.
    - `prompt`, 1/(P tokens of the group): every prompt counts the same (an option of SkyRL).
    - `balanced`, (n_side / n) / (tokens of the side) / P: in a group of n, the responses with A > 0 and those with A < 0 are
      averaged apart, each over its tokens, and added by their shares (arXiv 2605.04077); A = 0 has no side and weight 0.

    Args:
        lengths: in tokens; 0 for a response that does not enter.
        group: an id shared by the responses to one prompt; for `prompt` and `balanced`.
        advantage: of each response; for `balanced`.

    Raises:
        ValueError: a kind lacks what it reads, is unknown, or no response has a token.
    """
    counted = int((lengths > 0).sum())
    if counted == 0:
        raise ValueError("an update has no response with at least one token")
    length = lengths.to(torch.float64)
    match kind:
        case "sequence":
            weight = 1.0 / (counted * length.clamp(min=1.0))
        case "token":
            weight = torch.full_like(length, 1.0 / float(length.sum()))
        case "constant":
            if constant_length is None:
                raise ValueError("weight `constant` needs constant_length")
            weight = torch.full_like(length, 1.0 / (counted * constant_length))
        case "prompt":
            if group is None:
                raise ValueError("weight `prompt` needs the groups")
            weight = _over_groups(length, group) / group_sum(length, group).clamp(min=1.0)
        case "balanced":
            if group is None or advantage is None:
                raise ValueError("weight `balanced` needs the groups and the advantages")
            side = 3 * group + advantage.sign().long()  # A = 0 is a side of its own, so that it is in no other's tokens
            entering = (lengths > 0).to(torch.float64)
            share = group_sum(entering, side) / group_sum(entering, group).clamp(min=1.0)
            weight = _over_groups(length, group) * share / group_sum(length, side).clamp(min=1.0) * (advantage != 0)
        case _:
            raise ValueError(f"no weight is called `{kind}`")
    return (weight * (lengths > 0)).to(torch.float32)


def _over_groups(length: Float[Tensor, " response"], group: Int[Tensor, " response"]) -> float:
    """One over the number of groups with at least one token."""
    return 1.0 / len(torch.unique(group[length > 0]))
