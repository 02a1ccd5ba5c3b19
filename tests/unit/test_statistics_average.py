"""The average over benchmarks, and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from verizero.statistics.intervals import average_interval, share_interval, two_way_interval


def _draw(seed: int, seeds: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.binomial(4, rng.uniform(0.1, 0.9, n), (seeds, n)) / 4 for n in sizes]


@given(seed=st.integers(0, 200), seeds=st.integers(1, 5))
def test_the_average_of_one_benchmark_is_the_benchmark(seed: int, seeds: int) -> None:
    [values] = _draw(seed, seeds, (12,))
    found, own = average_interval([values], 0.95), two_way_interval(values, 0.95)
    assert (found.estimate, found.se) == (pytest.approx(own.estimate), pytest.approx(own.se))
    assert found.df == pytest.approx(own.df)


def test_the_estimate_weighs_benchmarks_alike_whatever_their_size() -> None:
    parts = [np.ones((2, 3)), np.zeros((2, 300))]
    assert average_interval(parts, 0.95).estimate == 0.5


def test_one_checkpoint_adds_the_variances_of_independent_benchmarks() -> None:
    parts = _draw(1, 1, (10, 40))
    found = average_interval(parts, 0.95)
    variance = sum(values[0].var(ddof=1) / values.shape[1] for values in parts) / 4
    assert found.se == pytest.approx(np.sqrt(variance))
    # Satterthwaite for two samples is Welch's
    welch = stats.ttest_ind(parts[0][0], parts[1][0], equal_var=False)
    assert found.df == pytest.approx(welch.df)


def test_seeds_that_are_good_everywhere_widen_the_average() -> None:
    rng = np.random.default_rng(2)
    alike, apart = [], []
    effect = np.array([[0.2], [0.0], [-0.2]])
    for turn, n in enumerate((50, 60, 70)):
        noise = rng.normal(0, 0.05, (3, n))
        alike.append(0.5 + effect + noise)
        apart.append(0.5 + np.roll(effect, turn, axis=0) + noise)
    wide, narrow = average_interval(alike, 0.95), average_interval(apart, 0.95)
    assert wide.se is not None and narrow.se is not None
    assert wide.se > 5 * narrow.se


def test_a_benchmark_without_a_right_answer_is_not_known_exactly() -> None:
    rng = np.random.default_rng(3)
    known = rng.binomial(1, 0.5, (2, 400)).astype(float)
    found = average_interval([known, np.zeros((2, 30))], 0.95)
    assert found.se is not None
    # Agresti and Coull for 0 of 30: p = 2/34, variance p (1 - p) / 34
    assert found.se**2 >= (2 / 34 * (32 / 34) / 34) / 4
    bare = share_interval(np.zeros((2, 30)), 0.95)
    assert bare.high == pytest.approx(0.1135, abs=1e-4)


def test_a_benchmark_of_one_problem_has_no_interval() -> None:
    assert average_interval([np.ones((2, 1)), np.zeros((2, 5))], 0.95).low is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_of_an_average_stays_inside_0_and_1(seeds: int) -> None:
    parts = [np.zeros((seeds, n)) for n in (30, 40)]
    for values in parts:
        values[:, 0] = 1.0
    found = average_interval(parts, 0.95)
    assert found.low == 0.0 and found.high is not None and found.high > found.estimate
