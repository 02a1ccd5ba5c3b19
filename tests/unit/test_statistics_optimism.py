"""What choosing on the test set adds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.statistics.optimism import best_of


def test_a_checkpoint_that_is_best_everywhere_promises_nothing_too_much() -> None:
    scores = np.array([[0.1] * 12, [0.4] * 12, [0.3] * 12])
    found = best_of(scores)
    assert (found.index, found.score, found.optimism) == (1, pytest.approx(0.4), pytest.approx(0.0))


def test_by_hand_with_two_folds() -> None:
    # fold 0: problems 0 and 2, fold 1: problems 1 and 3; each fold is scored by the best of the other
    scores = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 0.6, 0.0, 0.6]])
    found = best_of(scores, folds=2)
    assert (found.index, found.score) == (0, 0.5)
    assert found.honest == 0.0


def test_equal_checkpoints_look_better_than_they_are_and_the_honest_score_does_not() -> None:
    rng = np.random.default_rng(0)
    found = [best_of(rng.binomial(1, 0.4, (20, 100)).astype(float)) for _ in range(400)]
    assert np.mean([one.score for one in found]) > 0.47
    assert np.mean([one.honest for one in found]) == pytest.approx(0.4, abs=0.01)


@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 15))
def test_the_score_is_that_of_the_chosen_one_and_no_other_has_a_higher(
    seed: int, checkpoints: int, problems: int
) -> None:
    scores = np.random.default_rng(seed).random((checkpoints, problems))
    found = best_of(scores)
    assert found.score == pytest.approx(scores[found.index].mean())
    assert found.score == pytest.approx(scores.mean(axis=1).max())
    assert 0 <= found.honest <= 1
