r"""The worker's side of grading: equality by computer algebra (math-verify on sympy), in a process that may be killed.

Run as `python -m verizero.reward.symbolic MEMORY_BYTES CPU_SECONDS`: JSON questions come in a line each, JSON verdicts go out.
The kernel ends the process when one answer has used its processor time, even inside one long C computation; the parent
kills it at its own deadline and starts another.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from typing import Any

from verizero.reward.limits import exceeded
from verizero.reward.normalisation import compact, tidied
from verizero.reward.numbers import RELATIVE_TOLERANCE, contradict, read_unit

_BASE = re.compile(r"\d\s*_\s*\{?\s*(\d+)\s*\}?")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])")
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)")
_ANGLE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z]))")
_NATURAL_LOGARITHM = re.compile(r"\\log(?!\s*_)(?![A-Za-z])")
_REPEATING = re.compile(r"(\d+)\.(\d*)\\overline\{(\d+)\}")
POINTS = (0.7390851332, 1.9021605831)
"""Where expressions are compared: inside the domain of most roots and logarithms, at no round value."""

_COLLECTION = re.compile(r"\\(?:cup|pm|mp|begin|\{|le|ge|leq|geq|ne|neq)(?![A-Za-z])|[<>]")
_SEVERAL = re.compile(r"(?:\\text\s*\{\s*)?\b(?:or|and)\b(?:\s*\})?")


def judge(golds: list[str], answer: str) -> dict[str, Any]:
    """Whether an answer (tidied) equals one of the golds: `correct`, `status`, `normalised` and `rule` of the verdict."""
    outcome = {"correct": False, "status": "wrong", "normalised": answer, "rule": "algebra"}
    failed = 0
    for gold in golds:
        result = _judge_one(tidied(gold), answer)
        if result["correct"]:
            return result
        failed += result["status"] == "unparsable_gold"
        outcome = result
    return outcome if failed in (0, len(golds)) else {**outcome, "status": "wrong", "rule": "algebra"}


def _judge_one(gold: str, answer: str) -> dict[str, Any]:
    gold_unit, gold_text = read_unit(gold)
    unit, text = read_unit(answer)
    says = {"normalised": text, "correct": False}
    if exceeded(gold):
        return {**says, "status": "unparsable_gold", "rule": "gold-limit"}
    if contradict(gold_unit, unit):
        return {**says, "status": "wrong", "rule": "unit"}
    if _BASE.search(gold_text) and _bases(gold_text) != _bases(text):
        return {**says, "status": "wrong", "rule": "base"}
    if "degree" in (gold_unit, unit) and gold_unit != unit and "\\pi" in gold_text + text:
        gold_text, text = (
            f"\\frac{{({part}) \\pi}}{{180}}" if of == "degree" else part
            for part, of in ((gold_text, gold_unit), (text, unit))
        )
    if "\\ln" in gold_text + text:
        gold_text, text = (_NATURAL_LOGARITHM.sub(r"\\ln", part) for part in (gold_text, text))
    gold_forms, forms = _parsed(gold_text), _parsed(text)
    if not _expressions(gold_forms):
        return {**says, "status": "unparsable_gold", "rule": "text"}
    if not _expressions(forms):
        return {**says, "status": "unparsable_answer", "rule": "text"}
    if _several(text) and "," not in gold_text and not _several(gold_text) and not _COLLECTION.search(gold_text):
        return {**says, "status": "wrong", "rule": "several-answers"}
    rule = "algebra"
    for gold_form in _expressions(gold_forms):
        for form in _expressions(forms):
            try:
                equal, rule = _equal(gold_form, form)
            except (MemoryError, RecursionError):
                raise
            except Exception as error:
                equal, rule = False, f"algebra failed: {type(error).__name__}"
            if equal:
                return {**says, "correct": True, "status": "correct", "rule": rule}
    return {**says, "status": "wrong", "rule": rule}


def _equal(gold: Any, answer: Any) -> tuple[bool, str]:
    """Whether two expressions are the same, and by what: as numbers, at points (only to tell them apart), by math-verify."""
    import math_verify

    if (close := _same_number(gold, answer)) is not None:
        return close, "value"
    if _differ_somewhere(gold, answer):
        return False, "points"
    found = math_verify.verify(
        [gold],
        [answer],
        float_rounding=12,
        numeric_precision=30,
        strict=True,
        allow_set_relation_comp=True,
        timeout_seconds=None,
        raise_on_error=True,
    )
    return found and _close_throughout(gold, answer), "algebra"


def _differ_somewhere(gold: Any, answer: Any) -> bool:
    """Whether two expressions in symbols have clearly different values at some point: cheap, where a proof may take minutes."""
    import sympy

    if not (isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr)) or (gold - answer).has(
        sympy.core.function.AppliedUndef, sympy.Derivative, sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit
    ):
        return False
    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    if len({symbol.name for symbol in symbols}) < len(symbols):
        return False
    for point in POINTS:
        values = {symbol: point + sympy.Rational(number, 7) for number, symbol in enumerate(symbols)}
        left, right = gold.evalf(20, subs=values), answer.evalf(20, subs=values)
        if (
            not (left.is_Number or left.is_number)
            or not right.is_number
            or left.has(sympy.nan, sympy.zoo, sympy.oo)
            or right.has(sympy.nan, sympy.zoo, sympy.oo)
        ):
            continue
        if abs(left - right) > 1e-6 * (abs(left) + abs(right) + sympy.Float("1e-9")):
            return True
    return False


def _parsed(text: str) -> list[Any]:
    """math-verify's readings of an answer: expressions, and the text as a string."""
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    text = _REPEATING.sub(_fraction_of, text)
    text = _ANGLE.sub(r"\\frac{\1 \\pi}{180}", text) if _TRIGONOMETRY.search(text) else _DEGREES.sub("", text)
    normal = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all", equations=False
    )
    latex = math_verify.LatexExtractionConfig(boxed_match_priority=0, normalization_config=normal)
    return math_verify.parse(
        f"\\boxed{{{text}}}", [latex], extraction_mode="first_match", parsing_timeout=None, raise_on_error=False
    )


