"""What a grader says about one response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

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


@dataclass(frozen=True)
class Question:
    """What the quick rules leave open, for a worker: is the answer equal to any of the golds?"""

    golds: tuple[str, ...]
    answer: str
    extracted: str
