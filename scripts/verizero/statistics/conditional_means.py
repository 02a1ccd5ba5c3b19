"""Response length of right and of wrong samples: a mean over some of the samples only, made ready for an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ConditionalMean:
    """A mean over the samples that meet a condition.

    Attributes:
        values: [problem], linearised: their mean is the estimate, their spread over problems is its uncertainty.
        problems: how many problems have such a sample.
        samples: how many samples there are.
    """

    values: Array
    contributing: NDArray[np.bool_]
    samples: int

    @property
    def problems(self) -> int:
        """How many problems have such a sample."""
        return int(self.contributing.sum())


def conditional_mean(quantity: Array, condition: NDArray[np.bool_]) -> ConditionalMean | None:
    """Mean of a quantity over the samples that meet a condition, as one value a problem.

    The mean is a ratio, `R = sum_i t_i / sum_i n_i`, with t_i the quantity's sum and n_i the number of such samples of
    problem i: a problem that is always answered right says nothing of the length of wrong answers. Both sums vary with
    the problems drawn, so the uncertainty is that of a ratio: by Taylor linearisation (Cochran 1977, Sampling
    Techniques, section 6.4) the values `R + (t_i - R n_i) / mean(n)` have mean R and, over problems, its variance.
    The second part is scaled by sqrt(m/(m-1) (N-1)/N), with m of N problems having such a sample: the spread then
    counts m - 1 degrees of freedom, not N - 1.

    Args:
        quantity: [problem, sample], for example tokens.
        condition: [problem, sample].

    Returns:
        None where no sample meets the condition.
    """
    number = condition.sum(axis=1, dtype=np.float64)
    if not number.any():
        return None
    total = np.where(condition, quantity, 0.0).sum(axis=1)
    return ConditionalMean(ratio_of_sums(total, number), number > 0, int(number.sum()))


def ratio_of_sums(total: Array, number: Array) -> Array:
    """`sum_i t_i / sum_i n_i` as one value a problem, linearised as `conditional_mean` says.

    Args:
        total: [problem], t_i.
        number: [problem], n_i, not negative and not all 0.
    """
    ratio = total.sum() / number.sum()
    m, n = int((number > 0).sum()), len(number)
    scale = np.sqrt(m / (m - 1) * (n - 1) / n) if m > 1 else 1.0
    return ratio + scale * (total - ratio * number) / number.mean()
