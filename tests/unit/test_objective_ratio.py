"""Whose probabilities are compared: a token's, the response's, those so far; and what the engine's differ by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verizero.objective.correction import correction
from verizero.objective.entropy_filter import entropy_threshold
from verizero.objective.loss import Objective, policy_loss
from verizero.objective.ratio import log_ratio, position

MASK = torch.tensor([[False, True, True, True], [True, True, False, False]])
OLD = torch.tensor([[0.0, -1.0, -2.0, -0.5], [-1.0, -1.0, 0.0, 0.0]])
NEW = torch.tensor([[0.0, -0.9, -2.3, -0.4], [-1.2, -0.9, 0.0, 0.0]])
CTPO = {"clip_low": 0.025, "clip_high": 0.05, "clip_growth": 0.5, "ratio": "cumulative"}


def test_a_position_counts_the_tokens_of_its_response():
    assert (position(MASK) * MASK).tolist() == [[0, 1, 2, 3], [1, 2, 0, 0]]


def test_a_sequence_ratio_is_the_geometric_mean_of_its_tokens():
    found = log_ratio(NEW, OLD, MASK, "sequence").exp()[MASK].tolist()
    assert found == pytest.approx([np.exp(-0.1 / 3)] * 3 + [np.exp(-0.1 / 2)] * 2)


def test_a_cumulative_ratio_is_the_product_so_far():
    found = log_ratio(NEW, OLD, MASK, "cumulative")[MASK].tolist()
    assert found == pytest.approx([0.1, -0.2, -0.1, -0.2, -0.1])


@pytest.mark.parametrize("level", ["sequence", "cumulative"])
def test_the_gradient_of_a_product_goes_to_the_token_itself(level):
    logprob = NEW.clone().requires_grad_()
    ratio = log_ratio(logprob, OLD, MASK, level).exp()
    chosen = torch.autograd.grad(ratio[0, 2], logprob)[0]
    assert (chosen != 0).nonzero().tolist() == [[0, 2]]
    assert float(chosen[0, 2]) == pytest.approx(float(ratio[0, 2].detach()))


def test_the_gradient_of_a_sequence_ratio_sums_to_that_of_its_value():
    logprob = NEW.double().requires_grad_()
    found = torch.autograd.grad((log_ratio(logprob, OLD, MASK, "sequence").exp() * MASK)[0].sum(), logprob)[0]

    def value(x):  # |o| times the ratio of the first response
        return 3 * (((x - OLD) * MASK)[0].sum() / 3).exp()

    plain = NEW.double().requires_grad_()
    torch.testing.assert_close(found, torch.autograd.grad(value(plain), plain)[0])


@pytest.mark.parametrize(("t", "low", "high"), [(1, -0.025, 0.05), (4, -0.05, 0.1), (100, -0.25, 0.5)])
def test_the_range_of_a_cumulative_ratio_widens_with_the_root_of_the_position(t, low, high):
    mask = torch.ones(1, t, dtype=torch.bool)
    for step, end, sign in ((-5.0, low, -1.0), (5.0, high, 1.0)):
        new = torch.zeros(1, t)
        new[0, t - 1] = step  # only the last token leaves the range
        loss, changed = policy_loss(Objective("clip", **CTPO), new, torch.zeros(1, t), torch.full((1, t), sign), mask)
        assert float(loss[0, -1]) == pytest.approx(-sign * np.exp(end), rel=1e-5)
        assert changed.tolist() == [[False] * (t - 1) + [True]]


def test_the_dual_clip_of_a_cumulative_ratio_widens_alike():
    new = torch.tensor([[0.0, 0.0, 0.0, 3.0]])
    mask, down = torch.ones(1, 4, dtype=torch.bool), torch.full((1, 4), -2.0)
    loss, _ = policy_loss(Objective("clip", dual_clip=0.05, **CTPO), new, torch.zeros(1, 4), down, mask)
    assert float(loss[0, -1]) == pytest.approx(2 * np.exp(0.05 * 4**0.5), rel=1e-5)


def test_a_product_of_ratios_is_limited_upwards_only():
    new = torch.full((1, 3), 8.0)
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert log_ratio(new, torch.zeros(1, 3), mask, "cumulative").tolist() == [[8.0, 10.0, 10.0]]
    assert log_ratio(-new, torch.zeros(1, 3), mask, "cumulative").tolist() == [[-8.0, -16.0, -24.0]]


def test_a_detached_clip_keeps_the_gradient_of_clipped_tokens():
    logprob = (OLD + 1.0).requires_grad_()
    objective = Objective("detached-clip", ratio_max=1.28)
    loss, changed = policy_loss(objective, logprob, OLD, torch.full(OLD.shape, 2.0), MASK)
    assert (changed & MASK).sum() == 5
    found = torch.autograd.grad((loss * MASK).sum(), logprob)[0]
    torch.testing.assert_close(found, -1.28 * 2.0 * MASK.float())


def test_corrections_bound_the_ratio_of_learner_and_engine():
    sampled = torch.zeros(1, 4)
    old = torch.tensor([0.25, 1.0, 1.5, 6.0]).log()[None]
    assert correction(old, sampled, "truncated", 0.0, 2.0)[0].tolist() == pytest.approx([0.25, 1.0, 1.5, 2.0])
    assert correction(old, sampled, "masked", 0.5, 5.0)[0].tolist() == pytest.approx([0.0, 1.0, 1.5, 0.0])


def test_a_correction_carries_no_gradient():
    old = torch.zeros(1, 3, requires_grad=True)
    assert not correction(old, torch.zeros(1, 3), "truncated", 0.0, 2.0).requires_grad


@given(
    st.lists(st.floats(0, 5, width=32), min_size=5, max_size=60, unique=True),
    st.integers(1, 4),
    st.sampled_from([0.5, 0.8]),
)
def test_the_entropy_threshold_is_that_of_all_tokens_however_they_are_cut(entropies, pieces, quantile):
    parts = [np.array(entropies[n::pieces], dtype=np.float32) for n in range(pieces)]
    found = entropy_threshold(parts, quantile)
    assert found == pytest.approx(float(torch.tensor(entropies, dtype=torch.float64).quantile(quantile)))
    kept = sum(int((part >= np.float32(found)).sum()) for part in parts)
    assert abs(kept - (1 - quantile) * len(entropies)) <= 1
