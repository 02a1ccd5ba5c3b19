"""A chain for a terminal: indentation is descent, digests are cut to their first digits."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from verizero.tracking.chain import Link

WIDTH = 140
SHORT = 12


def chain_text(top: Link, table: Path) -> str:
    """The chain, top first."""
    return "\n".join([str(table), *_lines(top, 1)])


def _lines(link: Link, depth: int) -> list[str]:
    indent = "  " * depth
    lines = [f"{indent}{link.title}"]
    if link.facts == {"described": "above"}:
        return [f"{indent}{link.title} (above)"]
    for name, value in link.facts.items():
        lines += _fact(name, value, indent + "  ")
    for below in link.below:
        lines += ["", *_lines(below, depth + 1)] if depth == 1 else _lines(below, depth + 1)
    return lines


def _fact(name: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, dict):
        return (
            [f"{indent}{name}:", *(f"{indent}  {key} = {_short(item)}" for key, item in value.items())]
            if value
            else [f"{indent}{name}: none"]
        )
    if isinstance(value, list):
        return [f"{indent}{name}:", *(f"{indent}  {_short(item)}" for item in value)]
    return textwrap.wrap(
        f"{indent}{name}: {_short(value)}",
        WIDTH,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) and "\n" in value else str(value)
    return re.sub(r"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b", lambda match: match[0][:SHORT] + "…", text)
