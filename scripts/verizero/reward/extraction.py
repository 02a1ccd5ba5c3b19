r"""The final answer of a response: the content of its last `\boxed{}` or `\fbox{}`, complete or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from verizero.problems.text import last_box

_BLANK = re.compile(r"\\[,;:! ]|\\(?:text|mathrm|mbox)(?=\{)|[\s{}$~]")


@dataclass(frozen=True)
class Extraction:
    """The answer, or why there is none."""

    status: Literal["found", "no_box", "unterminated", "empty"]
    answer: str | None = None


def boxed(response: str) -> bool:
    """Whether a response ends in a complete box with something in it: what a format reward asks for, and tables count."""
    return final_answer(response).status == "found"


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
    if not _BLANK.sub("", box.content):
        return Extraction("empty", box.content)
    return Extraction("found", box.content)
