"""What a grader says about one response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from verizero.problems.problem import Problem

Status = Literal[
    "correct",
    "wrong",
    "no_box",
    "unterminated",
    "empty",
    "unparsable_gold",
    "unparsable_answer",
    "limit",
    "timeout",
    "error",
]
STATUSES: tuple[Status, ...] = get_args(Status)
"""correct, wrong: compared. no_box, unterminated, empty: nothing to compare. unparsable_*: compared as text only, and
different. limit: refused before or stopped for its size. timeout: stopped at the deadline. error: the worker died."""


@dataclass(frozen=True)
class Verdict:
    """Whether a response is right, and why."""

    correct: bool
    status: Status
    extracted: str | None = None
    """The final answer as written; None when there is none."""
    normalised: str | None = None
    """The text of it that was compared."""
    rule: str = ""
    """The rule that decided."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took. No part of the verdict: it never enters an artifact."""


@dataclass(frozen=True)
class Accepted:
    """What counts as right: any of the answers."""

    answers: tuple[str, ...]
    tolerance: float | None = None
    """As in `Problem`: only for golds that are rounded decimals."""
    unit: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> Accepted:
        """The golds of a problem with all that it says about them."""
        return cls(tuple(problem.answers), problem.tolerance, problem.unit)


@dataclass(frozen=True)
class Question:
    """What the quick rules leave open, for a worker: is the answer equal to any of the golds?"""

    golds: tuple[str, ...]
    answer: str
    extracted: str
    tolerance: float | None = None
