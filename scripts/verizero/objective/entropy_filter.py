"""Which tokens are uncertain enough to be trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray


def entropy_threshold(entropies: Sequence[Float[NDArray[np.float32], " token"]], quantile: float) -> float:
    """The entropy that a share `1 - quantile` of the tokens reach, in nats.

    Over the tokens of the whole step on all ranks (arXiv 2506.01939 trains on the upper 20 %, quantile 0.8): a
    threshold for each micro-batch would make the loss depend on how the step is cut.

    Raises:
        ValueError: there is no token.
    """
    if not any(len(entropy) for entropy in entropies):
        raise ValueError("a step without tokens has no entropy quantile")
    return float(np.quantile(np.concatenate(entropies).astype(np.float64), quantile))
