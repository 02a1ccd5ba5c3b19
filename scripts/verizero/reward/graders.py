"""Named graders: each is a rule by which a response is right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verizero.artifacts.errors import UserError
from verizero.reward import quick
from verizero.reward.verdict import Question, Verdict

__all__ = ["GRADERS", "Grader", "Verdict", "grader"]


@dataclass(frozen=True)
class Grader:
    """A grading rule; what its quick rules leave open goes to the workers of a `GradingPool`."""

    name: str
    decide: Callable[[Sequence[str], str], Verdict | Question]

    def grade(self, golds: Sequence[str], response: str) -> Verdict:
        """One verdict. Starts a worker for it when algebra is needed; for many responses use a `GradingPool`."""
        from verizero.reward.pool import GradingPool

        with GradingPool(self.name, 1) as pool:
            return pool.grade_all([(golds, response)])[0]


GRADERS = {"verizero": Grader("verizero", quick.decide)}
"""`verizero`: the last complete box; exact text, numbers, words, letters; then algebra with a relative tolerance of 1e-9."""


def grader(name: str) -> Grader:
    """A grader by its name.

    Raises:
        UserError: there is none of that name.
    """
    if name not in GRADERS:
        raise UserError(f"grader `{name}` is not defined; choices: {', '.join(sorted(GRADERS))}")
    return GRADERS[name]
