"""Group-sequential boundaries against published values, and what looking does in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from verizero.statistics.sequential import nominal_levels, power_if, power_to_come, spent

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


def _bounds(levels: list[float]) -> list[float]:
    return [float(-ndtri(level / 2)) for level in levels]


def test_obrien_fleming_spending_has_the_boundaries_of_gsdesign() -> None:
    # gsDesign(k = 5, test.type = 2, sfu = sfLDOF), two-sided 5 %
    assert _bounds(nominal_levels(FIVE, 0.05)) == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)


def test_pocock_spending_has_the_boundaries_of_ldbounds() -> None:
    # ldBounds(t = c(.2, .4, .6, .8, 1), iuse = c(2, 2))
    assert _bounds(nominal_levels(FIVE, 0.05, "pocock")) == pytest.approx(
        [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=2e-4
    )


def test_one_look_is_the_usual_test() -> None:
    assert nominal_levels([1.0], 0.05) == [pytest.approx(0.05, abs=1e-6)]


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_all_of_alpha_is_spent_at_the_end_and_none_before_the_start(spending: str) -> None:
    assert spent(0.0, 0.05, spending) == 0.0
    assert spent(1.0, 0.05, spending) == pytest.approx(0.05)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True))
def test_the_looks_together_err_with_alpha(steps: list[int]) -> None:
    shares = [step / 20 for step in sorted(steps)]
    levels = nominal_levels(shares, 0.05, "pocock")
    rng = np.random.default_rng(0)
    increments = rng.normal(0, np.sqrt(np.diff([0, *shares])), (400_000, len(shares)))
    z = increments.cumsum(axis=1) / np.sqrt(shares)
    crossed = (np.abs(z) >= _bounds(levels)).any(axis=1).mean()
    assert crossed == pytest.approx(spent(shares[-1], 0.05, "pocock"), abs=0.002)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.5, 0.3], [0.5, 1.1], [0.0, 1.0]])
def test_shares_that_do_not_rise_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="must rise"):
        nominal_levels(shares, 0.05)


def test_power_to_come_is_half_where_the_last_estimate_is_expected_at_the_boundary() -> None:
    assert power_to_come(2.0, 1.5, 1.0, 2.0, 1e6) == pytest.approx(0.5, abs=0.01)
    assert power_to_come(0.0, 1.2, 1.0, 3.0, 1e6) < 0.01
    # three seeds hardly know their own error
    assert power_to_come(0.0, 1.2, 1.0, 3.0, 2) > power_to_come(0.0, 1.2, 1.0, 3.0, 1e6)
    # nothing is left to come: the answer is known
    assert power_to_come(3.0, 1.0, 1.0, 2.0, 5) == 1.0 == power_if(0.0, 3.0, 1.0, 1.0, 2.0)


def test_both_powers_equal_a_simulation() -> None:
    rng = np.random.default_rng(1)
    se_now, se_last, estimate, effect = 1.4, 1.0, 1.2, 2.5
    weight = (se_last / se_now) ** 2
    noise = rng.normal(0, se_last * np.sqrt(1 - weight), 200_000)
    last = weight * estimate + (1 - weight) * effect + noise
    assert power_if(effect, estimate, se_now, se_last, 2.0) == pytest.approx((np.abs(last) >= 2.0).mean(), abs=5e-3)
    truth = rng.normal(estimate, se_now, 200_000)
    last = weight * estimate + (1 - weight) * truth + noise
    expected = (np.abs(last) >= 2.0).mean()
    assert power_to_come(estimate, se_now, se_last, 2.0, 1e6) == pytest.approx(expected, abs=5e-3)
