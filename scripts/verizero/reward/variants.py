r"""Plus-minus signs written out: `1,\frac{3\pm\sqrt{21}}{2}` stands for three answers."""

from __future__ import annotations

import re

_SIGN = re.compile(r"\\(pm|mp)(?![A-Za-z])")
_OPENING, _CLOSING = "([{", ")]}"


def items(text: str) -> list[str]:
    r"""The parts of a list: cut at the commas (and semicolons) outside brackets; `\{1,2\}` is one part."""
    found, depth, begin = [], 0, 0
    for place, character in enumerate(text):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth = max(depth - 1, 0)
        elif character in ",;" and depth == 0:
            found.append(text[begin:place])
            begin = place + 1
    return [part.strip() for part in (*found, text[begin:])]


def written_out(text: str) -> str:
    r"""A text with each part that has `\pm` or `\mp` given twice; signs of one part belong together.

    `(a \pm b, a \mp b)` is one part: it stands for `(a+b, a-b)` and `(a-b, a+b)`.
    """
    if not _SIGN.search(text):
        return text
    if text.startswith("\\{") and text.endswith("\\}"):
        return f"\\{{{written_out(text[2:-2])}\\}}"
    found = []
    for part in items(text):
        if _SIGN.search(part):
            found += [_with_sign(part, plus) for plus in (True, False)]
        else:
            found.append(part)
    return ", ".join(found)


def _with_sign(text: str, plus: bool) -> str:
    return _SIGN.sub(lambda match: "+" if (match[1] == "pm") == plus else "-", text)
