"""The mean of paired differences: its interval, the effect that such a comparison finds, what few seeds cannot say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from verizero.statistics.intervals import Interval, two_way_interval, wilson_interval


def difference_interval(
    difference: NDArray[np.float64], confidence: float, support: int, share: bool
) -> tuple[Interval, str]:
    """The interval of a mean difference, and a remark where it is not the usual one.

    Where not one problem differs, the spread of zero says nothing: of N problems 0 differ, so by Wilson's interval up to
    a share w of all problems may, and the difference of two shares lies in [-w, w].

    Args:
        difference: [seed, problem].
        confidence: for example 0.95.
        support: how many problems carry information.
        share: whether both sides are shares; a difference of lengths has no bound.
    """
    if difference.any():
        found = two_way_interval(difference, confidence, support)
        return found, "" if found.low is not None else "fewer than two problems: no interval"
    if not share:
        return Interval(0.0, None, None, None, None, "none"), "every difference is 0: no interval"
    bound = wilson_interval(0.0, difference.shape[1], confidence).high or 0.0
    remark = "no problem differs; interval from Wilson's bound on the share that could"
    return Interval(0.0, -bound, bound, None, None, "wilson"), remark


def detectable_effect(standard_error: float, df: float, level: float = 0.05) -> float:
    """The smallest difference that such a comparison finds in 80 % of cases at a two-sided level.

    `t_df(0.975) + t_df(0.8)` standard errors: 2.80 where degrees of freedom are many, 5.4 with three seeds that alone decide.

    Args:
        standard_error: of the difference.
        df: degrees of freedom of its interval.
        level: two-sided; 0.05 divided by their number where several comparisons are made.
    """
    return float(stdtrit(df, 1 - level / 2) + stdtrit(df, 0.8)) * standard_error


def sign_flip_floor(seeds: int) -> float:
    """The smallest two-sided p that a sign-flip over so many paired seeds can reach: 2 / 2^S."""
    return 2 / 2**seeds
