"""Whether a response writes a program."""

from __future__ import annotations

import re

_FENCE = re.compile(
    r"^\s*(?:```|~~~)\s*(?:python|py|sympy|c\+\+|java|javascript)?[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_LINE = re.compile(
    r"^[ \t]*(?:import [\w.]+(?: as \w+)?|from [\w.]+ import .+|def \w+\(.*\).*:|print\(.*\)"
    r"|(?:for|while|if|elif) .+:|return [^.]*|[A-Za-z_]\w* = [\w.]+\(.*\))[ \t]*(?:#.*)?$",
    re.MULTILINE,
)
ENOUGH = 2


def uses_code(text: str) -> bool:
    """A fenced block of a programming language (or of none), or two lines that read as Python."""
    return bool(_FENCE.search(text)) or len(_LINE.findall(text)) >= ENOUGH
