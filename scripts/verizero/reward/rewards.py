"""What a graded completion earns."""

from __future__ import annotations

from verizero.config.optimizers import Reward
from verizero.reward.verdict import Verdict


def reward(verdict: Verdict, truncated: bool, rule: Reward) -> float:
    """The reward of one completion.

    Args:
        truncated: it met `max_tokens`. Under `truncated: zero` it then earns 0 whatever it says (paper A, oat
            `ppo.py`); under `graded` it earns what its answer does (papers B and C).
    """
    if truncated and rule.truncated == "zero":
        return 0.0
    return rule.correct if verdict.correct else rule.incorrect
