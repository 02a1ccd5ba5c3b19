"""The text of a problem as far as it matters for being the same problem, and the places where a text keeps its answer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# \! \, \: \; and "\ " are spaces in LaTeX; \left and \right only size a bracket.
_LATEX_SPACING = re.compile(r"\\[!,:;> ]|\\q?quad(?![A-Za-z])|~|\\(?:left|right)(?![A-Za-z])")
_BOX_BEGINS = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BOX_TOKEN = re.compile(r"\\(?:boxed|fbox)\s*\{|\\(?!\\?(?:boxed|fbox)\b).|[{}]", re.DOTALL)


def normalised(text: str) -> str:
    """A text without what only changes its look: NFKC, LaTeX spacing and all white space gone, lower case.

    Used to find the same problem in two sets. All white space goes, because sources differ in where they break lines
    and whether they write `$ x $` or `$x$`.
    """
    return "".join(_LATEX_SPACING.sub("", unicodedata.normalize("NFKC", text)).split()).lower()


@dataclass(frozen=True)
class Box:
    """The final box of a text: its content, or None when it is never closed."""

    content: str | None


def last_box(text: str) -> Box | None:
    r"""The `\boxed{...}` or `\fbox{...}` that begins last; None when there is none.

    Braces are matched as TeX does: `\{` and `\}` are characters, not braces. A box inside a complete box belongs to the
    outer one. One pass, linear in the length, from the first box on: a brace that was opened before it is closed after it,
    or never, and says nothing about it.
    """
    if not (first := _BOX_BEGINS.search(text)):
        return None
    boxes: list[list[int | None]] = []  # [where the content begins, where it ends], in the order of their beginnings
    open_braces: list[int | None] = []  # the number of a box; None for a plain brace
    for token in _BOX_TOKEN.finditer(text, first.start()):
        if token[0] == "}":
            if open_braces and (number := open_braces.pop()) is not None:
                boxes[number][1] = token.start()
        elif token[0] == "{":
            open_braces.append(None)
        elif token[0].endswith("{") and len(token[0]) > 2:
            open_braces.append(len(boxes))
            boxes.append([token.end(), None])
    last = boxes[-1][1]
    if last is None:
        return Box(None)
    begin, end = next((begin, end) for begin, end in boxes if end is not None and end >= last)
    return Box(text[begin:end])
