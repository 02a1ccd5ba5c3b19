"""Groups without signal are replaced by those of later rounds, until there are enough or no attempt is left."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from verizero.config.axes import Selection
from verizero.rollout.engine import Completion
from verizero.training.metrics import refill_metrics
from verizero.training.refill import Round, filled, kept_groups, sampled
from verizero.training.rollouts import Outcome, Outcomes, Response

REFILLED = Selection(zero_variance="refilled", max_rounds=3)


def round_of(*groups):
    """A round with these rewards; a response's length and token say where it comes from."""
    size = len(groups[0])
    rewards = [reward for group in groups for reward in group]
    rows = [Outcome(n, 1 + n, r, r > 0, False, True, "") for n, r in enumerate(rewards)]
    mine = [Response(n, [1], Completion([n], [0.0], "", "stop")) for n in range(len(rewards))]
    return Round(mine, Outcomes(rows, size))


FIRST = round_of([1.0, 1.0], [1.0, 0.0], [0.0, 0.0])
SECOND = round_of([0.0, 1.0], [0.0, 0.0], [1.0, 0.0])


def test_one_round_is_enough_where_groups_are_not_replaced():
    assert not filled([], 3, Selection())
    assert filled([FIRST], 3, Selection(zero_variance="skipped"))


def test_rounds_go_on_until_there_is_a_group_with_signal_for_each_prompt():
    assert not filled([FIRST], 3, REFILLED)
    assert filled([FIRST, SECOND], 3, REFILLED)
    assert not filled([FIRST, FIRST], 3, REFILLED)
    assert filled([round_of([1.0, 1.0])] * 3, 1, REFILLED)


def test_groups_with_signal_come_first_and_get_new_numbers():
    kept = kept_groups([FIRST, SECOND], 3)
    assert [row.number for row in kept.known.rows] == list(range(6))
    assert [row.reward for row in kept.known.rows] == [1.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    assert [(one.number, one.tokens) for one in kept.responses] == [
        (0, [2]),
        (1, [3]),
        (2, [0]),
        (3, [1]),
        (4, [4]),
        (5, [5]),
    ]
    assert kept.silent == [False] * 3


def test_the_scores_of_the_check_follow_their_responses():
    first, second = replace(FIRST, checked={0: "a", 2: "b", 4: "c"}), replace(SECOND, checked={0: "d", 4: "e"})
    assert kept_groups([first, second], 3).checked == {0: "b", 2: "d", 4: "e"}


def test_groups_without_signal_fill_the_places_that_are_left():
    kept = kept_groups([FIRST, round_of([0.0, 0.0], [0.0, 0.0], [1.0, 1.0])], 3)
    assert kept.silent == [False, True, True]
    assert [row.reward for row in kept.known.rows] == [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]


def test_what_it_cost_is_counted():
    rounds = [FIRST, SECOND]
    assert refill_metrics(rounds, kept_groups(rounds, 3), REFILLED) == {
        "rounds": 2,
        "extra_completions": 6,
        "groups_with_signal": 3,
    }
    assert refill_metrics([FIRST], FIRST, Selection()) == {}
    assert len(sampled(rounds).rows) == 12


groups = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=4, max_size=4)


@given(st.lists(groups, min_size=2, max_size=3))
def test_a_step_always_has_as_many_groups_as_prompts_and_none_twice(rewards):
    rounds = [round_of(*row) for row in rewards]
    kept = kept_groups(rounds, 4)
    assert [row.number for row in kept.known.rows] == list(range(8))
    assert sorted(response.number for response in kept.responses) == list(range(8))
    signal = sum(not silent for one in rounds for silent in one.silent)
    assert kept.silent == [place >= signal for place in range(4)]
