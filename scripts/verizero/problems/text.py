"""The text of a problem as far as it matters for being the same problem, and the places where a text keeps its answer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# \! \, \: \; and "\ " are spaces in LaTeX; \left and \right only size a bracket.
_LATEX_SPACING = re.compile(r"\\[!,:;> ]|\\q?quad(?![A-Za-z])|~|\\(?:left|right)(?![A-Za-z])")
# TeX boxes the next token where there is no brace; only a number or a letter of an option with nothing behind it can be meant so.
_BARE = r"\\(?:boxed|fbox)(?P<bare>\s*-?\d+(?:,\d{3})*(?:\.\d+)?|\s+[A-J])(?=\s*[.,]?\s*(?:\$|\\[)\]]|\n|\Z))"
_BOX_BEGINS = re.compile(rf"\\(?:boxed|fbox)\s*\{{|{_BARE}")
_BOX_TOKEN = re.compile(rf"{_BARE}|\\(?:boxed|fbox)\s*\{{|\\(?!\\?(?:boxed|fbox)\b).|[{{}}]", re.DOTALL)


def normalised(text: str) -> str:
    """A text without what only changes its look: NFKC, LaTeX spacing and all white space gone, lower case.

    Used to find the same problem in two sets. All white space goes, because sources differ in where they break lines
    and whether they write `$ x $` or `$x$`.
    """
    return "".join(_LATEX_SPACING.sub("", unicodedata.normalize("NFKC", text)).split()).lower()


@dataclass(frozen=True)
class Box:
    """A box of a text: its content, or None when it is never closed.

    Attributes:
        begin, end: where it stands in the text, command and closing brace included.
    """

    content: str | None
    begin: int = 0
    end: int = 0


def boxes(text: str) -> list[Box]:
    r"""Every `\boxed{...}` and `\fbox{...}` that is in no other complete one, in the order of their beginnings.

    `\boxed 17` is a box too where nothing stands behind the number. Braces are matched as TeX does: `\{` and `\}` are characters, not braces. One
    pass, linear in the length, from the first box on: a brace that was opened before it is closed after it, or never, and says nothing about it.
    """
    if not (first := _BOX_BEGINS.search(text)):
        return []
    spans: list[tuple[int, int, int | None]] = []  # where the command begins, the content begins and ends
    open_braces: list[int | None] = []  # the number of a box; None for a plain brace
    for token in _BOX_TOKEN.finditer(text, first.start()):
        if token["bare"]:
            spans.append((token.start(), token.start("bare"), token.end()))
        elif token[0] == "}":
            if open_braces and (number := open_braces.pop()) is not None:
                spans[number] = (*spans[number][:2], token.start())
        elif token[0] == "{":
            open_braces.append(None)
        elif token[0].endswith("{") and len(token[0]) > 2:
            open_braces.append(len(spans))
            spans.append((token.start(), token.end(), None))
    found: list[Box] = []
    for start, begin, end in spans:
        if end is None:
            found.append(Box(None, start, len(text)))
        elif not found or found[-1].content is None or start >= found[-1].end:
            found.append(Box(text[begin:end], start, end + (text[end : end + 1] == "}")))
    return found


def last_box(text: str) -> Box | None:
    """The box that begins last, or the complete one that it is in; None when there is none."""
    found = boxes(text)
    return found[-1] if found else None
