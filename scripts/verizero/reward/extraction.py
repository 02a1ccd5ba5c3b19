r"""The final answer of a response: the content of its last `\boxed{}` or `\fbox{}`, complete or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verizero.problems.text import last_box
from verizero.reward.normalisation import tidied


@dataclass(frozen=True)
class Extraction:
    """The answer, or why there is none."""

    status: Literal["found", "no_box", "unterminated", "empty"]
    answer: str | None = None


def final_answer(response: str) -> Extraction:
    r"""The answer that a response commits to.

    Only the box that begins last counts: an earlier answer does not stand in for a box that was never closed, and no
    number in the text does for a box. `\boxed 17` is no box.
    """
    box = last_box(response)
    if box is None:
        return Extraction("no_box")
    if box.content is None:
        return Extraction("unterminated")
    if not tidied(box.content[:MAX_PEEK]) and len(box.content) <= MAX_PEEK:
        return Extraction("empty", box.content)
    return Extraction("found", box.content)


MAX_PEEK = 1000
"""Characters of an answer that are looked at to see whether it is empty."""
