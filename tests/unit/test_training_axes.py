"""What enters an update and what it weighs, from what all ranks know of a step."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verizero.config.axes import Kl, Selection, Weight
from verizero.objective.kl import kl
from verizero.reward.overlong import soft_overlong
from verizero.rollout.engine import Completion
from verizero.training.batches import updates_of_step
from verizero.training.learner import Score
from verizero.training.rollouts import Outcome, Outcomes, Response, with_greedy
from verizero.training.scores import Scores, reward_penalties
from verizero.training.selection import entering
from verizero.training.weights import imitation_of, uncertain_tokens, weights_of
from verizero.training.world import World

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
STEP = Outcomes(
    [
        Outcome(0, 10, 1.0, True, False, True, ""),
        Outcome(1, 30, 0.0, False, True, True, ""),
        Outcome(2, 4, 1.0, True, False, True, ""),
        Outcome(3, 6, 1.0, True, False, True, ""),
    ],
    samples=2,
)
ADVANTAGE = torch.tensor([0.5, -0.5, 0.0, 0.0])
EVERYTHING = torch.tensor([True] * 4)


class Scorer:
    """Stands for a learner: gives set entropies, and counts what it was asked for."""

    def __init__(self, values):
        self.values, self.asked = values, []

    def score(self, pairs, model=None):
        self.asked += [response[0] for _, response in pairs]
        return [
            Score(torch.tensor(self.values[response[0]]), torch.tensor(self.values[response[0]]))
            for _, response in pairs
        ]


def response(number, tokens):
    return Response(number, [1], Completion(tokens, [0.0] * len(tokens), "", "stop"))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [True, True, True, True]),
        ({"truncated": "masked"}, [True, False, True, True]),
        ({"zero_variance": "skipped"}, [True, True, False, False]),
        ({"truncated": "masked", "zero_variance": "skipped"}, [True, False, False, False]),
    ],
)
def test_selection_leaves_out_what_it_names(how, expected):
    assert entering(STEP, Selection(**how)).tolist() == expected


def test_what_does_not_enter_is_in_no_denominator():
    enters = torch.tensor([True, False, True, False])
    assert weights_of([0, 1, 2, 3], STEP, ADVANTAGE, enters, Weight(kind="sequence"), 50) == pytest.approx(
        {0: 1 / 20, 1: 0.0, 2: 1 / 8, 3: 0.0}
    )
    assert weights_of([0, 1], STEP, ADVANTAGE, enters, Weight(kind="token"), 50) == pytest.approx({0: 0.1, 1: 0.0})


def test_imitation_is_shared_by_the_tokens_of_right_responses_that_enter():
    assert imitation_of([0, 1, 2], STEP, EVERYTHING, 0.1) == pytest.approx({0: 0.1 / 14, 1: 0.0, 2: 0.1 / 14})
    without_the_first = torch.tensor([False, True, True, True])
    assert imitation_of([0, 1, 2], STEP, without_the_first, 0.1) == pytest.approx({0: 0.0, 1: 0.0, 2: 0.1 / 4})
    rambling = replace(STEP, rows=[replace(STEP.rows[0], truncated=True), *STEP.rows[1:]])
    assert imitation_of([0, 2], rambling, EVERYTHING, 0.1, truncated=False) == pytest.approx({0: 0.0, 2: 0.1 / 4})
    assert imitation_of([1], STEP, EVERYTHING, 0.1) == {1: 0.0}
    assert imitation_of([0, 2], STEP, EVERYTHING, 0.0) == {0: 0.0, 2: 0.0}


def test_an_update_that_nothing_enters_weighs_nothing():
    assert weights_of([1, 3], STEP, ADVANTAGE, ~EVERYTHING, Weight(kind="sequence"), 50) == {1: 0.0, 3: 0.0}


def test_a_constant_length_is_that_of_the_rollout_unless_the_file_names_one():
    for given_length, used in ((None, 50), (5, 5)):
        how = Weight(kind="constant", length=given_length)
        assert weights_of([0, 1], STEP, ADVANTAGE, EVERYTHING, how, 50) == pytest.approx(
            dict.fromkeys((0, 1), 1 / (2 * used))
        )


def test_an_update_knows_only_its_own_part():
    assert weights_of([0, 2], STEP, ADVANTAGE, EVERYTHING, Weight(kind="token"), 50) == pytest.approx(
        {0: 1 / 14, 2: 1 / 14}
    )


def test_the_entropy_filter_keeps_the_upper_share_of_all_tokens():
    scorer = Scorer({5: [0.1, 0.9, 0.2], 6: [0.8, 0.3]})
    rows = [response(0, [5, 1, 1]), response(3, [6, 1])]
    found = uncertain_tokens(Weight(kind="token", entropy_quantile=0.5), rows, Scores(scorer, {}), ALONE)
    assert {number: kept.tolist() for number, kept in found.items()} == {0: [0.0, 1.0, 0.0], 3: [1.0, 1.0]}
    free = uncertain_tokens(Weight(kind="token"), rows, Scores(scorer, {}), ALONE)
    assert {number: kept.tolist() for number, kept in free.items()} == {0: [1.0] * 3, 3: [1.0] * 2}


def test_a_response_is_scored_once_a_step():
    scorer = Scorer({5: [0.1], 6: [0.2], 7: [0.3]})
    scores = Scores(scorer, {})
    scores.of([response(0, [5]), response(1, [6])])
    found = scores.of([response(2, [7]), response(0, [5])])
    assert scorer.asked == [5, 6, 7]
    assert {number: score.logprobs.tolist() for number, score in found.items()} == {
        2: pytest.approx([0.3]),
        0: pytest.approx([0.1]),
    }


def test_a_response_that_the_engine_was_checked_by_is_not_scored_again_and_known_only_when_asked_for():
    scorer = Scorer({5: [0.1], 6: [0.2], 7: [0.3]})
    check = Scores(scorer, {})
    check.of([response(0, [5]), response(2, [7])])
    scores = Scores(scorer, {}, checked=check.known)
    found = scores.of([response(0, [5]), response(1, [6])])
    assert scorer.asked == [5, 7, 6]
    assert {number: score.logprobs.tolist() for number, score in found.items()} == {
        0: pytest.approx([0.1]),
        1: pytest.approx([0.2]),
    }
    assert sorted(scores.known) == [0, 1], "2 was scored for the check alone"


def test_the_penalty_of_a_token_is_the_estimate_times_the_coefficient():
    here, there = Scores(Scorer({5: [-1.0, -2.0]}), {}), Scores(Scorer({5: [-1.5, -1.0]}), {})
    how = Kl(coefficient=0.1, estimator="k1", where="reward")
    found = reward_penalties(how, [response(4, [5, 1])], here, there)
    expected = 0.1 * kl(torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0]), "k1")
    assert found[4].tolist() == pytest.approx(expected.tolist())
    nobody = SimpleNamespace(of=None)
    assert reward_penalties(Kl(coefficient=0.1), [response(4, [5, 1])], nobody, nobody) == {}


def test_the_overlong_penalty_begins_with_its_window_and_ends_at_one():
    # DAPO's numbers: nothing until 16384, half at 18432, all at 20480
    lengths = (16384, 16385, 18432, 20480, 20481)
    found = [soft_overlong(length, 20480, 4096) for length in lengths]
    assert found == pytest.approx([0.0, -1 / 4096, -0.5, -1.0, -1.0])
    assert soft_overlong(20480, 20480, None) == 0.0


@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 3), st.integers(0, 2**32), st.integers(1, 300))
def test_every_epoch_takes_each_response_once(updates, size, epochs, seed, step):
    parts = updates_of_step(updates * size, updates, seed, step, epochs)
    assert len(parts) == epochs * updates
    for epoch in range(epochs):
        assert sorted(n for part in parts[epoch * updates : (epoch + 1) * updates] for n in part) == list(
            range(updates * size)
        )
    assert parts[:updates] == updates_of_step(updates * size, updates, seed, step)


def test_epochs_are_cut_into_other_parts():
    parts = updates_of_step(32, 4, 1, 1, epochs=3)
    assert len({str(parts[epoch * 4 : epoch * 4 + 4]) for epoch in range(3)}) == 3


def test_each_response_knows_what_the_greedy_completion_to_its_prompt_earned():
    greedy = [Outcome(0, 3, 1.0, True, False, True, ""), Outcome(1, 3, 0.0, False, False, True, "")]
    found = Outcomes(with_greedy(STEP.rows, greedy, 2), 2)
    assert found.greedy.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert STEP.greedy is None
