"""Variances of a two-way layout, and what they promise of larger studies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from verizero.statistics.components import Components, components, sampling_noise
from verizero.statistics.intervals import two_way_interval
from verizero.statistics.sequential import p_values

TRUE = Components(seed=0.01, problem=0.04, cell=0.02, sample=0.16)


def _study(rng: np.random.Generator, seeds: int, problems: int, samples: int, effect: float = 0.0) -> np.ndarray:
    values = effect + rng.normal(0, TRUE.seed**0.5, (seeds, 1)) + rng.normal(0, TRUE.problem**0.5, (1, problems))
    return values + rng.normal(0, (TRUE.cell + TRUE.sample / samples) ** 0.5, (seeds, problems))


def test_the_variances_are_found_again() -> None:
    rng = np.random.default_rng(0)
    found = [components(_study(rng, 6, 200, 4), TRUE.sample / 4, 4) for _ in range(300)]
    for name in ("seed", "problem", "cell", "sample"):
        assert np.mean([getattr(one, name) for one in found]) == pytest.approx(getattr(TRUE, name), rel=0.08)


def test_the_standard_error_is_that_of_the_interval() -> None:
    values = _study(np.random.default_rng(1), 5, 80, 4)
    parts = components(values, TRUE.sample / 4, 4)
    found = two_way_interval(values, 0.95)
    assert parts.standard_error(5, 80, 4) == pytest.approx(found.se)
    assert parts.freedom(5, 80, 4) == pytest.approx(found.df)


def test_power_equals_a_simulation() -> None:
    rng = np.random.default_rng(2)
    effect, seeds, problems, samples = 0.18, 6, 60, 2
    p = p_values(np.stack([_study(rng, seeds, problems, samples, effect) for _ in range(2000)]))
    assert TRUE.power(effect, seeds, problems, samples) == pytest.approx((p < 0.05).mean(), abs=0.05)


def test_power_at_the_detectable_effect_is_about_80_percent() -> None:
    for seeds in (4, 8, 20):
        effect = TRUE.detectable(seeds, 100, 4)
        assert TRUE.power(effect, seeds, 100, 4) == pytest.approx(0.8, abs=0.03)


def test_without_an_effect_the_power_is_the_level() -> None:
    assert TRUE.power(0.0, 4, 100, 4) == pytest.approx(0.05)


def test_more_of_anything_never_hurts() -> None:
    base = TRUE.standard_error(3, 50, 4)
    assert TRUE.standard_error(4, 50, 4) < base > TRUE.standard_error(3, 60, 4)
    assert TRUE.standard_error(3, 50, 8) < base


def test_sampling_noise_is_the_variance_of_a_share_of_samples() -> None:
    rng = np.random.default_rng(3)
    rates = rng.uniform(0, 1, 5000)
    correct = rng.random((5000, 4)) < rates[:, None]
    assert sampling_noise(correct) == pytest.approx((rates * (1 - rates)).mean() / 4, rel=0.05)
    assert sampling_noise(correct[:, :1]) == 0.0


def test_two_way_needs_two_of_each() -> None:
    with pytest.raises(ValueError, match="two seeds and two problems"):
        components(np.ones((1, 5)), 0.0, 1)


def test_many_studies_at_once_give_each_the_p_of_its_interval() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(0.1, 1, (40, 3, 25)) + rng.normal(0, 0.3, (40, 3, 1))
    own = [two_way_interval(one, 0.95).p_value() for one in values]
    assert p_values(values) == pytest.approx(np.array(own))


def test_one_seed_and_problem_effects_alone_are_the_t_test_s_p() -> None:
    rng = np.random.default_rng(5)
    values = np.repeat(rng.normal(0.3, 1, (1, 1, 30)), 2, axis=1)
    assert p_values(values)[0] == pytest.approx(stats.ttest_1samp(values[0, 0], 0).pvalue)


def test_power_rises_with_the_effect_and_is_a_chance_everywhere() -> None:
    small = Components(seed=0.0001, problem=0.0025, cell=0.0324, sample=0.2)
    for seeds, problems, samples in ((2, 30, 1), (3, 30, 32), (8, 500, 8), (50, 1000, 8)):
        powers = [small.power(effect, seeds, problems, samples) for effect in np.linspace(0, 0.9, 40)]
        assert all(0 <= power <= 1 for power in powers), powers
        assert all(after >= before - 1e-9 for before, after in itertools.pairwise(powers))
        assert powers[-1] > (0.7 if seeds == 2 else 0.99)
