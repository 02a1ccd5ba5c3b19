"""What a benchmark's graded samples estimate: avg@k and pass@k, problem by problem."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def avg_at_k(correct: NDArray[np.bool_]) -> Array:
    """Share of right samples of each problem; its mean over problems is avg@k.

    Args:
        correct: [problem, sample], k samples a problem.

    Returns:
        [problem], in 0..1.
    """
    return correct.mean(axis=1, dtype=np.float64)


def pass_at_k(correct: NDArray[np.bool_], k: int) -> Array:
    """Unbiased estimate, for each problem, of the chance that at least one of k samples is right.

    Chen et al. 2021 (arXiv 2107.03374, eq. 1): `1 - C(n-c, k) / C(n, k)` with c right of n samples; computed with whole
    numbers, so nothing overflows and nothing cancels. Its mean over problems is pass@k.

    Args:
        correct: [problem, sample], n samples a problem.
        k: how many tries.

    Returns:
        [problem], in 0..1.

    Raises:
        ValueError: fewer than k samples; the estimate does not exist (drawing with replacement would be biased).
    """
    n = correct.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples a problem, there are {n}")
    by_count = np.array([1 - math.comb(n - c, k) / math.comb(n, k) for c in range(n + 1)])
    return by_count[correct.sum(axis=1)]


def majority(classes: NDArray[np.int64]) -> Array:
    """Whether the answer that most samples of a problem give is right; its mean over problems is maj@k for k samples.

    Where several answers have the most votes, the share of right ones among them (there is at most one); 0 where nobody votes. Also called
    self-consistency (Wang et al. 2023, arXiv 2203.11171).

    Args:
        classes: [problem, sample], equal numbers for equal answers, 0 for the right one, -1 for a sample without an answer.

    Returns:
        [problem], in 0..1.
    """
    found = np.zeros(len(classes))
    for place, row in enumerate(classes):
        counts = np.bincount(row[row >= 0]) if (row >= 0).any() else np.zeros(1, dtype=np.int64)
        if counts[0] and counts[0] == counts.max():
            found[place] = 1 / int((counts == counts[0]).sum())
    return found


def tries(samples: int) -> list[int]:
    """The k of pass@k that n samples can tell: the powers of two up to n, and n itself."""
    powers = [2**exponent for exponent in range(1, samples.bit_length()) if 2**exponent <= samples]
    return sorted({*powers, samples} - {1})
