"""Looking more than once: boundaries that keep the chance of a false claim, however many of the planned looks are taken."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from verizero.statistics.intervals import LEAST_SCATTER

Spending = Literal["obrien-fleming", "pocock"]
PAIRS = tuple((problem, seed) for problem in (0.0, 0.3, 1.0) for seed in (0.0, 0.05, 0.15, 0.5))
"""Standard deviations of problems and of seeds, against that of a cell, over which looking is calibrated."""
STUDIES, BATCH = 4000, 500
GRID = 4001
"""Points of the grid on which the statistic's density is carried from look to look."""


def spent(information: float, alpha: float, spending: Spending = "obrien-fleming") -> float:
    """How much of alpha may be used up when this share of the planned information is there (Lan and DeMets 1983, Biometrika 70:659).

    `obrien-fleming`: each side `2 - 2 Phi(z_{1-alpha/4} / sqrt(t))`, almost nothing early. `pocock`: `alpha log(1 + (e - 1) t)`, evenly.

    Args:
        information: t, in 0..1.
        alpha: two-sided, for all looks together.
        spending: the function.
    """
    if information <= 0:
        return 0.0
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * min(information, 1.0))
    return float(4 * ndtr(-ndtri(1 - alpha / 4) / math.sqrt(min(information, 1.0))))


def nominal_levels(information: Sequence[float], alpha: float, spending: Spending = "obrien-fleming") -> list[float]:
    """The two-sided level at which each look is tested, so that all of them together err with alpha.

    At look k the boundary c_k solves `P(|Z_1| < c_1, ..., |Z_{k-1}| < c_{k-1}, |Z_k| >= c_k) = spent(t_k) - spent(t_{k-1})`, with
    `Z_k sqrt(t_k)` a Brownian motion at t_k (Armitage, McPherson and Rowe 1969, JRSS A 132:235; Jennison and Turnbull 2000, chapter 19):
    its density inside the boundaries is carried from look to look on a grid. The level is `2 (1 - Phi(c_k))`.

    Args:
        information: shares of the planned information, rising, the last at most 1.
        alpha: two-sided, for all looks together.
        spending: how alpha is shared out.

    Raises:
        ValueError: the shares do not rise, or leave 0..1.
    """
    if any(not before < after <= 1 for before, after in zip((0.0, *information), information, strict=False)):
        raise ValueError(f"the shares of information {list(information)} must rise, from above 0 to at most 1")
    levels: list[float] = []
    points: NDArray[np.float64] = np.zeros(1)
    masses: NDArray[np.float64] = np.ones(1)
    before = 0.0
    for share in information:
        step = math.sqrt(share - before)
        target = spent(share, alpha, spending) - spent(before, alpha, spending)

        def outside(bound: float, points: NDArray[np.float64] = points, masses: NDArray[np.float64] = masses,
                    step: float = step) -> float:  # fmt: skip
            return float((masses * (ndtr((points - bound) / step) + ndtr((-bound - points) / step))).sum())

        low, high = 0.0, 12.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if outside(middle) > target else (low, middle)
        bound = (low + high) / 2
        levels.append(float(2 * ndtr(-bound / math.sqrt(share))))
        # the mass of each cell of the new grid, exact for each old point
        edges = np.linspace(-bound, bound, GRID + 1)
        cumulative = ndtr((edges[None, :] - points[:, None]) / step)
        masses = masses @ np.diff(cumulative, axis=1)
        points, before = (edges[1:] + edges[:-1]) / 2, share
    return levels


def power_to_come(estimate: float, se_now: float, se_last: float, critical: float, df: float) -> float:
    """The chance that the last look finds an effect, given what is known now: predictive power (Spiegelhalter, Freedman and Blackburn 1986).

    With a flat prior on the true difference the last estimate is spread around the present one with standard deviation
    `se_now sqrt(1 - w)`, `w = se_last^2 / se_now^2`; as `se_now` is itself estimated, by Student's t.

    Args:
        estimate: of the difference, now.
        se_now, se_last: standard errors, now and at the last look.
        critical: how many standard errors the last look asks for.
        df: degrees of freedom of se_now.
    """
    weight = min(1.0, (se_last / se_now) ** 2)
    spread, bound = se_now * math.sqrt(1 - weight), critical * se_last
    if not spread:
        return float(abs(estimate) >= bound)
    return float(stdtr(df, (estimate - bound) / spread) + stdtr(df, (-bound - estimate) / spread))


