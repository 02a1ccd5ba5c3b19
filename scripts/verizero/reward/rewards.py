"""What a graded completion earns: small functions, one for each rule that the configuration can name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verizero.config.optimizers import Reward
from verizero.reward.verdict import Verdict


@dataclass(frozen=True)
class Completed:
    """What a rule may look at.

    Args:
        draw: a number in [0, 1) that is a function of the run's seed, the step and the place of the completion.
    """

    verdict: Verdict
    boxed: bool
    truncated: bool
    draw: float


def correctness(completed: Completed, values: Reward) -> float:
    """The reward of papers A and B: right or not."""
    return values.correct if completed.verdict.correct else values.incorrect


def format_only(completed: Completed, values: Reward) -> float:
    """Paper B's format baseline: an answer that can be extracted is enough, right or wrong."""
    return values.correct if completed.boxed else values.incorrect


def random_reward(completed: Completed, values: Reward) -> float:
    """A coin. What a model learns from it, it has not learnt from the problems."""
    assert values.probability is not None
    return values.correct if completed.draw < values.probability else values.incorrect


def correctness_and_format(completed: Completed, values: Reward) -> float:
    """Four values. Paper C's tables: `mix` 1, 0, 1, 0; `independent` 1, -0.5, 0.5, -1; its first version 1, -0.5, -1, -1.

    In the order of `correct`, `incorrect`, `correct_unboxed`, `incorrect_unboxed`.
    """
    if completed.boxed:
        return correctness(completed, values)
    value = values.correct_unboxed if completed.verdict.correct else values.incorrect_unboxed
    assert value is not None
    return value


RULES: dict[str, Callable[[Completed, Reward], float]] = {
    "correctness": correctness,
    "format": format_only,
    "random": random_reward,
    "correctness-and-format": correctness_and_format,
}


def truncated_to_zero(completed: Completed, values: Reward, earned: float) -> float:
    """Under `truncated: zero` a completion that met `max_tokens` earns 0 whatever it says (paper A, oat `ppo.py`)."""
    return 0.0 if completed.truncated and values.truncated == "zero" else earned


def reward(completed: Completed, values: Reward) -> float:
    """The reward of one completion."""
    return truncated_to_zero(completed, values, RULES[values.rule](completed, values))
