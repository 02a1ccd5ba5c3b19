"""Which prompts a step takes, which responses an update takes, and how micro-batches are cut."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.policy.packing import places_of
from verizero.training.batches import micro_batches, permutation, prompts_of_step, updates_of_step


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


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), max_size=40), st.integers(1, 200))
def test_micro_batches_hold_each_response_once_within_the_budget(rows, budget):
    pairs = [([prompt] * (1 + 3 * prompt), [9] * length) for prompt, length in rows]
    cut = micro_batches(pairs, budget)
    assert sorted(number for numbers in cut for number in numbers) == list(range(len(pairs)))
    for numbers in cut:
        assert places_of([pairs[number] for number in numbers]) <= budget or len(numbers) == 1


def test_a_micro_batch_reads_a_prompt_once_and_its_longest_response_first():
    pairs = [([1, 2], [5] * 3), ([3], [5] * 9), ([1, 2], [5] * 4), ([1, 2], [5] * 2)]
    assert micro_batches(pairs, 100) == [[2, 0, 3, 1]]


def test_micro_batches_are_about_equal():
    pairs = [([1], [5] * 10) for _ in range(9)]
    assert [len(numbers) for numbers in micro_batches(pairs, 60)] == [5, 4]
    assert [len(numbers) for numbers in micro_batches(pairs, 1)] == [1] * 9
