r"""Equality by computer algebra (math-verify on sympy): what the quick rules leave open. Runs in the workers only."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from verizero.reward.limits import exceeded
from verizero.reward.normalisation import compact, tidied
from verizero.reward.numbers import RELATIVE_TOLERANCE, read_number
from verizero.reward.prediction import read_in_two_stages
from verizero.reward.regions import ascending, certain, condition, region, same
from verizero.reward.units import contradict, read_unit
from verizero.reward.variants import items, written_out

_BASE = re.compile(r"\d\s*_\s*\{?\s*(\d+)\s*\}?")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])")
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)")
_ANGLE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z]))")
_NATURAL_LOGARITHM = re.compile(r"\\log(?!\s*_)(?![A-Za-z])")
_REPEATING = re.compile(r"(\d+)\.(\d*)\\overline\{(\d+)\}")
POINTS = (0.7390851332, 1.9021605831)
"""Where expressions are compared: inside the domain of most roots and logarithms, at no round value."""

_INDEXED_E = re.compile(r"(?<![A-Za-z\\])E(?=\s*_)")  # the parser knows E as Euler's number only
_E_NOTATION = re.compile(r"(?<![A-Za-z\d.\\])(\d+(?:\.\d+)?)[eE]([+-]?\d+)(?![\dA-Za-z.])")
_PRIME = re.compile(r"(?<=[A-Za-z}'])'")
_NAMED = re.compile(r"([A-Za-z])'*(?:_(?:\w|\\[a-z]+|\{[^{}]*\}))?(?:\([a-z]\))?\s*=(?=[^=<>]+$)")
_VALUES = re.compile(r"\s*([A-Za-z])\s*=\s*([^=<>]+?)\s*")
_CONSTANT = re.compile(r"([+-]\s*)[A-Z]$")
_FUNCTION = re.compile(r"([A-Za-z])\s*\(([a-z])\)\s*=")
_COLLECTION = re.compile(r"\\(?:cup|pm|mp|begin|\{|le|ge|leq|geq|ne|neq)(?![A-Za-z])|[<>]")
_NO_SYMBOLS = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]{3,}")
_LETTER = re.compile(r"[A-Za-z]")
_SEVERAL = re.compile(r"(?:\\text\s*\{\s*)?\b(?:or|and)\b(?:\s*\})?")


_tidied_gold = lru_cache(maxsize=4096)(tidied)


def judge(golds: list[str], answer: str, tolerance: float | None = None) -> dict[str, Any]:
    """Whether an answer (tidied) equals one of the golds: `correct`, `status`, `normalised` and `rule` of the verdict."""
    outcome = {"correct": False, "status": "wrong", "normalised": answer, "rule": "algebra"}
    failed = 0
    for gold in golds:
        result = _judge_one(_tidied_gold(gold), answer, tolerance)
        if result["correct"]:
            return result
        failed += result["status"] == "unparsable_gold"
        outcome = result
    return outcome if failed in (0, len(golds)) else {**outcome, "status": "wrong", "rule": "algebra"}


def _judge_one(gold: str, answer: str, tolerance: float | None) -> dict[str, Any]:
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
    if tolerance is not None and (rounded := read_number(gold_text)) and rounded.decimal:
        value = _value(text)
        if value is not None and _within(rounded.value, value, tolerance):
            return {**says, "correct": True, "status": "correct", "rule": "tolerance"}
    gold_text, text = condition(gold_text), condition(text)
    gold_text, text = _renamed(gold_text, text)
    ours, theirs = _NAMED.match(gold_text), _NAMED.match(text)
    if ours and "_" in ours[0] and (theirs is None or theirs[1] == ours[1]):
        gold_text = gold_text[ours.end() :]
    if "=" not in gold_text:
        text = text[theirs.end() :] if theirs else _in_order_of_names(text, gold_text)
    if (constant := _CONSTANT.search(gold_text)) and constant[0].endswith(("C", "K")):
        text = _CONSTANT.sub(rf"\1{constant[0][-1]}", text)
    if len(_PRIME.findall(gold_text)) != len(_PRIME.findall(text)):
        return {**says, "status": "wrong", "rule": "prime"}
    if _other_capitals(gold_text, text):
        return {**says, "status": "wrong", "rule": "symbols"}
    if _one_tuple(gold_text) and text.startswith("\\{") and _members(text):
        return {**says, "status": "wrong", "rule": "order"}
    if _one_tuple(text) and not _one_tuple(gold_text) and (inner := _members(gold_text)):
        gold_text = f"({inner})"
    if certain(gold_text) or certain(text):
        if compact(ascending(gold_text)) == compact(ascending(text)):
            return {**says, "correct": True, "status": "correct", "rule": "chain"}
        gold_region, answer_region = region(gold_text, _value), region(text, _value)
        if gold_region is not None and answer_region is not None:
            equal = same(gold_region, answer_region, _same_end)
            return {**says, "correct": equal, "status": "correct" if equal else "wrong", "rule": "region"}
    gold_text, text = written_out(gold_text), written_out(text)
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
    import sympy

    if (close := _same_number(gold, answer)) is not None:
        return close, "value"
    if isinstance(gold, sympy.Tuple) and isinstance(answer, sympy.Tuple):
        return len(gold) == len(answer) and all(
            _equal(left, right)[0] for left, right in zip(gold, answer, strict=True)
        ), "parts"
    if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase):
        return gold.shape == answer.shape and all(
            _equal(left, right)[0] for left, right in zip(gold, answer, strict=True)
        ), "parts"
    intervals = [form for form in (gold, answer) if isinstance(form, sympy.Interval)]
    if len(intervals) == 2 and all(end.is_number for form in intervals for end in (form.start, form.end)):
        return same(gold, answer, _same_end), "region"
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


@lru_cache(maxsize=4096)
def _parsed(text: str) -> list[Any]:
    """math-verify's readings of an answer: expressions, and the text as a string. Remembered: a gold is asked about often."""
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    read_in_two_stages()
    text = _E_NOTATION.sub(r"\1\\times 10^{\2}", text)
    text = text if "," in text else text.replace(";", ",")
    text = _INDEXED_E.sub(r"\\Xi ", _REPEATING.sub(_fraction_of, text))
    text = _ANGLE.sub(r"\\frac{\1 \\pi}{180}", text) if _TRIGONOMETRY.search(text) else _DEGREES.sub("", text)
    normal = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all", equations=False
    )
    latex = math_verify.LatexExtractionConfig(boxed_match_priority=0, normalization_config=normal)
    return math_verify.parse(
        f"\\boxed{{{text}}}", [latex], extraction_mode="first_match", parsing_timeout=None, raise_on_error=False
    )


