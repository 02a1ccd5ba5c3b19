"""Generalised advantage estimation, what a critic is fitted to, and its loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from verizero.objective.gae import gae, length_adaptive_lambda
from verizero.objective.loss import Objective, loss_sums
from verizero.objective.returns import returns
from verizero.objective.value_loss import explained_variance, value_loss

NUMBERS = st.floats(-3, 3)
SHARES = st.floats(0, 1)


def recursion(rewards, values, discount, decay):
    """The definition, from the last token to the first."""
    found, ahead, following = [], 0.0, 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        ahead = reward + discount * following - value + discount * decay * ahead
        following = value
        found.insert(0, ahead)
    return found


def of(final, values, discount=1.0, decay=1.0, penalty=None):
    penalties = torch.zeros(len(values)) if penalty is None else torch.tensor(penalty, dtype=torch.float64)
    return gae(final, penalties, torch.tensor(values, dtype=torch.float64), discount, decay)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=12), NUMBERS, SHARES, SHARES)
def test_it_is_the_recursion(pairs, final, discount, decay):
    values, penalty = [value for value, _ in pairs], [one for _, one in pairs]
    rewards = [-one for one in penalty]
    rewards[-1] += final
    expected = recursion(rewards, values, discount, decay)
    assert of(final, values, discount, decay, penalty).tolist() == pytest.approx(expected, abs=1e-9)


def test_a_worked_example():
    # delta = (0.6 - 0.5, 0.1 - 0.6, 1 - 0.1) and lambda 0.5
    assert of(1.0, [0.5, 0.6, 0.1], decay=0.5).tolist() == pytest.approx([0.075, -0.05, 0.9])


@given(st.lists(NUMBERS, min_size=1, max_size=9), NUMBERS, SHARES)
def test_with_lambda_one_it_is_the_return_less_the_value(values, final, discount):
    free = torch.zeros(len(values))
    expected = returns(final, free, discount) - torch.tensor(values, dtype=torch.float64)
    assert torch.allclose(of(final, values, discount), expected, atol=1e-9)


def test_with_lambda_zero_it_is_one_temporal_difference():
    assert of(1.0, [0.2, 0.5, 0.4], decay=0.0).tolist() == pytest.approx([0.3, -0.1, 0.6])


def test_a_perfect_constant_critic_and_lambda_one_are_reinforce_with_a_baseline():
    reward, baseline = 1.0, 0.3
    advantage = of(reward, [baseline] * 4).float()[None]
    assert advantage.tolist()[0] == pytest.approx([reward - baseline] * 4)
    gradients = []
    for surrogate, given_advantage in (("clip", advantage), ("reinforce", torch.full((1, 4), reward - baseline))):
        logprob = torch.tensor([[-0.1, -0.7, -2.0, -0.4]], requires_grad=True)
        old, everything = logprob.detach(), torch.ones(1, 4, dtype=torch.bool)
        weight = torch.full((1, 4), 0.25)
        sums = loss_sums(
            Objective(surrogate), logprob, torch.zeros(1, 4), old, None, given_advantage, weight, everything
        )
        sums.loss.backward()
        gradients.append(logprob.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize(("tokens", "expected"), [(200, 0.9), (2000, 0.99), (20, 0.0), (3, 0.0), (1, 0.0)])
def test_vapos_lambda_grows_with_the_length(tokens, expected):
    assert length_adaptive_lambda(tokens, 0.05) == pytest.approx(expected)


def test_the_value_loss_is_half_the_square_and_the_clip_takes_the_larger_one():
    value = torch.tensor([[0.9, 0.9, 0.1, 0.5]], requires_grad=True)
    before, target = torch.tensor([[0.5, 0.5, 0.5, 0.5]]), torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    free, none = value_loss(value, before, target, None)
    assert free.tolist()[0] == pytest.approx([0.005, 0.405, 0.005, 0.125])
    assert not none.any()
    each, clipped = value_loss(value, before, target, 0.2)
    # 0.9 is held at 0.7, 0.1 at 0.3; where that is worse it counts, and has no gradient
    assert each.tolist()[0] == pytest.approx([0.045, 0.405, 0.045, 0.125])
    assert clipped.tolist()[0] == [True, False, True, False]
    each.sum().backward()
    assert value.grad.tolist()[0] == pytest.approx([0.0, 0.9, 0.0, -0.5])


@given(NUMBERS, NUMBERS, NUMBERS, st.none() | st.floats(0.01, 1))
def test_the_gradient_of_the_value_loss_is_that_of_finite_differences(value, before, target, clip):
    held = [before - clip, before + clip] if clip else []
    kinks = held + [2 * target - end for end in held]  # the clip begins; both squares are equal
    assume(all(abs(value - kink) > 1e-4 for kink in kinks))

    def loss(at):
        return value_loss(at, torch.tensor([before]).double(), torch.tensor([target]).double(), clip)[0].sum()

    point = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    [found] = torch.autograd.grad(loss(point), point)
    expected = (loss(point.detach() + 1e-6) - loss(point.detach() - 1e-6)) / 2e-6
    assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_the_explained_variance_of_a_perfect_a_constant_and_a_wrong_critic():
    targets = [torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0, 1.0])]
    constant = [torch.full((2,), 0.7), torch.full((3,), 0.7)]
    assert explained_variance(targets, targets) == 1.0
    assert explained_variance(constant, targets) == pytest.approx(0.0)
    assert explained_variance([-target for target in targets], targets) == pytest.approx(-3.0)


def test_there_is_nothing_to_explain_in_equal_targets_or_in_none():
    assert explained_variance([torch.tensor([0.1, 0.3])], [torch.tensor([0.1, 0.1], dtype=torch.float64)]) is None
    assert explained_variance([], []) is None
