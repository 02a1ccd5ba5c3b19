"""Ours minus a published number: the interval, and what it tells."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from verizero.statistics.published import apart, repeated_margin, single_run_margin, verdict


def test_a_single_run_has_the_binomial_error() -> None:
    assert single_run_margin(0.2, 30, 0.95) == pytest.approx(1.959964 * math.sqrt(0.2 * 0.8 / 30), rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_of_thirty_is_no_certainty(share: float) -> None:
    assert single_run_margin(share, 30, 0.95) == pytest.approx(single_run_margin(0.5 / 30, 30, 0.95))


def test_a_mean_over_seeds_has_student_s_error() -> None:
    low, high = stats.t.interval(0.95, df=9, loc=0, scale=0.036 / math.sqrt(10))
    assert repeated_margin(0.036, 10, 0.95) == pytest.approx((high - low) / 2)


def test_two_symmetric_intervals_add_their_squares() -> None:
    found = apart(0.5, 0.47, 0.53, 0.4, 0.04)
    assert (found.difference, found.low, found.high) == pytest.approx((0.1, 0.05, 0.15))
    assert found.verdict == "differs"


def test_a_lopsided_interval_stays_lopsided() -> None:
    found = apart(0.1, 0.07, 0.18, 0.1, 0.0)
    assert (found.low, found.high) == pytest.approx((-0.03, 0.08))


def test_a_published_number_s_error_can_undo_a_difference() -> None:
    assert apart(0.5, 0.47, 0.53, 0.45, 0.0).verdict == "differs"
    assert apart(0.5, 0.47, 0.53, 0.45, 0.05).verdict == "can't tell"


def test_without_an_interval_nothing_can_be_told() -> None:
    found = apart(0.5, None, None, 0.4, 0.01)
    assert (found.difference, found.low, found.high) == (pytest.approx(0.1), None, None)
    assert found.verdict == "can't tell"


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.01, 0.3, "differs"),
        (-0.3, -0.01, "differs"),
        (-0.03, 0.05, "agrees"),
        (-0.05, 0.05, "agrees"),
        (-0.02, 0.2, "can't tell"),
        (0.0, 0.04, "agrees"),
    ],
)
def test_agreement_needs_a_narrow_interval(low: float, high: float, told: str) -> None:
    assert verdict(low, high) == told
