"""An estimate of ours beside a number that somebody else printed: the difference with an interval, and what it tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.special import ndtri, stdtrit

Verdict = Literal["agrees", "differs", "can't tell"]
CLOSE = 0.05
"""Half width of an interval that is narrow enough to call two accuracies equal: five points."""


@dataclass(frozen=True)
class Apart:
    """Ours minus theirs, as a share.

    Attributes:
        low, high: None where ours has no interval.
    """

    difference: float
    low: float | None
    high: float | None
    verdict: Verdict


def single_run_margin(share: float, problems: int, confidence: float) -> float:
    """Half width of the interval of an accuracy of which one run is all that is known.

    `z sqrt(p (1 - p) / N)`, the binomial standard error over N problems. What the paper leaves unknown is how its number would vary with the
    seeds of sampling and of training on the same problems. The binomial error is the most that sampling one response to each problem can
    give (it is reached where every problem is solved with the same chance) and holds nothing of training; so it is a stand-in, wide for the
    sampling, blind for the training. It is taken for means over k samples as well: they scatter less by sampling, not by training.
    At 0 of N and N of N the formula would claim certainty; there p is taken half a problem away from the end.

    Args:
        share: p, between 0 and 1.
        problems: N.
        confidence: for example 0.95.
    """
    inside = min(max(share, 0.5 / problems), 1 - 0.5 / problems)
    return float(ndtri(0.5 + confidence / 2)) * math.sqrt(inside * (1 - inside) / problems)


def repeated_margin(spread: float, seeds: int, confidence: float) -> float:
    """Half width of the interval of a mean over seeds: `t(seeds - 1) spread / sqrt(seeds)`.

    Args:
        spread: standard deviation over seeds, as a share.
        seeds: how many, at least 2.
        confidence: for example 0.95.
    """
    return float(stdtrit(seeds - 1, 0.5 + confidence / 2)) * spread / math.sqrt(seeds)


def apart(estimate: float, low: float | None, high: float | None, theirs: float, margin: float) -> Apart:
    """Ours minus theirs, with the interval of ours widened by the other one's.

    The limits of a difference from the limits of its two sides (Zou and Donner 2008, Statistics in Medicine 27:1693):
    `d - sqrt((ours - low)^2 + margin^2)` and `d + sqrt((high - ours)^2 + margin^2)`, which keeps an interval lopsided that is (Wilson's).
    The two sides are taken as independent. They are of the same problems, so the interval is rather too wide.

    Args:
        estimate: ours, as a share, with `low` and `high`; None where nothing can be said.
        theirs: the other one's, as a share.
        margin: half width of its interval at the same confidence.
    """
    difference = estimate - theirs
    if low is None or high is None:
        return Apart(difference, None, None, "can't tell")
    ends = difference - math.hypot(estimate - low, margin), difference + math.hypot(high - estimate, margin)
    return Apart(difference, *ends, verdict(*ends))


def verdict(low: float, high: float, close: float = CLOSE) -> Verdict:
    """What an interval of a difference tells.

    `differs`: it holds no 0. `agrees`: it holds 0 and is at most `close` wide to each side on average. Else `can't tell`: a wide interval
    around 0 would hold 0 whatever was measured.
    """
    if low > 0 or high < 0:
        return "differs"
    return "agrees" if (high - low) / 2 <= close else "can't tell"
