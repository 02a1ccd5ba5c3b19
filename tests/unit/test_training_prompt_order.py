"""Which prompts a step takes: from easy to hard, or those about half solved first."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from verizero.artifacts.errors import UserError
from verizero.config.axes import Order
from verizero.problems.problem import Problem
from verizero.training.history import History, accuracy_by_problem, history_text, recent_rates
from verizero.training.prompt_order import (
    chosen_prompts,
    curriculum,
    difficulty_ranks,
    interest,
    require_difficulty,
    weighted,
)
from verizero.training.rollouts import Outcome, Outcomes

PROBLEMS = [
    Problem(id=f"p{number}", problem=f"{number}?", answers=["1"], difficulty=number // 2) for number in range(10)
]


def settings(prompts=4, steps=10, **order):
    return SimpleNamespace(order=Order(**order), rollout=SimpleNamespace(prompts=prompts), steps=steps)


def test_a_strict_curriculum_is_sorted_and_draws_each_problem_equally_often():
    how = settings(rule="curriculum", mix=0.0)
    taken = [n for step in range(1, 11) for n in chosen_prompts(step, how, PROBLEMS, 1, [])]
    difficulties = [PROBLEMS[n].difficulty for n in taken]
    assert difficulties == sorted(difficulties)
    assert set(Counter(taken).values()) == {4}


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0]), min_size=1, max_size=12), st.integers(1, 60), st.floats(0, 1))
def test_every_mix_draws_as_many_as_are_wanted_and_none_twice_more_than_another(difficulties, draws, mix):
    taken = Counter(curriculum(tuple(difficulty_ranks(difficulties)), draws, mix, 3))
    assert sum(taken.values()) == draws
    assert max(taken.values()) - min(taken[n] for n in range(len(difficulties))) <= 1


def test_a_mixed_curriculum_still_goes_up():
    problems = tuple(difficulty_ranks(list(range(200))))
    path = curriculum(problems, 200, 0.3, 1)
    assert path != tuple(sorted(path))
    thirds = [sum(path[at : at + 66]) / 66 for at in (0, 67, 134)]
    assert thirds == sorted(thirds)
    shuffled = curriculum(problems, 200, 1.0, 1)
    assert abs(sum(shuffled[:100]) - sum(shuffled[100:])) < 2500  # of 10,000 when sorted


def test_equally_hard_problems_have_one_rank():
    assert difficulty_ranks([1.0, 3.0, 1.0, 2.0]) == [1 / 6, 1.0, 1 / 6, 2 / 3]
    assert difficulty_ranks([7.0]) == [0.0]


def test_a_curriculum_without_difficulties_is_refused():
    how = settings(rule="curriculum", mix=0.5)
    require_difficulty(PROBLEMS, how)
    with pytest.raises(UserError, match=r"1 of 11 training problems have no difficulty \(the first is bare\)"):
        require_difficulty([*PROBLEMS, Problem(id="bare", problem="?", answers=["1"])], how)


def test_half_solved_problems_are_drawn_most_and_finished_ones_least():
    assert [interest(rate, 0.1) for rate in (0.0, 0.5, 1.0, 0.25, None)] == [0.1, 1.0, 0.1, 0.75, 1.0]
    how = settings(prompts=3, rule="pass-rate", floor=0.02, recent=1.0)
    rates = {f"p{n}": 0.5 if n < 3 else 1.0 for n in range(10)}
    taken = Counter(n for step in range(1, 101) for n in chosen_prompts(step, how, PROBLEMS, 5, [(1, rates)]))
    assert sum(taken[n] for n in range(3)) > 240
    assert all(taken[n] for n in range(10))


def test_without_a_floor_what_is_always_solved_comes_last():
    how = settings(prompts=4, rule="pass-rate", floor=0.0, recent=1.0)
    rates = {f"p{n}": 1.0 if n < 6 else 0.5 for n in range(10)}
    assert set(chosen_prompts(3, how, PROBLEMS, 1, [(1, rates)])) == {6, 7, 8, 9}


def test_the_newest_accuracy_has_its_weight():
    steps = [(1, {"a": 1.0, "b": 0.0}), (2, {"a": 0.0}), (3, {"a": 0.5})]
    assert recent_rates(steps, 0.5) == {"a": 0.5, "b": 0.0}
    assert recent_rates(steps, 1.0) == {"a": 0.5, "b": 0.0}
    assert recent_rates(steps[:2], 0.25)["a"] == 0.75


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 20))
def test_a_draw_without_replacement_takes_each_once_before_any_again(weights, count):
    taken = Counter(weighted(weights, count, 7))
    assert sum(taken.values()) == count
    assert max(taken.values()) <= -(-count // len(weights))


@pytest.mark.parametrize(
    ("keys", "why"),
    [({"rule": "curriculum"}, "needs mix"), ({"mix": 0.1}, "does not read it"), ({"rule": "pass-rate", "floor": 0.1}, "needs recent")],
)  # fmt: skip
def test_an_order_has_what_it_reads(keys, why):
    with pytest.raises(ValidationError, match=why):
        Order(**keys)


def outcome(number, correct, problem):
    return Outcome(number, 3, float(correct), correct, False, True, "", problem=problem)


def test_a_history_has_one_accuracy_for_a_problem_and_step(tmp_path):
    sampled = Outcomes([outcome(0, True, "a"), outcome(1, False, "a"), outcome(2, True, "a"), outcome(3, True, "b")], 2)
    assert accuracy_by_problem(sampled) == {"a": 2 / 3, "b": 1.0}
    history = History(tmp_path / "history.jsonl", 0)
    history.add(1, sampled)
    history.add(2, Outcomes([outcome(0, False, "b")], 1))
    again = History(tmp_path / "history.jsonl", 1)  # step 2 is done again
    assert again.steps == [(1, {"a": 2 / 3, "b": 1.0})]
    rows = [json.loads(line) for line in history_text(history.steps, ["b", "a", "never"]).splitlines()]
    assert rows == [
        {"problem": "b", "steps": [1, 2], "accuracy": [1.0, 0.0]},
        {"problem": "a", "steps": [1], "accuracy": [2 / 3]},
    ]
