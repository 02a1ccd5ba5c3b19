"""Is there anything to learn from? A run whose rewards are equal in every group goes on for ever and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from verizero.training.metrics import Metrics

PATIENCE = 10
"""Steps without any signal, one after the other, before a word is said."""


class SignalWatch:
    """Says once that the rewards have been equal for `PATIENCE` steps: in every group, or in the whole step.

    Args:
        warn: takes a sentence.
        grouped: the advantage compares the responses of a group, so equal rewards in a group say nothing.
    """

    def __init__(self, warn: Callable[[str], None], grouped: bool = True) -> None:
        self.warn, self.grouped, self.silent, self.said = warn, grouped, 0, False

    def see(self, step: int, metrics: Metrics) -> None:
        """The measurements of one step, in order."""
        flat = (metrics["zero_variance_all_right"] or 0.0) + (metrics["zero_variance_all_wrong"] or 0.0)
        equal = flat > 1 - 1e-9 if self.grouped else not metrics["reward_std"]
        self.silent = self.silent + 1 if equal else 0
        if self.silent < PATIENCE or self.said:
            return
        self.said = True
        remedy = (
            "the problems are solved: try harder ones"
            if metrics["zero_variance_all_right"]
            else "no answer is right: try easier problems, another template, more rollout.samples, or look whether the grader reads the answers"
        )
        self.warn(
            f"until step {step} all rewards of each {'group' if self.grouped else 'step'} were equal for {PATIENCE} steps, so nothing was learned; {remedy}"
        )
