"""Advantages: closed-form values (papers.md section 12 a, b, f) and what holds for all rewards."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verizero.objective.advantage import advantages, zero_variance

ONE_RIGHT_OF_EIGHT = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0])
ONE_GROUP = torch.zeros(8, dtype=torch.long)
ARMS = [("group-mean", "none"), ("group-mean", "group-std"), ("leave-one-out", "none"), ("leave-one-out", "group-std")]

rewards = st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=8)
groups_of_rewards = st.lists(rewards, min_size=1, max_size=5)


def test_dr_grpo_of_one_right_answer_in_eight():
    found = advantages(ONE_RIGHT_OF_EIGHT, ONE_GROUP, "group-mean", "none")
    torch.testing.assert_close(found, torch.tensor([0.875] + [-0.125] * 7))


def test_grpo_divides_by_the_unbiased_standard_deviation():
    found = advantages(ONE_RIGHT_OF_EIGHT, ONE_GROUP, "group-mean", "group-std", epsilon=1e-8)
    torch.testing.assert_close(found, torch.tensor([2.4748737] + [-0.3535534] * 7))


def test_epsilon_is_added_to_the_standard_deviation():
    found = advantages(torch.tensor([1.0, 0.0]), torch.tensor([0, 0]), "group-mean", "group-std", epsilon=0.5)
    torch.testing.assert_close(found, torch.tensor([0.5, -0.5]) / (0.5**0.5 + 0.5))


@pytest.mark.parametrize(("baseline", "scale"), ARMS)
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, -3.7])
def test_a_group_of_equal_rewards_has_no_advantage(baseline, scale, reward):
    group = torch.tensor([4, 4, 4, 7, 7, 7])
    found = advantages(torch.tensor([reward] * 3 + [1.0, 0.0, 1.0]), group, baseline, scale)
    assert found[:3].tolist() == [0.0, 0.0, 0.0]
    assert (found[3:] != 0).all()


def test_without_a_baseline_equal_rewards_keep_their_advantage():
    assert advantages(torch.ones(3), torch.zeros(3, dtype=torch.long), "none").tolist() == [1.0, 1.0, 1.0]


def test_a_single_response_has_no_others():
    with pytest.raises(ValueError, match="single response"):
        advantages(torch.ones(3), torch.tensor([0, 0, 1]), "leave-one-out")


@given(groups_of_rewards)
def test_rloo_is_dr_grpo_scaled(groups):
    reward, group, size = flat(groups)
    rloo = advantages(reward, group, "leave-one-out")
    dr_grpo = advantages(reward, group, "group-mean")
    torch.testing.assert_close(rloo, dr_grpo * size / (size - 1))


@given(groups_of_rewards)
def test_rloo_subtracts_the_mean_of_the_others(groups):
    reward, group, _ = flat(groups)
    expected = [value - (sum(values) - value) / (len(values) - 1) for values in groups for value in values]
    torch.testing.assert_close(
        advantages(reward, group, "leave-one-out"), torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=1e-9
    )


@given(groups_of_rewards, st.randoms(use_true_random=False), st.sampled_from(ARMS))
def test_the_order_of_responses_changes_no_advantage(groups, random, arm):
    reward, group, _ = flat(groups)
    order = list(range(len(reward)))
    random.shuffle(order)
    torch.testing.assert_close(advantages(reward[order], group[order], *arm), advantages(reward, group, *arm)[order])


@given(groups_of_rewards, st.sampled_from(ARMS))
def test_advantages_of_a_group_sum_to_zero(groups, arm):
    reward, group, _ = flat(groups)
    found = advantages(reward, group, *arm)
    for number in range(len(groups)):
        assert float(found[group == number].sum()) == pytest.approx(0.0, abs=1e-6)


def test_zero_variance_looks_at_each_group_alone():
    reward = torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert zero_variance(reward, torch.tensor([0, 1, 0, 2])).tolist() == [True, True, True, True]
    assert zero_variance(reward, torch.tensor([0, 0, 1, 1])).tolist() == [False] * 4


def flat(groups):
    reward = torch.tensor([value for values in groups for value in values], dtype=torch.float64)
    group = torch.tensor([number for number, values in enumerate(groups) for _ in values])
    size = torch.tensor([float(len(values)) for values in groups for _ in values], dtype=torch.float64)
    return reward, group, size
