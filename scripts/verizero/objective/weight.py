"""How much each token counts in the loss of one update."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

WeightKind = Literal["sequence", "token", "constant"]


def token_weights(
    lengths: Int[Tensor, " response"], kind: WeightKind, constant_length: int | None = None
) -> Float[Tensor, " response"]:
    """The weight of each token of a response; it is the same for all tokens of one response.

    Computed once for an optimizer update, from the lengths of *all* its responses on all ranks, so that micro-batches,
    packing and data parallelism cannot change the loss. N is the number of responses with at least one token.

    - `sequence`, 1/(N |o|): GRPO as paper A trains it; every response counts the same, so a token of a long one counts less.
    - `token`, 1/sum |o|: GRPO as papers B and C train it, and DAPO (arXiv 2503.14476, equation 8).
    - `constant`, 1/(N L): Dr. GRPO (arXiv 2503.20783, listing 1), L = `constant_length` in tokens.

    Raises:
        ValueError: `constant` without a length, an unknown kind, or an update without a single token.
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
        case _:
            raise ValueError(f"no weight is called `{kind}`")
    return (weight * (lengths > 0)).to(torch.float32)
