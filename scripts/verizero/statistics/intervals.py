"""Intervals for a mean over problems, of one checkpoint or of several training seeds.

Which formula answers which question:
- one checkpoint: problems are a sample of problems (`problem_interval`);
- several seeds: seeds and problems are both samples; "this optimizer", not "this checkpoint" (`two_way_interval`);
- the same for the average over benchmarks (`average_interval`);
- nothing varies, 0 of N or N of N: a spread of zero says nothing, Wilson's score interval does (`wilson_interval`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit  # not scipy.stats: a second less to import

Array = NDArray[np.float64]
LEAST_SCATTER = 0.6
"""Of the width that the scatter of single cells gives: no interval is narrower than this share of it."""


@dataclass(frozen=True)
class Interval:
    """An estimate with what is known of its error.

    Attributes:
        se: standard error; None where the formula has none.
        df: degrees of freedom of Student's t.
        low, high: None where nothing can be said (a single problem).
        method: the formula's name, as in `docs`: `t over problems`, `two-way`, `wilson` or `none`.
    """

    estimate: float
    low: float | None
    high: float | None
    se: float | None
    df: float | None
    method: str

    def p_value(self) -> float | None:
        """Two-sided p of "the mean is 0", from Student's t."""
        if not self.se or self.df is None:
            return None
        return float(2 * stdtr(self.df, -abs(self.estimate) / self.se))


def problem_interval(values: Array, confidence: float, support: int | None = None) -> Interval:
    """One checkpoint, its problems a sample of problems.

    The K samples of a problem are averaged first, then `SE = sd_i(Y_i, ddof=1) / sqrt(N)`, which equals the standard
    error clustered by problem (Miller 2024, arXiv 2411.00640, section 2); `mean +- t(N-1) SE`.

    Args:
        values: [problem], Y_i.
        confidence: for example 0.95.
        support: how many problems carry information (degrees of freedom + 1); by default all.
    """
    support = len(values) if support is None else support
    mean = float(values.mean())
    if support < 2:
        return Interval(mean, None, None, None, None, "none")
    return _student(mean, float(values.var(ddof=1)) / len(values), support - 1, confidence, "t over problems")


def two_way_interval(values: Array, confidence: float, support: int | None = None) -> Interval:
    """Several training seeds on the same problems, both of them samples.

    With cell means Y_si of S seeds and N problems:
    `MS_seed = N sum_s (Y_s. - Y..)^2 / (S-1)`, `MS_prob = S sum_i (Y_.i - Y..)^2 / (N-1)`,
    `MS_int = sum_si (Y_si - Y_s. - Y_.i + Y..)^2 / ((S-1)(N-1))`,
    `Var(mean) = (MS_seed + MS_prob - MS_int) / (S N)`, degrees of freedom by Satterthwaite (1946, Biometrics 2:110):
    that numerator squared over `MS_seed^2/(S-1) + MS_prob^2/(N-1) + MS_int^2/((S-1)(N-1))`.
    The degrees of freedom are at least the smallest of the three components'.
    Where the numerator is not positive, the largest mean square (and its degrees of freedom) takes its place.
    The interval is at least 0.6 times as wide as `MS_int` alone would make it: cells that only scatter have that error, and the
    numerator, a difference, falls far below it by chance. The share is chosen by simulation (`benchmarks/coverage.py`): with
    1 such intervals hold the truth in up to 99 % of studies, with 0 a few are next to nothing wide.

    Args:
        values: [seed, problem], Y_si; with one seed this is `problem_interval`.
        confidence: for example 0.95.
        support: as in `problem_interval`.
    """
    support = values.shape[1] if support is None else support
    if len(values) == 1:
        return problem_interval(values[0], confidence, support)
    return _crossed([values], confidence, [support], "two-way")


def average_interval(parts: Sequence[Array], confidence: float) -> Interval:
    """The average of the means of several benchmarks, each [seed, problem of the benchmark], over the same seeds.

    Benchmarks are the ones that were asked for, no sample of benchmarks; seeds and each benchmark's problems are samples. The formula is
    that of `two_way_interval`, component by component: the seeds' own averages give what varies with seeds (a seed that is good on one
    benchmark and good on the next is counted so), and each benchmark b of B adds `(MS_prob - MS_int) / (S N_b B^2)`. A benchmark on which
    all values are 0 or all are 1 shows no spread and is not known exactly: it adds Agresti and Coull's variance (1998, The American
    Statistician 52:119) of 0 or N of its N problems, `p (1 - p) / (N + 4)` with p = 2 / (N + 4).

    Args:
        parts: one array a benchmark, shares in 0..1; all have the same number of seeds.
        confidence: for example 0.95.
    """
    blocks = len(parts) ** 2
    if min(values.shape[1] for values in parts) < 2:
        return Interval(float(np.mean([values.mean() for values in parts])), None, None, None, None, "none")
    unknown = [(_hidden(values) / blocks, values.shape[1] - 1.0) for values in parts if _hidden(values)]
    if len(parts[0]) > 1:
        sizes = [values.shape[1] for values in parts]
        return _inside(_crossed(parts, confidence, sizes, "two-way", unknown))
    pieces = [(float(values[0].var(ddof=1)) / values.shape[1] / blocks, values.shape[1] - 1.0) for values in parts]
    mean, (variance, df) = float(np.mean([values.mean() for values in parts])), _summed([*pieces, *unknown])
    return _inside(_student(mean, variance, df, confidence, "t over problems"))


