from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from verizero.statistics.intervals import (
    LEAST_SCATTER,
    problem_interval,
    share_interval,
    two_way_interval,
    wilson_interval,
)

HAND = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, 7.0]])


def test_one_checkpoint_is_the_t_interval_of_scipy() -> None:
    values = np.array([0.0, 0.25, 0.5, 1.0, 0.75, 0.25])
    low, high = stats.t.interval(0.9, 5, values.mean(), stats.sem(values))
    found = problem_interval(values, 0.9)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_p_value_is_that_of_the_one_sample_t_test() -> None:
    values = np.array([0.3, -0.1, 0.4, 0.2, 0.05])
    assert problem_interval(values, 0.95).p_value() == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_two_way_variance_equals_the_hand_computed_one() -> None:
    # means by seed 7/3, 4; by problem 1.5, 2.5, 5.5; grand 19/6. MS_seed 25/6, MS_prob 26/3, MS_int 2/3
    found = two_way_interval(HAND, 0.95)
    seed, problem, both = 25 / 6, 26 / 3, 2 / 3
    numerator = seed + problem - both
    assert found.se == pytest.approx(np.sqrt(numerator / 6))
    assert found.df == pytest.approx(numerator**2 / (seed**2 / 1 + problem**2 / 2 + both**2 / 2))
    assert found.high == pytest.approx(19 / 6 + stats.t.ppf(0.975, found.df) * found.se)


def test_one_seed_is_the_interval_over_problems() -> None:
    assert two_way_interval(HAND[:1], 0.95) == problem_interval(HAND[0], 0.95)


def test_seeds_that_agree_exactly_leave_the_variance_of_problems() -> None:
    values = np.tile(np.array([0.1, 0.5, 0.9, 0.4]), (3, 1))
    assert two_way_interval(values, 0.95).se == pytest.approx(problem_interval(values[0], 0.95).se)


def test_an_interval_is_never_narrower_than_a_share_of_the_scatter_of_the_cells() -> None:
    # no effects at all: the mean squares of seeds and of problems are small by chance in this draw
    values = np.random.default_rng(85).normal(0, 1, (5, 500))
    residual = values - values.mean(1, keepdims=True) - values.mean(0, keepdims=True) + values.mean()
    se = np.sqrt((residual**2).sum() / (4 * 499) / 2500)
    found = two_way_interval(values, 0.95)
    assert found.high is not None and found.low is not None
    assert found.high - found.low == pytest.approx(2 * LEAST_SCATTER * stats.t.ppf(0.975, 4 * 499) * se, rel=1e-6)


def test_a_numerator_that_is_not_positive_gives_way_to_the_largest_mean_square() -> None:
    values = np.array([[1.0, 0.0], [0.0, 1.0]])  # all of it interaction: MS_int 1, the others 0
    found = two_way_interval(values, 0.95)
    assert (found.se, found.df) == (pytest.approx(0.5), 1.0)


def test_a_single_problem_has_no_interval() -> None:
    found = problem_interval(np.array([1.0]), 0.95)
    assert (found.estimate, found.low, found.high, found.method) == (1.0, None, None, "none")


@pytest.mark.parametrize(("right", "n"), [(0, 30), (30, 30), (1, 40), (17, 83)])
def test_wilson_equals_scipy(right: int, n: int) -> None:
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    found = wilson_interval(right / n, n, 0.95)
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))


def test_none_right_over_three_seeds_is_wilson_over_problems_not_over_answers() -> None:
    found = share_interval(np.zeros((3, 30)), 0.95)
    assert (found.low, found.high, found.method) == (0.0, pytest.approx(0.11351, abs=1e-5), "wilson")


def test_a_greedy_checkpoint_is_wilson() -> None:
    assert share_interval(np.array([[1.0, 0.0, 0.0, 0.0]]), 0.95).method == "wilson"


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=4, max_size=4), min_size=1, max_size=4))
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(rows: list[list[float]]) -> None:
    found = share_interval(np.array(rows), 0.95)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def _draw(rng: np.random.Generator, seeds: int, problems: int, samples: int, seed_sd: float = 0.12) -> np.ndarray:
    """Cell means of the logit model of the project's statistics notes: sd 2 of problems, .12 of seeds, .5 of both together."""
    logit = (
        -0.9 + rng.normal(0, 2, problems) + rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, 0.5, (seeds, problems))
    )
    return rng.binomial(samples, 1 / (1 + np.exp(-logit))) / samples


def _truth(seed_sd: float = 0.12) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.sqrt(2**2 + seed_sd**2 + 0.5**2)
    return float((weights / np.sqrt(2 * np.pi) / (1 + np.exp(0.9 - spread * nodes))).sum())


# One checkpoint's interval is about that checkpoint, so its seed is held fixed; those of several seeds are about all seeds.
@pytest.mark.parametrize(
    ("seeds", "problems", "samples", "seed_sd"), [(1, 200, 8, 0.0), (3, 30, 8, 0.12), (5, 120, 4, 0.12)]
)
def test_coverage_in_simulation_is_near_the_nominal_95_percent(
    seeds: int, problems: int, samples: int, seed_sd: float
) -> None:
    rng, truth, draws = np.random.default_rng(7), _truth(seed_sd), 1200
    found = [share_interval(_draw(rng, seeds, problems, samples, seed_sd), 0.95) for _ in range(draws)]
    assert 0.93 <= sum((one.low or 0) <= truth <= (one.high or 0) for one in found) / draws <= 0.975


def test_ignoring_the_seeds_would_cover_less() -> None:
    """The control of the test above: the interval over problems alone is too short where problems are many."""
    rng, truth, draws = np.random.default_rng(7), _truth(), 400
    found = [problem_interval(_draw(rng, 3, 2000, 4).mean(axis=0), 0.95) for _ in range(draws)]
    assert sum((one.low or 0) <= truth <= (one.high or 0) for one in found) / draws < 0.9


def test_false_positives_of_the_paired_comparison_stay_at_5_percent() -> None:
    rng, draws, wrong = np.random.default_rng(11), 1200, 0
    for _ in range(draws):
        problem = rng.normal(0, 2, 100)
        sides = [problem + rng.normal(0, 0.12, (3, 1)) + rng.normal(0, 0.5, (3, 100)) for _ in range(2)]
        means = [rng.binomial(4, 1 / (1 + np.exp(-side))) / 4 for side in sides]
        p = two_way_interval(means[0] - means[1], 0.95).p_value()
        wrong += p is not None and p < 0.05
    assert wrong / draws <= 0.065
