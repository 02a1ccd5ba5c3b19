r"""The final answer of a response: the content of its last `\boxed{}` or `\fbox{}`, complete or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from verizero.problems.text import boxes

_BLANK = re.compile(r"\\[,;:! ]|\\(?:text|mathrm|mbox)(?=\{)|[\s{}$~]")


_SPACE = r"(?:\s|\$|\*\*|~|\\[()\[\],;:! ]|\\q?quad)*"
_WORD = rf"(?:\\text\s*\{{\s*)?(?:and|or)(?:\s*\}})?{_SPACE}"
_JOINER = re.compile(rf"{_SPACE}(?:[,;&]{_SPACE}(?:{_WORD})?|{_WORD})", re.IGNORECASE)
LONGEST_JOINER, MOST_JOINED = 40, 50
"""Characters between two boxes of one answer, and boxes that are put together: more is read no further."""


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
    number in the text does for a box. Boxes with nothing but `and`, `or` or a comma between them are one
    answer with several parts: `either \boxed{2} or \boxed{3}` commits to neither.
    """
    found = boxes(response)
    if not found:
        return Extraction("no_box")
    last = found[-1]
    if last.content is None:
        return Extraction("unterminated")
    if not _BLANK.sub("", last.content):
        return Extraction("empty", last.content)
    parts, seen = [last.content], {"", _BLANK.sub("", last.content)}
    for box, following in zip(found[-2::-1][:MOST_JOINED], found[:0:-1], strict=False):
        if box.content is None or not _joined(response[box.end : following.begin]):
            break
        if (plain := _BLANK.sub("", box.content)) not in seen:
            seen.add(plain)
            parts.insert(0, box.content)
    return Extraction("found", ", ".join(parts))


def _joined(between: str) -> bool:
    """Whether the boxes on both sides of a text are parts of one answer."""
    return len(between) <= LONGEST_JOINER and _JOINER.fullmatch(between) is not None
