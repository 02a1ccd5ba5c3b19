"""What is said about a step: plain numbers, None where there is nothing to average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from verizero.config.axes import Selection
from verizero.config.optimizers import Reward
from verizero.training.critic import ValueUpdate
from verizero.training.learner import Update
from verizero.training.refill import Round
from verizero.training.rollouts import Outcome, Outcomes

WATCHED_STATUSES = ("limit", "timeout", "error")
"""Verdicts that say more about the grader than about the response."""

Metrics = dict[str, float | int | None]


def mean(values: Iterable[float]) -> float | None:
    """The mean; None of nothing."""
    found = list(values)
    return math.fsum(found) / len(found) if found else None


def spread(values: Sequence[float]) -> float | None:
    """The unbiased standard deviation; None of fewer than two."""
    if len(values) < 2:
        return None
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def rollout_metrics(step: Outcomes, rule: Reward) -> Metrics:
    """Rewards, lengths and groups of a step.

    `length_correct_mean` and `length_incorrect_mean` are None in a step without such a response. A group is
    `zero_variance_all_right` when all its rewards are the reward of a right answer, `zero_variance_all_wrong` when they are
    all equal and something else; both are shares of the groups.
    """
    rows, size = step.rows, step.samples
    rewards = [row.reward for row in rows]
    groups = [rewards[begin : begin + size] for begin in range(0, len(rewards), size)]
    flat = [group[0] for group in groups if min(group) == max(group)]
    return {
        "reward_mean": mean(rewards),
        "reward_std": spread(rewards),
        "pass_rate": mean(row.correct for row in rows),
        "length_mean": mean(row.length for row in rows),
        "length_correct_mean": mean(row.length for row in rows if row.correct),
        "length_incorrect_mean": mean(row.length for row in rows if not row.correct),
        "truncated_share": mean(row.truncated for row in rows),
        "boxed_share": mean(row.boxed for row in rows),
        "zero_variance_all_right": sum(value == rule.correct for value in flat) / len(groups),
        "zero_variance_all_wrong": sum(value != rule.correct for value in flat) / len(groups),
        "tokens": sum(row.length for row in rows),
        **_greedy(step),
        **{f"verdict_{status}": _count(rows, status) for status in WATCHED_STATUSES},
    }


def _greedy(step: Outcomes) -> Metrics:
    """What greedy completions earned and how many there were; nothing where there are none."""
    found = [row.greedy for row in step.rows[:: step.samples] if row.greedy is not None]
    return {"greedy_reward_mean": mean(found), "greedy_completions": len(found)} if found else {}


def refill_metrics(rounds: Sequence[Round], kept: Round, how: Selection) -> Metrics:
    """What dynamic sampling cost, and whether it was enough; nothing where groups are not replaced."""
    if how.zero_variance != "refilled":
        return {}
    return {
        "rounds": len(rounds),
        "extra_completions": sum(len(one.known.rows) for one in rounds[1:]),
        "groups_with_signal": sum(not silent for silent in kept.silent),
    }


def update_metrics(
    updates: Sequence[Update], tokens: int, with_reference: bool, with_correction: bool = False
) -> Metrics:
    """What a step's updates measured.

    `clip_fraction` is of all tokens of the rollout: those of responses without advantage, which need no forward pass,
    cannot be clipped. `kl_old`, `kl_reference` and `correction_mean` are means over the tokens that the forward passes saw;
    the last is there only where the optimizer has a correction. All but `trained_tokens` are None in a step that trains the
    critic alone.

    Args:
        tokens: of the step's rollout, over all ranks; as often as the step goes through them.
    """
    seen = sum(update.tokens for update in updates)
    return {
        "loss": mean(update.loss for update in updates),
        "grad_norm": mean(update.grad_norm for update in updates),
        "learning_rate": updates[-1].learning_rate if updates else None,
        "clip_fraction": sum(update.clipped for update in updates) / tokens if updates else None,
        "kl_old": sum(update.kl_old for update in updates) / seen if seen else None,
        "kl_reference": sum(update.kl_reference for update in updates) / seen if seen and with_reference else None,
        "trained_tokens": int(seen),
        **(
            {"correction_mean": sum(update.correction for update in updates) / seen if seen else None}
            if with_correction
            else {}
        ),
    }


def critic_metrics(updates: Sequence[ValueUpdate], explained: float | None) -> Metrics:
    """What a step's updates of the critic measured; nothing where there is no critic.

    `value_clip_fraction` and `value_mean` are over the tokens of the updates.

    Args:
        explained: the explained variance before the updates.
    """
    if not updates:
        return {}
    tokens = sum(update.tokens for update in updates)
    return {
        "value_loss": mean(update.loss for update in updates),
        "value_grad_norm": mean(update.grad_norm for update in updates),
        "value_learning_rate": updates[-1].learning_rate,
        "value_clip_fraction": sum(update.clipped for update in updates) / tokens if tokens else None,
        "value_mean": sum(update.value for update in updates) / tokens if tokens else None,
        "explained_variance": explained,
    }


def _count(rows: Sequence[Outcome], status: str) -> int:
    return sum(row.status == status for row in rows)
