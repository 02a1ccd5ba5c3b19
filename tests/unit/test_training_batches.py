"""Which prompts a step takes, which responses an update takes, and how micro-batches are cut."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verizero.training.batches import micro_batches, padded, permutation, prompts_of_step, updates_of_step


def test_the_order_of_prompts_is_the_same_on_every_machine():
    assert prompts_of_step(1, 4, 10, seed=1) == [8, 2, 5, 9]
    assert prompts_of_step(3, 4, 10, seed=1) == [0, 4, 7, 4]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.integers(1, 5))
def test_every_problem_is_used_equally_often_in_whole_epochs(prompts, problems, seed, epochs):
    taken = [n for step in range(1, problems * epochs + 1) for n in prompts_of_step(step, prompts, problems, seed)]
    assert Counter(taken) == dict.fromkeys(range(problems), prompts * epochs)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32))
def test_an_epoch_uses_each_problem_once(prompts, problems, seed):
    sequence = [n for step in range(1, problems + 2) for n in prompts_of_step(step, prompts, problems, seed)]
    for begin in range(0, len(sequence) - problems + 1, problems):
        assert sorted(sequence[begin : begin + problems]) == list(range(problems))


def test_epochs_and_seeds_have_different_orders():
    epochs = [prompts_of_step(step, 50, 50, seed) for seed in (1, 2) for step in (1, 2, 3)]
    assert len({tuple(order) for order in epochs}) == 6


def test_one_problem_fills_a_step_of_many_prompts():
    assert prompts_of_step(7, 128, 1, seed=3) == [0] * 128


def test_no_problems_are_refused():
    with pytest.raises(ValueError, match="no problem"):
        prompts_of_step(1, 4, 0, seed=1)


@given(st.integers(1, 8), st.integers(1, 16), st.integers(0, 2**32), st.integers(1, 300))
def test_updates_take_each_response_once_in_equal_parts(updates, size, seed, step):
    parts = updates_of_step(updates * size, updates, seed, step)
    assert [len(part) for part in parts] == [size] * updates
    assert sorted(n for part in parts for n in part) == list(range(updates * size))


def test_parts_of_an_update_change_with_step_and_seed():
    assert len({str(updates_of_step(32, 4, seed, step)) for seed in (1, 2) for step in (1, 2, 3)}) == 6


def test_a_permutation_is_a_function_of_its_seed():
    assert permutation(6, 5) == permutation(6, 5) != permutation(6, 6)


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 200))
def test_micro_batches_hold_each_row_once_within_the_budget(lengths, budget):
    cut = micro_batches(lengths, budget)
    assert sorted(row for rows in cut for row in rows) == list(range(len(lengths)))
    for rows in cut:
        positions = len(rows) * max(lengths[row] for row in rows)
        assert positions <= budget or len(rows) == 1


def test_micro_batches_put_rows_of_like_length_together():
    assert micro_batches([10, 2, 9, 1, 3], 20) == [[0, 2], [4, 1, 3]]


def test_rows_are_padded_on_the_right_with_the_response_marked():
    rows = padded([[5, 6], [7]], [[8], [9, 4, 3]])
    assert rows.input_ids.tolist() == [[5, 6, 8, 0], [7, 9, 4, 3]]
    assert rows.attention_mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert rows.response_mask.tolist() == [[False, False, True, False], [False, True, True, True]]
    assert rows.response_mask.dtype == torch.bool
