"""The return of each token: what is still to be earned from it on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def returns(final: float, penalty: Float[Tensor, " token"], discount: float = 1.0) -> Float[Tensor, " token"]:
    """sum_{s >= t} discount^(s-t) rho_s, where rho is -penalty at each token, plus `final` at the last one.

    REINFORCE++ (arXiv 2501.03262) with the divergence from the reference policy as penalty; without penalty and discount
    all tokens have the return `final`.

    Args:
        final: what the response earned, less its baseline.
        penalty: of each of its tokens, in units of the reward.
    """
    found = torch.empty(len(penalty), dtype=torch.float64)
    ahead = final
    for t in reversed(range(len(penalty))):
        ahead = ahead - float(penalty[t])
        found[t] = ahead
        ahead *= discount
    return found