def _expressions(forms: list[Any]) -> list[Any]:
    """The readings that are no strings; `i` is the imaginary unit but in a sum, a matrix of one row or column a tuple."""
    import sympy

    found = []
    for form in forms:
        if isinstance(form, str):
            continue
        if isinstance(form, sympy.Expr) and not form.has(sympy.Sum, sympy.Product):
            form = form.subs({symbol: sympy.I for symbol in form.free_symbols if symbol.name == "i"})
        if isinstance(form, sympy.MatrixExpr):
            form = form.doit()
            form = sympy.Matrix(form) if isinstance(form, sympy.MatrixBase) else form
        if isinstance(form, sympy.MatrixBase) and 1 in form.shape:
            form = sympy.Tuple(*form)
        found.append(form)
    return found


def _value(text: str) -> Any | None:
    """The number that a text says, without floats where it is a plain one; None where it is none."""
    import sympy

    if number := read_number(text):
        return sympy.Rational(number.value.numerator, number.value.denominator)
    for form in _expressions(_parsed(text)):
        if isinstance(form, sympy.Expr) and not form.free_symbols and form.is_number:
            return form
    return None


def _within(gold: Fraction, answer: Any, tolerance: float) -> bool:
    """Whether a real number is within a share of the gold."""
    value = answer.evalf(20)
    return bool(value.is_real) and abs(float(value) - float(gold)) <= tolerance * abs(float(gold))


def _renamed(gold: str, answer: str) -> tuple[str, str]:
    """`f(t)=2t` in the letter of a gold `f(x)=2x`: the bound variable's name means nothing."""
    theirs, ours = _FUNCTION.match(answer), _FUNCTION.match(gold)
    if not theirs or not ours or theirs[1] != ours[1] or theirs[2] == ours[2] or ours[2] in answer[theirs.end() :]:
        return gold, answer
    return gold, re.sub(rf"(?<![A-Za-z\\]){theirs[2]}(?![A-Za-z])", ours[2], answer)


def _in_order_of_names(answer: str, gold: str) -> str:
    """`a=-2, b=-2` as the tuple of the values by their names; other answers as they are."""
    found = [_VALUES.fullmatch(item) for item in items(answer)]
    named = {match[1]: match[2] for match in found if match}
    if len(found) < 2 or len(named) < len(found) or len(items(gold.strip("()"))) != len(found):
        return answer
    values = ", ".join(named[name] for name in sorted(named))
    return f"({values})" if gold.startswith("(") else values


def _other_capitals(gold: str, answer: str) -> bool:
    """Whether a symbol of the gold stands in the answer with the other case only; a constant's letter is free."""
    ours, theirs = (set(_LETTER.findall(_NO_SYMBOLS.sub(" ", text))) - {"c", "C"} for text in (gold, answer))
    return any(letter.swapcase() in ours - theirs for letter in theirs - ours)


def _one_tuple(text: str) -> bool:
    return text.startswith("(") and text.endswith(")") and len(items(text)) == 1 and len(items(text[1:-1])) > 1


def _members(text: str) -> str | None:
    """What a set or a list has, where it has several and no sign that stands for more."""
    inner = text[2:-2] if text.startswith("\\{") and text.endswith("\\}") else text
    several = len(items(inner)) > 1 and not _COLLECTION.search(inner) and all(map(_plain, items(inner)))
    return inner if several else None


def _plain(item: str) -> bool:
    return bool(item) and item[0] not in "([{" and "=" not in item


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
    if not gold.has(sympy.Float) and not answer.has(sympy.Float):
        gold, answer = gold.doit(), answer.doit()
    if gold.is_Rational and answer.is_Rational:
        return bool(gold == answer)
    if gold.is_infinite or answer.is_infinite:
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


def _same_end(gold: Any, answer: Any) -> bool:
    """Whether two ends of intervals are numbers, and equal."""
    return _same_number(gold, answer) is True


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
