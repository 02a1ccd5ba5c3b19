"""Advantages that differ from token to token: branches of a group, returns, whitening."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verizero.config.axes import Advantage
from verizero.objective.advantage import advantages
from verizero.objective.prefix_tree import branch_differences
from verizero.objective.returns import returns
from verizero.objective.whitening import whitened
from verizero.rollout.engine import Completion
from verizero.training.advantages import step_advantages, value_targets
from verizero.training.rollouts import Outcome, Outcomes, Response
from verizero.training.world import World

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
TREE = [[1, 2, 3, 4, 5], [1, 2, 9], [1, 7, 7, 7], [4, 4], [4, 5, 5, 5, 5], [4]]
TREE_REWARDS = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]
# What the authors' code says of that tree (trainers.md 1.6).
TEMPO = [
    [1.1547, 1.4434, 2.0207, 1.1547, 1.1547],
    [-0.5773, -0.2887, -1.4434],
    [-0.5773, -1.1547, -0.5773, -0.5773],
    [0.5773, 1.1547],
    [0.5773, 1.1547, 0.5773, 0.5773, 0.5773],
    [-1.1547],
]


def of_step(how, tokens, rewards, samples, penalties=None, entering=None, values=None):
    """The token advantages of a step that one process holds."""
    rows = [
        Outcome(n, len(row), r, r > 0, False, True, "") for n, (row, r) in enumerate(zip(tokens, rewards, strict=True))
    ]
    mine = [Response(n, [1], Completion(list(row), [0.0] * len(row), "", "stop")) for n, row in enumerate(tokens)]
    chosen = torch.tensor(entering or [True] * len(rows))
    found = step_advantages(
        Advantage(**how), Outcomes(rows, samples), mine, penalties or {}, chosen, ALONE, values or {}
    )
    return [found.token[n].tolist() for n in range(len(rows))]


def test_a_prefix_tree_gives_the_advantages_of_the_authors_code():
    how = {"baseline": "group-mean", "scale": "group-std", "shape": "prefix-tree", "epsilon": 1e-6}
    found = of_step(how, TREE, TREE_REWARDS, samples=3)
    for row, expected in zip(found, TEMPO, strict=True):
        assert row == pytest.approx(expected, abs=1e-4)


def test_disjoint_responses_are_grpo_behind_the_token_at_which_they_part():
    tokens = [[1, 5, 5], [2, 5], [3, 5, 5, 5]]
    grpo = {"baseline": "group-mean", "scale": "group-std"}
    plain = of_step(grpo, tokens, [1.0, 0.0, 0.0], samples=3)
    tree = of_step({**grpo, "shape": "prefix-tree"}, tokens, [1.0, 0.0, 0.0], samples=3)
    for row, expected in zip(tree, plain, strict=True):
        assert row == pytest.approx([2 * expected[0], *expected[1:]])


trees = st.lists(
    st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.sampled_from([0.0, 1.0])), min_size=2, max_size=8
)


@given(trees)
def test_differences_along_a_response_lead_from_the_group_mean_to_the_value_of_its_end(tree):
    tokens, rewards = [row for row, _ in tree], torch.tensor([r for _, r in tree], dtype=torch.float64)
    found = branch_differences([torch.tensor(row) for row in tokens], rewards, torch.zeros(len(tree)).long())
    for row, difference in zip(tokens, found, strict=True):
        sharing = [reward for other, reward in tree if other[: len(row)] == row]
        end = sum(sharing) / len(sharing)
        assert float(rewards.mean() + difference.sum()) == pytest.approx(end)


@given(trees)
def test_a_token_that_all_sharers_of_its_prefix_have_changes_nothing(tree):
    tokens, rewards = [row for row, _ in tree], torch.tensor([r for _, r in tree], dtype=torch.float64)
    found = branch_differences([torch.tensor(row) for row in tokens], rewards, torch.zeros(len(tree)).long())
    for row, difference in zip(tokens, found, strict=True):
        for t in range(len(row)):
            if all(other[: t + 1] == row[: t + 1] for other in tokens if other[:t] == row[:t]):
                assert float(difference[t]) == 0.0


def test_returns_add_up_what_is_still_to_come():
    penalty = torch.tensor([0.1, 0.2, 0.4], dtype=torch.float64)
    assert returns(1.0, penalty).tolist() == pytest.approx([0.3, 0.4, 0.6])
    assert returns(1.0, penalty, 0.5).tolist() == pytest.approx([-0.1 + 0.5 * 0.1, -0.2 + 0.5 * 0.6, 0.6])
    assert returns(1.0, torch.zeros(3)).tolist() == [1.0, 1.0, 1.0]


def test_whitening_counts_tokens_and_not_responses():
    found = whitened([torch.ones(3), torch.zeros(1)], epsilon=0.0)
    std = math.sqrt((3 * 0.25**2 + 0.75**2) / 3)
    assert torch.cat(found).tolist() == pytest.approx([0.25 / std] * 3 + [-0.75 / std])


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=5), min_size=2, max_size=6), st.data())
def test_ranks_cannot_change_a_whitening(rows, data):
    values = [torch.tensor(row, dtype=torch.float64) for row in rows]
    cut = data.draw(st.integers(0, len(rows)))
    whole = torch.cat(whitened(values, epsilon=1e-3))
    held = [values[:cut], values[cut:]]
    count = float(sum(len(row) for row in rows))
    mean = float(sum(row.sum() for row in values)) / count
    squares = float(sum(((row - mean) ** 2).sum() for row in values))

    def sums(own):  # what both ranks would get from the reduction
        return [count, mean * count] if len(own) == 2 else [squares]

    parts = [row for rank in held for row in whitened(rank, sums, epsilon=1e-3)]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_fewer_than_two_tokens_have_no_spread_and_stop_no_run():
    assert [value.tolist() for value in whitened([torch.ones(1)])] == [[0.0]]
    assert whitened([]) == []


def test_reinforce_pp_whitens_the_returns_of_reward_and_divergence():
    tokens, penalties = [[1, 2], [3]], {0: torch.tensor([0.1, 0.3]).double(), 1: torch.tensor([0.2]).double()}
    found = of_step({"baseline": "none", "scale": "whiten", "shape": "returns"}, tokens, [1.0, 0.0], 1, penalties)
    expected = torch.tensor([1 - 0.4, 1 - 0.3, -0.2]).double()
    expected = (expected - expected.mean()) / expected.std()
    assert [*found[0], *found[1]] == pytest.approx(expected.tolist(), abs=1e-6)


def test_its_baseline_variant_whitens_what_is_above_the_mean_of_the_group():
    found = of_step({"baseline": "group-mean", "scale": "whiten"}, [[1, 2, 3], [4]], [1.0, 0.0], samples=2)
    expected = torch.tensor([0.5, 0.5, 0.5, -0.5])
    expected = (expected - expected.mean()) / expected.std()
    assert [*found[0], *found[1]] == pytest.approx(expected.tolist(), abs=1e-6)


def test_only_what_enters_is_whitened():
    how = {"baseline": "group-mean", "scale": "whiten"}
    tokens, rewards = [[1, 2, 3], [4], [5], [6, 7]], [1.0, 0.0, 1.0, 0.0]
    part = of_step(how, tokens, rewards, 2, entering=[True, True, False, False])
    assert part[:2] == of_step(how, tokens[:2], rewards[:2], 2)


def test_a_divergence_in_the_reward_of_a_response_is_summed_before_the_baseline():
    penalties = {n: torch.full((2,), value).double() for n, value in enumerate([0.1, 0.2])}
    found = of_step({"baseline": "leave-one-out"}, [[1, 2], [3, 4]], [1.0, 0.0], 2, penalties)
    assert found == [pytest.approx([0.8 + 0.4] * 2), pytest.approx([-0.4 - 0.8] * 2)]


def test_a_sign_needs_no_group_and_gives_a_wrong_group_a_gradient():
    assert advantages(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0, 1, 1]), "sign").tolist() == [1.0, -1.0, -1.0]
    with pytest.raises(ValueError, match="rewards of 0 and 1"):
        advantages(torch.tensor([1.0, 0.5]), torch.tensor([0, 1]), "sign")


def test_remax_compares_with_the_greedy_completion_to_the_same_prompt():
    greedy = torch.tensor([1.0, 1.0, 0.0])
    found = advantages(torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0, 0, 1]), "greedy", greedy=greedy)
    assert found.tolist() == [0.0, -1.0, 1.0]
    with pytest.raises(ValueError, match="greedy completions"):
        advantages(torch.tensor([1.0]), torch.tensor([0]), "greedy")


GAE = {"baseline": "critic", "shape": "gae", "gae_lambda": 1.0}
VALUES = {0: torch.tensor([0.5, 0.25]), 1: torch.tensor([0.5])}


def test_a_critic_is_a_baseline_for_each_token():
    found = of_step(GAE, [[1, 2], [3]], [1.0, 0.0], samples=1, values=VALUES)
    assert found == [pytest.approx([0.5, 0.75]), pytest.approx([-0.5])]


def test_each_token_bears_its_own_penalty_under_a_critic():
    penalties = {0: torch.tensor([0.1, 0.2]).double(), 1: torch.tensor([0.3]).double()}
    found = of_step(GAE, [[1, 2], [3]], [1.0, 0.0], samples=1, values=VALUES, penalties=penalties)
    assert found == [pytest.approx([0.2, 0.55]), pytest.approx([-0.8])]


def test_a_length_adaptive_lambda_is_that_of_each_response():
    how = {"baseline": "critic", "shape": "gae", "length_adaptive": 1.0}  # 1 - 1/2 for two tokens, 0 for one
    found = of_step(how, [[1, 2], [3]], [1.0, 0.0], samples=1, values=VALUES)
    assert found == [pytest.approx([-0.25 + 0.5 * 0.75, 0.75]), pytest.approx([-0.5])]


def test_advantages_over_a_critic_are_whitened_over_all_tokens():
    found = of_step({**GAE, "scale": "whiten"}, [[1, 2], [3]], [1.0, 0.0], samples=1, values=VALUES)
    assert sum(sum(row) for row in found) == pytest.approx(0.0, abs=1e-9)
    assert sum(value**2 for row in found for value in row) / 2 == pytest.approx(1.0)


def test_the_target_of_a_critic_is_the_advantage_plus_the_value():
    rows = [Outcome(0, 2, 1.0, True, False, True, ""), Outcome(1, 1, 0.0, False, False, True, "")]
    mine = [Response(n, [1], Completion([1] * k, [0.0] * k, "", "stop")) for n, k in enumerate((2, 1))]
    penalty = {0: torch.tensor([0.1, 0.2]).double()}
    returned = value_targets(Outcomes(rows, 1), mine, {}, VALUES, 1.0, 1.0)
    assert [returned[n].tolist() for n in (0, 1)] == [pytest.approx([1.0, 1.0]), pytest.approx([0.0])]
    bootstrapped = value_targets(Outcomes(rows, 1), mine, penalty, VALUES, 0.5, 0.0)
    assert bootstrapped[0].tolist() == pytest.approx([-0.1 + 0.5 * 0.25, 0.8])
