"""Mean 0 and variance 1 over all tokens of a step, whichever rank holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Sums = Callable[[Sequence[float]], list[float]]


def whitened(
    values: Sequence[Float[Tensor, " token"]], sums: Sums = list, epsilon: float = 1e-8
) -> list[Float[Tensor, " token"]]:
    """(x - mean) / sqrt(var + epsilon), with mean and (unbiased) variance over all tokens of all responses of all ranks.

    The batch normalisation of REINFORCE++ (arXiv 2501.03262). A long response counts in the mean as often as it has tokens.

    Args:
        values: of the tokens of each response that this rank holds.
        sums: adds numbers up over the ranks; called twice by every rank, also by one that holds nothing.

    Fewer than two tokens in all have no spread; they become 0.
    """
    flat = torch.cat([torch.zeros(0, dtype=torch.float64), *(value.double() for value in values)])
    count, total = sums([float(len(flat)), float(flat.sum())])
    if count < 2:  # on all ranks alike
        return [torch.zeros_like(value, dtype=torch.float64) for value in values]
    mean = total / count
    [squares] = sums([float(((flat - mean) ** 2).sum())])
    scale = (squares / (count - 1) + epsilon) ** -0.5
    return [(value.double() - mean) * scale for value in values]
