"""What a mean over seeds and problems varies with, and so what more seeds, problems or samples would bring."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, stdtrit

from verizero.statistics.differences import detectable_effect

SURE = 300.0
"""Standard errors beyond which an effect is found whatever the degrees of freedom; the distribution can't be computed there."""
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """The variances of one value Y_si of seed s and problem i, each an estimate and none negative.

    Attributes:
        seed: of the seeds' true means.
        problem: of the problems' true means.
        cell: of what a seed does on a problem beyond both, without the noise of sampling.
        sample: of one sampled response; K samples have 1/K of it.
    """

    seed: float
    problem: float
    cell: float
    sample: float

    def standard_error(self, seeds: int, problems: int, samples: int) -> float:
        """Of the mean over so many seeds and problems with so many samples each."""
        scatter = self.cell + self.sample / samples
        return math.sqrt(self.seed / seeds + self.problem / problems + scatter / (seeds * problems))

    def freedom(self, seeds: int, problems: int, samples: int) -> float:
        """Degrees of freedom of that mean's interval, by Satterthwaite from the expected mean squares (`intervals`)."""
        scatter = self.cell + self.sample / samples
        of_seeds = (problems * self.seed + scatter, seeds - 1)
        of_problems = (seeds * self.problem + scatter, problems - 1)
        own = (scatter, (seeds - 1) * (problems - 1))
        numerator = of_seeds[0] + of_problems[0] - own[0]
        squares = sum(square**2 / freedom for square, freedom in (of_seeds, of_problems, own))
        return max(numerator**2 / squares if squares else 1.0, min(seeds - 1, problems - 1))

    def detectable(self, seeds: int, problems: int, samples: int) -> float:
        """The smallest effect found in 80 % of such studies at a two-sided 5 %."""
        return detectable_effect(self.standard_error(seeds, problems, samples), self.freedom(seeds, problems, samples))

    def power(self, effect: float, seeds: int, problems: int, samples: int, level: float = 0.05) -> float:
        """The chance that such a study finds this effect: the noncentral t beyond the critical value, both sides."""
        df = self.freedom(seeds, problems, samples)
        critical = float(stdtrit(df, 1 - level / 2))
        se = self.standard_error(seeds, problems, samples)
        if not se:
            return float(effect != 0)
        shift = abs(effect) / se
        if shift > SURE:
            return 1.0
        other_side = np.nan_to_num(nctdtr(df, shift, -critical))  # next to nothing, and NaN where it is too small
        return float(np.clip(1 - nctdtr(df, shift, critical) + other_side, 0.0, 1.0))


def components(values: Array, noise: float, samples: int) -> Components:
    """The variances by the expected mean squares of the two-way layout (Searle, Casella and McCulloch 1992, Variance Components, chapter 4).

    `MS_seed = N v_seed + v_cell + v_sample / K`, `MS_prob = S v_problem + v_cell + v_sample / K`, `MS_int = v_cell + v_sample / K`.

    Args:
        values: [seed, problem], at least two of each.
        noise: mean over cells of the variance that sampling alone gives a value, v_sample / K.
        samples: K.

    Raises:
        ValueError: there are fewer than two seeds or problems.
    """
    seeds, problems = values.shape
    if seeds < 2 or problems < 2:
        raise ValueError(f"variances need two seeds and two problems, there are {seeds} and {problems}")
    by_seed, by_problem, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    residual = values - by_seed[:, None] - by_problem[None, :] + mean
    scatter = float((residual**2).sum()) / ((seeds - 1) * (problems - 1))
    of_seeds, of_problems = problems * float(by_seed.var(ddof=1)), seeds * float(by_problem.var(ddof=1))
    return Components(
        max(0.0, (of_seeds - scatter) / problems),
        max(0.0, (of_problems - scatter) / seeds),
        max(0.0, scatter - noise),
        min(noise, scatter) * samples,
    )


def sampling_noise(correct: NDArray[np.bool_]) -> float:
    """The variance that drawing K responses gives a problem's share of right ones, mean over problems: `p (1 - p) / (K - 1)`.

    Args:
        correct: [problem, sample].

    Returns:
        0 with one sample, where it can't be told from what a seed does on a problem.
    """
    samples = correct.shape[1]
    if samples < 2:
        return 0.0
    share = correct.mean(axis=1)
    return float((share * (1 - share)).mean()) / (samples - 1)
