"""math-verify as others call it: its own reading of both texts, its own notion of equality. In the workers only.

Source: the README of github.com/huggingface/Math-Verify. No time limit of its own is set: it would be a signal, which ends
others' alarms and nothing that computes in C; the worker has its limits.
"""

from __future__ import annotations

from typing import Any

from verizero.reward.verdict import Status


def read(text: str, box_first: bool = False, fallback: str = "first_match") -> list[Any]:
    """What math-verify finds in a text: expressions and, with a fallback, the first one's text. LaTeX, then plain expressions.

    Args:
        box_first: `boxed_match_priority=0`, a box goes before any other LaTeX.
    """
    import math_verify

    latex = math_verify.LatexExtractionConfig(boxed_match_priority=0 if box_first else 50)
    return math_verify.parse(
        text, [latex, math_verify.ExprExtractionConfig()], fallback_mode=fallback, parsing_timeout=None
    )


def verdict_on(golds: list[Any], answers: list[Any]) -> tuple[Status, str]:
    """Whether math-verify finds any of two texts' readings equal."""
    import math_verify

    if not golds:
        return "unparsable_gold", "math-verify"
    if not answers:
        return "unparsable_answer", "math-verify"
    try:
        equal = math_verify.verify(golds, answers, timeout_seconds=None, raise_on_error=True)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        return "wrong", f"math-verify failed: {type(error).__name__}"
    return ("correct" if equal else "wrong"), "math-verify"