def _expressions(forms: list[Any]) -> list[Any]:
    """The readings that are no strings; `i` alone among symbols is the imaginary unit, a matrix of one row or column a tuple."""
    import sympy

    found = []
    for form in forms:
        if isinstance(form, str):
            continue
        if isinstance(form, sympy.Expr) and {symbol.name for symbol in form.free_symbols} == {"i"}:
            form = form.subs(dict.fromkeys(form.free_symbols, sympy.I))
        if isinstance(form, sympy.MatrixBase) and 1 in form.shape:
            form = sympy.Tuple(*form)
        found.append(form)
    return found


def _fraction_of(match: re.Match[str]) -> str:
    whole, places, again = match.groups()
    bottom = (10 ** len(again) - 1) * 10 ** len(places)
    top = int(whole + places + again) - int(whole + places)
    return f"\\frac{{{top}}}{{{bottom}}}"


def _same_number(gold: Any, answer: Any) -> bool | None:
    """Whether two scalar numbers are equal, within the relative tolerance when one holds a decimal; None for other things."""
    import sympy

    if not (isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr) and gold.is_number and answer.is_number):
        return None
    if gold.is_Rational and answer.is_Rational:
        return bool(gold == answer)
    left, right = gold.evalf(30), answer.evalf(30)
    if not (left.is_number and right.is_number) or left.has(sympy.nan, sympy.zoo) or right.has(sympy.nan, sympy.zoo):
        return None
    if left.has(sympy.oo) or right.has(sympy.oo):
        return bool(gold == answer)
    tolerance = float(RELATIVE_TOLERANCE) if gold.has(sympy.Float) or answer.has(sympy.Float) else 1e-20
    distance = abs(left - right)
    if left == 0 or right == 0:  # a relative tolerance says nothing about 0
        return bool(sympy.simplify(gold - answer) == 0) if tolerance < 1e-9 else bool(left == right)
    return bool(distance <= tolerance * abs(left))


def _close_throughout(gold: Any, answer: Any) -> bool:
    """Whether the numbers inside two equal-looking collections are close too: math-verify rounds absolutely, which loses small ones."""
    import sympy

    pair = []
    for form in (gold, answer):
        if isinstance(form, sympy.Tuple | sympy.FiniteSet | sympy.MatrixBase):
            pair.append(list(form))
    if len(pair) != 2 or len(pair[0]) != len(pair[1]):
        return True
    if isinstance(gold, sympy.FiniteSet) or isinstance(answer, sympy.FiniteSet):
        return all(any(_same_number(left, right) is not False for right in pair[1]) for left in pair[0])
    return all(_same_number(left, right) is not False for left, right in zip(*pair, strict=True))


def _bases(text: str) -> list[str]:
    return _BASE.findall(text)


def _several(text: str) -> bool:
    return bool(_SEVERAL.search(text)) or "," in re.sub(
        r"[(\[].*[)\]]|\\\{.*\\\}", "", compact(re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text))
    )


def answered(line: str) -> dict[str, Any]:
    """The verdict on one line's question; whatever algebra trips over is a verdict too."""
    question = json.loads(line)
    try:
        return judge(question["golds"], question["answer"])
    except (MemoryError, RecursionError) as error:
        return {"correct": False, "status": "limit", "normalised": None, "rule": type(error).__name__}
    except Exception as error:
        return {"correct": False, "status": "error", "normalised": None, "rule": f"algebra: {type(error).__name__}"}


def main() -> None:
    """Answer questions until standard input ends."""
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints must not look like a verdict
    import math_verify  # noqa: F401 (the slow import comes before the clock starts)

    judge(["x+1"], "1+x")  # the parser's tables are built at the first use
    print("ready", file=out)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        verdict = answered(line)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(verdict), file=out)


if __name__ == "__main__":
    main()