def power_if(effect: float, estimate: float, se_now: float, se_last: float, critical: float) -> float:
    """The same if the true difference is this: conditional power (Jennison and Turnbull 2000, chapter 10).

    The last estimate is normal around `w estimate + (1 - w) effect`, its variance `se_last^2 (1 - w)`.

    Args:
        effect: the true difference.
        estimate, se_now, se_last, critical: as for `power_to_come`.
    """
    weight = min(1.0, (se_last / se_now) ** 2)
    mean, spread, bound = weight * estimate + (1 - weight) * effect, se_last * math.sqrt(1 - weight), critical * se_last
    if not spread:
        return float(abs(mean) >= bound)
    return float(ndtr((mean - bound) / spread) + ndtr((-bound - mean) / spread))


def calibration(
    looks: Sequence[int], alpha: float, levels: Sequence[float], problems: int, studies: int = STUDIES, seed: int = 0
) -> float:
    """By what the levels are multiplied so that looking errs with at most alpha where the statistic is a t with few degrees of freedom.

    The levels are right for a normal statistic whose variance is known. Three seeds estimate theirs, and a two-way interval's degrees of
    freedom are estimated too. So studies without an effect are drawn from the two-way layout, with each pair of variances of `PAIRS`
    (those of problems and of seeds against that of a cell), and looked at each time; a level multiplied by c errs in the share of studies
    whose smallest `p_k / level_k` is below c, so c is the alpha-quantile of it, in the least favourable pair.

    Args:
        looks: seeds at each look, rising.
        alpha: as for `nominal_levels`.
        levels: from `nominal_levels`.
        problems: of the benchmark; more than 200 are drawn as 200, beyond which nothing changes.
        studies: drawn for each pair.
        seed: of the draw; the same gives the same.

    Returns:
        At most 1.
    """
    return _calibration(tuple(looks), alpha, tuple(levels), min(problems, 200), studies, seed)


@functools.cache
def _calibration(
    looks: tuple[int, ...], alpha: float, levels: tuple[float, ...], problems: int, studies: int, seed: int
) -> float:
    draw = np.random.default_rng(seed)
    worst = 1.0
    for by_problem, by_seed in PAIRS:
        ratios = []
        for _ in range(0, studies, BATCH):
            values = draw.normal(0, 1, (BATCH, looks[-1], problems))
            values += by_problem * draw.normal(0, 1, (BATCH, 1, problems))
            values += by_seed * draw.normal(0, 1, (BATCH, looks[-1], 1))
            tried = [p_values(values[:, :n]) / level for n, level in zip(looks, levels, strict=True)]
            ratios.append(np.min(tried, axis=0))
        worst = min(worst, float(np.quantile(np.concatenate(ratios), alpha)))
    return worst


def p_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The p of `intervals.two_way_interval` for many studies at once.

    Args:
        values: [study, seed, problem], at least two seeds and two problems.

    Returns:
        [study].
    """
    _, seeds, problems = values.shape
    mean, by_seed, by_problem = values.mean((1, 2)), values.mean(2), values.mean(1)
    total = (values**2).sum((1, 2)) - seeds * problems * mean**2
    of_seeds = problems * ((by_seed - mean[:, None]) ** 2).sum(1)
    of_problems = seeds * ((by_problem - mean[:, None]) ** 2).sum(1)
    freedom = np.array([seeds - 1, problems - 1, (seeds - 1) * (problems - 1)], dtype=np.float64)
    squares = np.stack([of_seeds, of_problems, total - of_seeds - of_problems]) / freedom[:, None]
    numerator = squares[0] + squares[1] - squares[2]
    df = np.maximum(numerator**2 / (squares**2 / freedom[:, None]).sum(0), freedom.min())
    largest = squares.argmax(0)
    df = np.where(numerator > 0, df, freedom[largest])
    variance = np.where(numerator > 0, numerator, squares.max(0)) / (seeds * problems)
    least = LEAST_SCATTER**2 * squares[2] / (seeds * problems)
    wider = stdtrit(freedom[2], 0.975) * np.sqrt(least) > stdtrit(df, 0.975) * np.sqrt(variance)
    df, variance = np.where(wider, freedom[2], df), np.where(wider, least, variance)
    return np.asarray(2 * stdtr(df, -np.abs(mean) / np.sqrt(variance)))
