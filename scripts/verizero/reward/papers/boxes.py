r"""The last box as the papers' graders find it: less strict about LaTeX than ours, and blind to escaped braces."""

from __future__ import annotations

from verizero.reward.verdict import Verdict


def last_box(text: str) -> str | Verdict:
    r"""The content of the `\boxed{` that begins last, or the verdict on a text without one.

    As understand-r1-zero and One-Shot-RLVR do, both after the evaluation of the MATH data set. `\fbox` stands in only where
    there is no `\boxed`: whether their callers let a response through that has no other box is not described. Braces are
    counted with their escapes: `\{` opens one. The last box decides even when it is not closed; `\boxed 17` is none.
    """
    for command in (r"\boxed", r"\fbox"):
        begin = text.rfind(command)
        if begin >= 0:
            return _content(text, begin + len(command))
    return Verdict(False, "no_box", rule="box")


def _content(text: str, place: int) -> str | Verdict:
    if not text.startswith("{", place):
        return Verdict(False, "no_box", rule="box")
    depth = 0
    for end in range(place, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            return text[place + 1 : end]
    return Verdict(False, "unterminated", rule="box")
