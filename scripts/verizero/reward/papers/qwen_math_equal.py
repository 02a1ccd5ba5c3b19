r"""Qwen2.5-Math's evaluation, github.com/QwenLM/Qwen2.5-Math (`evaluation/grader.py`): papers B and C report with it.

Numbers are the same within 1e-4 of the larger, and a gold stands for its hundredth and its hundredfold too. Other answers
are compared as texts without brackets (so that `2(x+1)` is `2x+1`), by members, as equations, by algebra. Known to differ:
LaTeX is read by math-verify's reader, not by the older one in their repository. Unknown: in which order it tries its
readers, and what its 3 s of the clock are measured over: ours are of processor time, over all golds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from verizero.reward.papers.common import Outcome, decided, judged, refused
from verizero.reward.papers.formulas import read_formula
from verizero.reward.papers.qwen_answer import extracted, finished, stripped
from verizero.reward.verdict import Question, Status, Verdict

SECONDS = 3.0
RELATIVE_TOLERANCE = 1e-4
_MATRIX = re.compile(r"\\begin\{([pb]matrix)\}(.*)\\end\{\1\}", re.DOTALL)
_BRACKETED = re.compile(r"[(\[].+[)\]]", re.DOTALL)
_CHOICES = frozenset("ABCDE")
_CHOICE = re.compile(r"\b[A-E]\b")
_NO_BRACKETS = str.maketrans("", "", "{}()")
_MATRIX_PLACES = 3


def decide(golds: Sequence[str], response: str) -> Verdict | Question:
    """The extracted answer; equal texts and plain numbers need no algebra."""
    return refused(response, searched=True) or decided(golds, extracted(finished(response)), _by_text, stripped)


def judge(golds: list[str], answer: str) -> dict[str, Any]:
    """Everything that it compares, in its order."""
    return judged(golds, answer, _by_all, stripped)


def _by_text(gold: str, answer: str) -> Outcome | None:
    return same_text_or_number(stripped(gold), stripped(answer))


def _by_all(gold: str, answer: str) -> tuple[Status, str]:
    equal, rule = math_equal(stripped(gold), stripped(answer))
    return ("correct" if equal else "wrong"), rule


def same_text_or_number(gold: str, answer: str) -> Outcome | None:
    """Whether two answers are the same text, choice or number; None when they are other things."""
    if gold.strip().lower() == answer.strip().lower():
        return True, "text"
    if gold in _CHOICES and (letters := _CHOICE.findall(answer.upper())) and letters[-1] == gold:
        return True, "choice"
    numbers = number(gold), number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return any(close(numbers[0] * factor, numbers[1]) for factor in (0.01, 1, 100)), "number"
    return (False, "empty") if not answer else None


def math_equal(gold: str, answer: str) -> Outcome:
    """Whether two stripped answers are equal: as texts or numbers, without brackets, by members, as equations, by algebra."""
    if outcome := same_text_or_number(gold, answer):
        return outcome
    if _bare(gold, answer) == _bare(answer, gold):
        return True, "brackets"
    for members in (_members, _cells):
        golds, answers = members(gold), members(answer)
        if golds and answers and len(golds) == len(answers) and all(
            math_equal(*pair)[0] for pair in zip(golds, answers, strict=True)
        ):  # fmt: skip
            return True, "members"
    sides, answer_sides = gold.split("="), answer.split("=")
    if len(sides) == len(answer_sides) == 2:
        difference, other = (f"{left.strip()}-({right.strip()})" for left, right in (sides, answer_sides))
        if same_expression(difference, other) or same_expression(difference, f"-({other})"):
            return True, "equation"
    elif len(answer_sides) == 2 and len(answer_sides[0].strip()) <= 2 and len(sides) == 1:
        return math_equal(gold, answer_sides[1])
    elif len(sides) == 2 and len(sides[0].strip()) <= 2 and len(answer_sides) == 1:
        return math_equal(sides[1], answer)
    return same_expression(gold, answer), "symbolic"


def number(text: str) -> float | None:
    """A decimal number with its thousands' commas and a percent sign, of which the percent is taken; None for other texts."""
    text = text.replace(",", "").strip()
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%").removesuffix("\\"))
    except ValueError:
        return None
    return value / 100 if percent else value


def close(left: float, right: float) -> bool:
    """Whether two numbers differ by no more than 1e-4 of the larger; 0 is close to nothing else."""
    return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE)


def same_expression(gold: str, answer: str) -> bool:
    """Whether algebra finds two texts equal: as they are read, as numbers within the tolerance, as matrices to 3 places."""
    left, right = _expression(gold), _expression(answer)
    return any(
        _holds(rule, left, right) for rule in (_identical, _no_difference, _same_equation, _numeric, _same_matrix)
    )


def _bare(text: str, other: str) -> str:
    """Lower case without any braces or parentheses; without square brackets around it where the other has no parentheses."""
    if text[:1] == "[" and text[-1:] == "]" and other[:1] != "(":
        text = text.strip("[]")
    return text.translate(_NO_BRACKETS).lower()


def _members(text: str) -> list[str]:
    return [part.strip() for part in text[1:-1].split(",")] if _BRACKETED.fullmatch(text) else []


def _cells(text: str) -> list[str]:
    match = _MATRIX.fullmatch(text.strip())
    if not match:
        return []
    rows = [row.split("&") for row in match[2].strip().removesuffix("\\\\").split("\\\\")]
    return [str(len(rows)), *(cell.strip() for row in rows for cell in row)]


def _holds(rule: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    try:
        return bool(rule(left, right))
    except (MemoryError, RecursionError):
        raise
    except Exception:
        return False


def _expression(text: str) -> Any:
    """The sympy object of a text: read as LaTeX, else as a typed formula, else the text itself."""
    from latex2sympy2_extended import latex2sympy

    try:
        return latex2sympy(text, normalization_config=None)
    except (MemoryError, RecursionError):
        raise
    except Exception:
        found = read_formula(text)
        return text if found is None else found


def _identical(left: Any, right: Any) -> bool:
    return left == right or str(left) == str(right)


def _no_difference(left: Any, right: Any) -> bool:
    import sympy

    return left.equals(right) or sympy.simplify(left - right) == 0


def _same_equation(left: Any, right: Any) -> bool:
    return abs(left.lhs - left.rhs).equals(abs(right.lhs - right.rhs))


def _numeric(left: Any, right: Any) -> bool:
    import sympy

    return close(float(sympy.N(left)), float(sympy.N(right)))


def _same_matrix(left: Any, right: Any) -> bool:
    return left.shape == right.shape and left.evalf().applyfunc(_rounded).equals(right.evalf().applyfunc(_rounded))


def _rounded(value: Any) -> Any:
    return round(value, _MATRIX_PLACES)
