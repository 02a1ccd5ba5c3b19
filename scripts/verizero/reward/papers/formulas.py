"""Formulas typed in one line, read by sympy: its reader evaluates Python, so what may be a program is not read."""

from __future__ import annotations

import builtins
import re
from typing import Any

_SIGNS = re.compile(r"[\w\s+\-*/^().,!<>=|±]*")
_WORD = re.compile(r"[^\W\d]+")
_ATTRIBUTE = re.compile(r"\.\s*[^\W\d]|[^\W\d]\s*\.")
_FUNCTIONS = frozenset(
    ("sqrt", "pi", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "abs", "Abs", "asin", "acos", "atan", "inf")
)  # fmt: skip


def read_formula(text: str) -> Any | None:
    """The sympy expression of a formula in which `2x` is a product; None when it cannot, or must not, be read."""
    from sympy.parsing.sympy_parser import (
        implicit_multiplication_application,
        parse_expr,
        standard_transformations,
    )

    if not _harmless(text):
        return None
    try:
        return parse_expr(
            text.replace("^", "**"), transformations=(*standard_transformations, implicit_multiplication_application)
        )
    except (MemoryError, RecursionError):
        raise
    except Exception:
        return None


def _harmless(text: str) -> bool:
    """Whether a text holds numbers, signs, one- and two-letter names and mathematical functions, and calls nothing else."""
    if not _SIGNS.fullmatch(text) or "_" in text or _ATTRIBUTE.search(text):
        return False
    return all(
        name in _FUNCTIONS or (len(set(name)) <= 2 and not hasattr(builtins, name)) for name in _WORD.findall(text)
    )
