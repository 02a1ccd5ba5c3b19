"""What each reward rule pays, for every case that it tells apart."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from verizero.config.optimizers import Reward
from verizero.reward.extraction import boxed
from verizero.reward.rewards import RULES, Completed, reward
from verizero.reward.verdict import Verdict

MIX = {"correct": 1.0, "incorrect": 0.0, "correct_unboxed": 1.0, "incorrect_unboxed": 0.0}
INDEPENDENT = {"correct": 1.0, "incorrect": -0.5, "correct_unboxed": 0.5, "incorrect_unboxed": -1.0}
FIRST_VERSION = {"correct": 1.0, "incorrect": -0.5, "correct_unboxed": -1.0, "incorrect_unboxed": -1.0}
CASES = [(True, True), (False, True), (True, False), (False, False)]
"""(correct, boxed)."""


def earned(values: Reward, correct: bool, in_box: bool, truncated: bool = False, draw: float = 0.5) -> float:
    verdict = Verdict(correct, "correct" if correct else "wrong")
    return reward(Completed(verdict, in_box, truncated, draw), values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Reward(), [1.0, 0.0, 1.0, 0.0]),
        (Reward(incorrect=-0.5), [1.0, -0.5, 1.0, -0.5]),
        (Reward(rule="format"), [1.0, 1.0, 0.0, 0.0]),
        (Reward(rule="format", correct=0.1, incorrect=-1.0), [0.1, 0.1, -1.0, -1.0]),
        (Reward(rule="correctness-and-format", **MIX), [1.0, 0.0, 1.0, 0.0]),
        (Reward(rule="correctness-and-format", **INDEPENDENT), [1.0, -0.5, 0.5, -1.0]),
        (Reward(rule="correctness-and-format", **FIRST_VERSION), [1.0, -0.5, -1.0, -1.0]),
    ],
)
def test_the_table_of_a_rule(values: Reward, expected: list[float]) -> None:
    assert [earned(values, *case) for case in CASES] == expected
    assert [earned(values, *case, truncated=True) for case in CASES] == [0.0] * 4
    graded = values.model_copy(update={"truncated": "graded"})
    assert [earned(graded, *case, truncated=True) for case in CASES] == expected


def test_a_random_reward_follows_its_draw_and_nothing_else() -> None:
    values = Reward(rule="random", probability=0.25)
    draws = [number / 1000 for number in range(1000)]
    assert sum(earned(values, *CASES[number % 4], draw=draw) for number, draw in enumerate(draws)) == 250.0
    assert {earned(values, *case, draw=0.2499) for case in CASES} == {1.0}
    assert {earned(values, *case, draw=0.25) for case in CASES} == {0.0}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (r"\boxed{3}", True),
        (r"\fbox{x}, as said", True),
        (r"\boxed{}", False),
        (r"\boxed{3", False),
        (r"\boxed{1} and \boxed{2", False),
        ("3", False),
        (r"\boxed 3", True),
        (r"\boxed 3x", False),
    ],
)
def test_a_box_that_a_format_reward_pays_for(response: str, expected: bool) -> None:
    assert boxed(response) is expected


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rule": "random"}, "`random` needs `probability`"),
        ({"rule": "correctness-and-format", "correct_unboxed": 0.5}, "needs `incorrect_unboxed`"),
        ({"probability": 0.5}, "reward.probability is given, but the rule `correctness` does not read it"),
        ({"rule": "format", "correct_unboxed": 0.5}, "reward.correct_unboxed is given, but the rule `format`"),
        ({"rule": "luck"}, "'correctness', 'format', 'random' or 'correctness-and-format'"),
    ],
)
def test_a_value_that_a_rule_lacks_or_does_not_read_is_named(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Reward(**values)


def test_every_rule_of_the_configuration_is_there() -> None:
    assert set(RULES) == set(Reward.model_fields["rule"].annotation.__args__)