def _inside(found: Interval) -> Interval:
    """The interval of a share, its ends kept inside 0..1."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def _hidden(values: Array) -> float:
    """The variance of a share whose values are all 0 or all 1; 0 for any other."""
    if values.min() != values.max() or values.flat[0] not in (0.0, 1.0):
        return 0.0
    n = values.shape[1] + 4
    return 2 / n * (1 - 2 / n) / n


def _summed(pieces: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of variances, and its degrees of freedom by Satterthwaite; `pieces` is (variance, degrees of freedom)."""
    total = sum(size for size, _ in pieces)
    squares = sum(size**2 / freedom for size, freedom in pieces)
    return total, total**2 / squares if squares else pieces[0][1]


def _crossed(
    parts: Sequence[Array],
    confidence: float,
    support: Sequence[int],
    method: str,
    unknown: Sequence[tuple[float, float]] = (),
) -> Interval:
    """`two_way_interval` for the average of B blocks of problems; one block is the usual case.

    Args:
        parts: the blocks, each [seed, problem of the block].
        confidence, support: as there.
        method: what the interval is called.
        unknown: more variances of the mean, each with its degrees of freedom.
    """
    seeds = len(parts[0])
    averages = np.mean([values.mean(axis=1) for values in parts], axis=0)
    mean = float(averages.mean())
    if min(support) < 2:
        return Interval(mean, None, None, None, None, "none")
    # each in the unit of a variance of the mean, with its degrees of freedom
    plus, minus = [(float(averages.var(ddof=1)) / seeds, seeds - 1.0), *unknown], []
    for values, n in zip(parts, support, strict=True):
        problems = values.shape[1]
        by_seed, by_problem = values.mean(axis=1), values.mean(axis=0)
        residual = values - by_seed[:, None] - by_problem[None, :] + values.mean()
        own = float(by_problem.var(ddof=1)) / problems / len(parts) ** 2
        scatter = float((residual**2).sum()) / ((seeds - 1) * (problems - 1)) / (seeds * problems) / len(parts) ** 2
        plus.append((own, n - 1.0))
        minus.append((scatter, (seeds - 1.0) * (n - 1)))
    numerator = sum(size for size, _ in plus) - sum(size for size, _ in minus)
    if numerator > 0:
        # the numerator may be a small difference of large squares, and the formula then gives less than one degree of
        # freedom (and intervals of millions of tokens); it is kept at the smallest that a component has
        squares = sum(size**2 / freedom for size, freedom in (*plus, *minus))
        variance, df = numerator, max(numerator**2 / squares, min(freedom for _, freedom in (*plus, *minus)))
    else:
        variance, df = max((*plus, *minus))
    scattered, freedom = _summed(minus)
    found = _student(mean, variance, df, confidence, method)
    least = _student(mean, LEAST_SCATTER**2 * scattered, freedom, confidence, method)
    return max(found, least, key=_width)


def wilson_interval(share: float, n: int, confidence: float) -> Interval:
    """Score interval of a share of n independent yes/no outcomes (Wilson 1927, JASA 22:209).

    `(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)`; 0 of 30 gives an upper end of 11.4 %.
    """
    z = float(ndtri(0.5 + confidence / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return Interval(share, low, high, None, None, "wilson")


def share_interval(values: Array, confidence: float) -> Interval:
    """For a share (avg@k, pass@k, truncated): the formula that fits, its ends kept inside 0..1.

    Wilson's interval over the N problems is taken where all values are 0 or all are 1 (N, not seeds x N: seeds share
    their problems), and for one checkpoint whose every problem is simply right or wrong (greedy decoding).

    Args:
        values: [seed, problem].
        confidence: for example 0.95.
    """
    constant = values.min() == values.max() and values.flat[0] in (0.0, 1.0)
    binary = values.shape[0] == 1 and bool(np.isin(values, (0.0, 1.0)).all())
    if constant or binary:
        return wilson_interval(float(values.mean()), values.shape[1], confidence)
    return _inside(two_way_interval(values, confidence))


def _width(interval: Interval) -> float:
    assert interval.low is not None and interval.high is not None
    return interval.high - interval.low


def _student(mean: float, variance: float, df: float, confidence: float, method: str) -> Interval:
    se = math.sqrt(variance)
    half = float(stdtrit(df, 0.5 + confidence / 2)) * se
    return Interval(mean, mean - half, mean + half, se, df, method)
