r"""Plain numbers, exactly and without a computer algebra system: integers, decimals, fractions, percents, with or without a unit."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from verizero.reward.units import contradict, conversion, is_known, read_unit

RELATIVE_TOLERANCE = Fraction(1, 10**9)
"""Two numbers of which one is written as a decimal are equal within this share of the gold."""

MAX_LENGTH = 1_500
_MAX_EXPONENT = 400
_PARENTHESES = re.compile(r"\([^()]*\)")
_ARGUMENTS = re.compile(r"(?<=[A-Za-z}])\s*\([^()]*\)(?!\s*\^)")
_VARIABLE = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?(?:\([^()]*\))?|\\(?:text|mathrm)\{[^{}]*\}")
_UNKNOWN = re.compile(r"(?<![A-Za-z\\])[a-z](?![A-Za-z])")
_NAME = re.compile(r"\s*([A-Za-z])\s*=")
LONGEST_ARITHMETIC = 40
_ARITHMETIC = re.compile(r"[\d\s+\-*/()]*")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_LETTER = r"(?:[A-Za-z]|\\(?:alpha|beta|gamma|theta|lambda|phi|varphi|omega))"
_POLYNOMIAL = rf"(?:-|\d+\s*\*?)\s*{_LETTER}|{_LETTER}\s*\^\s*\{{?\d+\}}?|{_LETTER}\s*[+-]\s*\d+"
_UNSOLVED = re.compile(
    rf"\s*(?:(?:{_POLYNOMIAL})(?:\s*\^\s*\{{?\d+\}}?)?(?:\s*\([a-z]\))?(?:\s*[+-]\s*\d+)?"
    rf"|\\frac\s*\{{\s*{_LETTER}\s*\}}\s*\{{\s*\d+\s*\}}|\\sqrt\s*\{{?\s*{_LETTER}\s*\}}?)\s*=(?!.*=)"
)
_SEVERAL = re.compile(r"[,;]|(?<![A-Za-z])(?:or|and)(?![A-Za-z])")
_DIGITS = r"(?:\d{1,3}(?:(?:,|\s)\d{3})+|\d+)"
_NUMBER = re.compile(
    rf"([+-]?)\s*(?:({_DIGITS})(?:\.(\d*))?|\.(\d+))(?:\\overline\{{(\d+)\}})?(?:\s*(?:[eE]|(?:\\times|\\cdot|\*)\s*10\s*\^)\s*(?:\{{\s*([+-]?\d+)\s*\}}|([+-]?\d+)))?"
)
_FRACTION = re.compile(
    r"([+-]?)\s*\\frac\s*\{\s*([+-]?\d+)\s*\}\s*\{\s*([+-]?\d+)\s*\}|([+-]?)\s*(\d+)\s*/\s*(\d+)|\(?([+-]?\d+)\)?/\(?(\d+)\)?"
)
_MIXED = re.compile(r"([+-]?)\s*(\d+)\s*(?:\\frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|\s(\d+)\s*/\s*(\d+))")
_POWER_OF_TEN = re.compile(r"([+-]?)\s*10\s*\^\s*(?:\{\s*([+-]?\d+)\s*\}|([+-]?\d+))")
_RATIO = re.compile(r"\d+(?:\.\d+)?(?:\s*:\s*\d+(?:\.\d+)?)+")
_PERCENT = re.compile(r"\s*(?:\\?%|\\text\{\s*percent\s*\}|percent)$")


@dataclass(frozen=True)
class Number:
    """A written number: its exact value, whether it is written as a decimal, and what stands behind it."""

    value: Fraction
    decimal: bool = False
    percent: bool = False
    unit: str | None = None


def read_number(text: str, gold: bool = False) -> Number | None:
    r"""The number that a tidied answer is, or that it ends a chain of equations with (`x=5`, `C(5,2)=10`); else None.

    For a response, `a+b=12` says 12; of a gold, an equation between unknowns (`x^2+y^2=25`) asks for that equation.
    A chain with two different numbers (`5=6`) is none, nor is an equation to solve (`x^2-1=0`).
    """
    if len(text) > MAX_LENGTH:
        return None
    if "=" in text:
        parts = [part.strip() for part in text.split("=")]
        if len(parts) == 2 and _VARIABLE.fullmatch(parts[1]) and _read(parts[0]):
            parts.reverse()
        if gold and not _VARIABLE.fullmatch(parts[0]) and _UNKNOWN.search(_ARGUMENTS.sub("", parts[0])):
            return None
        before = _PARENTHESES.sub("", "=".join(parts[:-1]))
        if len(parts) > 4 or not all(parts) or _SEVERAL.search(before):
            return None
        found = _read(parts[-1])
        if found and found.value == 0 and not _VARIABLE.fullmatch(parts[0]):
            return None
        others = [_read(part) for part in parts[:-1]]
        return (
            found
            if found and None in others and all(other is None or equal(other, found) for other in others)
            else None
        )
    return _read(text)


def read_ratio(text: str) -> tuple[Fraction, ...] | None:
    """The parts of a ratio of plain numbers, `1:2:3`; else None."""
    if not _RATIO.fullmatch(text) or len(text) > MAX_LENGTH:
        return None
    return tuple(Fraction(part) for part in text.replace(" ", "").split(":"))


def proportional(gold: Sequence[Fraction], answer: Sequence[Fraction]) -> bool:
    """Whether two ratios are the same: 3:4 and 6:8 are, 3:4 and 4:3 are not."""
    return (
        len(gold) == len(answer)
        and all(
            gold[left] * answer[right] == gold[right] * answer[left]
            for left in range(len(gold))
            for right in range(left)
        )
        and [part == 0 for part in gold] == [part == 0 for part in answer]
    )


def equal(gold: Number, answer: Number, share: Fraction = RELATIVE_TOLERANCE) -> bool:
    """Whether two numbers are the same: exactly, or within a share of the gold when one is a decimal.

    A percent sign is optional: 40 % equals 40 and 0.4. A unit is optional, but two known units must be the same, or convert
    into each other: 7 km equals 7000 m.
    """
    if contradict(gold.unit, answer.unit):
        factor = conversion(gold.unit, answer.unit)
        return factor is not None and equal(
            Number(gold.value, gold.decimal), Number(answer.value * factor, answer.decimal), share
        )
    if any(one.percent and other.unit and is_known(other.unit) for one, other in ((gold, answer), (answer, gold))):
        return False
    tolerance = share if gold.decimal or answer.decimal else Fraction(0)
    pairs = {(gold.value, answer.value)}
    if gold.percent != answer.percent:
        pairs.add(
            (gold.value / 100 if gold.percent else gold.value, answer.value / 100 if answer.percent else answer.value)
        )
    return any(abs(left - right) <= tolerance * abs(left) for left, right in pairs)


def name(text: str) -> str | None:
    """The letter that an answer gives a value to: `x` of `x=5`; else None."""
    return match[1] if (match := _NAME.match(text)) else None


def contradictory(text: str) -> bool:
    """Whether a chain of equations has two different values, as `5=6` and `2+2=5` have."""
    found = {_arithmetic(part) for part in text.split("=")} - {None} if "=" in text else set()
    return len(found) > 1


def _arithmetic(text: str) -> Fraction | None:
    """The value of a short sum, product or power of whole numbers; None of anything else."""
    for sign, python in (("\\cdot", "*"), ("\\times", "*"), ("^", "**"), ("{", "("), ("}", ")")):
        text = text.replace(sign, python)
    if len(text) > LONGEST_ARITHMETIC or not _ARITHMETIC.fullmatch(text):
        return None
    try:
        return _evaluated(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError):
        return None


def _evaluated(node: ast.expr) -> Fraction | None:
    if isinstance(node, ast.Constant):
        return Fraction(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.UnaryOp):
        value = _evaluated(node.operand)
        return None if value is None else -value if isinstance(node.op, ast.USub) else value
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _evaluated(node.left), _evaluated(node.right)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Pow):
        small = right.denominator == 1 and 0 <= right <= 20 and abs(left.numerator) < 1000
        return Fraction(left**right.numerator) if small else None
    return _OPERATORS[type(node.op)](left, right) if type(node.op) in _OPERATORS else None


def unsolved(text: str) -> bool:
    r"""Whether an answer is an equation still to be solved for its one unknown: `2x=5`, `x^2=25`, `3x+2=5`.

    `a+b=12`, `f(2)=5`, `\sin x=1` name what was asked for.
    """
    return _UNSOLVED.match(text) is not None


def with_unit(gold: str, unit: str) -> str:
    r"""A tidied gold with the unit that its source keeps in another column (`$cm^2$`, `km/h`, `%`, `^{\circ}`).

    Only a plain number without a unit of its own: of anything else the column does not say which part it measures.
    """
    number = read_number(gold, gold=True)
    said = unit.strip().strip("$")
    measured = _read(f"1 {said}") or _read(f"1\\text{{ {said} }}")  # a bare `m` behind a number would be a factor
    if not number or number.unit or number.percent or not measured:
        return gold
    if measured.percent:
        return f"{gold}\\%"
    if measured.unit == "degree":
        return f"{gold}^\\circ"
    name, power, exponent = (measured.unit or "").partition("^")
    return f"{gold}\\text{{ {name}}}{power}{exponent}"


def _read(text: str) -> Number | None:
    text = text.strip()
    unit = None
    if match := _PERCENT.search(text):
        text = text[: match.start()]
    else:
        unit, text = read_unit(text)
    found = _bare(text.strip())
    return None if found is None else Number(found.value, found.decimal, match is not None, unit)


def _bare(text: str) -> Number | None:
    if match := _NUMBER.fullmatch(text):
        sign, whole, places, bare_places, repeating, braced, exponent = match.groups()
        if repeating and places is None:
            return None
        power = int(braced or exponent or 0)
        if abs(power) > _MAX_EXPONENT:
            return None
        places = places or bare_places or ""
        value = Fraction(int(re.sub(r"\D", "", whole or "") or 0)) + (
            Fraction(int(places), 10 ** len(places)) if places else 0
        )
        if repeating:
            value += Fraction(int(repeating), (10 ** len(repeating) - 1) * 10 ** len(places))
        value *= Fraction(10) ** power
        return Number(-value if sign == "-" else value, decimal=bool(places and not repeating) or power != 0)
    if match := _MIXED.fullmatch(text):
        top, bottom = int(match[3] or match[5]), int(match[4] or match[6])
        if bottom == 0:
            return None
        value = int(match[2]) + Fraction(top, bottom)
        return Number(-value if match[1] == "-" else value)
    if match := _POWER_OF_TEN.fullmatch(text):
        power = int(match[2] or match[3])
        if abs(power) > _MAX_EXPONENT:
            return None
        value = Fraction(10) ** power
        return Number(-value if match[1] == "-" else value)
    if match := _FRACTION.fullmatch(text):
        sign, over, under = next(
            groups for groups in (match.group(1, 2, 3), match.group(4, 5, 6), ("", match[7], match[8])) if groups[1]
        )
        if int(under) == 0:
            return None
        value = Fraction(int(over), int(under))
        return Number(-value if sign == "-" else value)
    return None
