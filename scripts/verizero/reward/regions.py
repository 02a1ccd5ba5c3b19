r"""Sets of real numbers: `(-\infty,1)\cup(2,\infty)` and `x<1 \text{ or } x>2` are the same, however they are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from verizero.reward.variants import items

_OR = re.compile(r"\\text\s*\{\s*or\s*\}|\\(?:lor|vee|cup)(?![A-Za-z])|(?<![A-Za-z\\])or(?![A-Za-z])")
_AND = re.compile(
    r"\\text\s*\{\s*(?:and|where|with)\s*\}|\\(?:land|wedge|cap)(?![A-Za-z])|(?<![A-Za-z\\])and(?![A-Za-z])|[,;]"
)
_RELATION = re.compile(r"\\(?:leq|geq|leqslant|geqslant|neq|le|ge|ne|lt|gt)(?![A-Za-z])|[<>]")
_INTERVAL = re.compile(r"(\(|\[|\])\s*([^,;()\[\]]+)\s*[,;]\s*([^,;()\[\]]+)\s*(\)|\]|\[)")
_MEMBER = re.compile(r"[A-Za-z]\s*\\in(?![A-Za-z])")
_SET_BUILDER = re.compile(
    r"\\\{\s*([A-Za-z])\s*(?:\\in\s*(?:\\mathbb\s*\{?\s*R\s*\}?|\\R(?![A-Za-z])|\\Reals)\s*)?(?:\\mid(?![A-Za-z])|\\middle\s*\||\\vert(?![A-Za-z])|\||:)(.+)\\\}"
)
_VARIABLE = re.compile(r"\\?[A-Za-z]+")
_LINEAR = re.compile(rf"(-?\d*)\s*({_VARIABLE.pattern})")
_POINTS = re.compile(r"\\\{(.+)\\\}")
_POINT = re.compile(r"([A-Za-z])\s*=\s*([^=]+)")
_SYMBOLS = {"\\leq": "<=", "\\le": "<=", "\\leqslant": "<=", "\\lt": "<", "<": "<", "\\geq": ">=", "\\ge": ">=", "\\geqslant": ">=",
            "\\gt": ">", ">": ">", "\\neq": "!=", "\\ne": "!="}  # fmt: skip

Read = Callable[[str], Any]
"""An endpoint's text -> its sympy value; None where it is no number."""


def certain(text: str) -> bool:
    """Whether a text can be nothing but a set of real numbers; `(1,2)` may be a point."""
    match = _INTERVAL.fullmatch(text)
    half_open = match is not None and (match[1], match[4]) not in (("(", ")"), ("[", "]"))
    return half_open or bool(_RELATION.search(text) or re.search(r"\\(?:cup|infty)(?![A-Za-z])", text))


def condition(text: str) -> str:
    r"""The condition of a set of real numbers, `\{x \mid x \le 3\}` -> `x \le 3`; any other text as it is.

    Only a relation of the very variable: `\{n \mid n \in \mathbb{Z}\}` has other members.
    """
    match = _SET_BUILDER.fullmatch(text.strip())
    if (
        match
        and _RELATION.search(match[2])
        and set(_VARIABLE.findall(_RELATION.sub(" ", match[2])))
        <= {
            match[1],
            "or",
            "and",
            "\\text",
            "\\infty",
            "\\pi",
            "\\sqrt",
            "\\frac",
        }
    ):
        return match[2].strip()
    return text


def ascending(text: str) -> str:
    r"""A chain of inequalities with its smaller side on the left: `c > b \ge a` becomes `a <= b < c`."""
    signs, terms = [_SYMBOLS[sign] for sign in _RELATION.findall(text)], _RELATION.split(text)
    if signs and all(sign in (">", ">=") for sign in signs):
        signs, terms = [sign.replace(">", "<") for sign in reversed(signs)], list(reversed(terms))
    return "".join(f"{term}{sign}" for term, sign in zip(terms, [*signs, ""], strict=True))


def same(gold: Any, answer: Any, equal: Callable[[Any, Any], bool]) -> bool:
    """Whether two sets have the same pieces, their ends compared by `equal`."""
    ours, theirs = _pieces(gold), _pieces(answer)
    return (
        ours is not None
        and theirs is not None
        and len(ours) == len(theirs)
        and all(
            left[2:] == right[2:] and equal(left[0], right[0]) and equal(left[1], right[1])
            for left, right in zip(ours, theirs, strict=True)
        )
    )


def _pieces(found: Any) -> list[tuple[Any, Any, bool, bool]] | None:
    import sympy

    pieces = []
    for part in found.args if isinstance(found, sympy.Union) else [found]:
        if isinstance(part, sympy.Interval):
            pieces.append((part.start, part.end, bool(part.left_open), bool(part.right_open)))
        elif isinstance(part, sympy.FiniteSet):
            pieces += [(point, point, False, False) for point in part]
        elif part == sympy.S.Reals:
            pieces.append((-sympy.oo, sympy.oo, True, True))
        elif part != sympy.S.EmptySet:
            return None
    return sorted(pieces, key=lambda piece: (float(piece[0]), float(piece[1])))


def region(text: str, read: Read) -> Any | None:
    """The set that a text describes, or None where it describes none in one variable."""
    text = _MEMBER.sub("", text).strip()
    parts = [_piece(part.strip(), read) for part in _OR.split(text)]
    if any(part is None for part in parts) or len({name for _, name in filter(None, parts) if name}) > 1:
        return None
    import sympy

    return sympy.Union(*(part[0] for part in filter(None, parts)))


def _piece(text: str, read: Read) -> tuple[Any, str | None] | None:
    import sympy

    if match := _INTERVAL.fullmatch(text):
        low, high = read(match[2]), read(match[3])
        if low is None or high is None or not (low.is_extended_real and high.is_extended_real) or not low < high:
            return None
        return sympy.Interval(low, high, match[1] in "(]", match[4] in ")["), None
    if match := _POINTS.fullmatch(text):
        points = [read(item) for item in items(match[1])]
        return None if None in points else (sympy.FiniteSet(*points), None)
    if (match := _POINT.fullmatch(text)) and (value := read(match[2])) is not None:
        return sympy.FiniteSet(value), match[1]
    found: Any = sympy.S.Reals
    names = set()
    for part in _AND.split(text):
        chain = _chain(part.strip(), read)
        if chain is None:
            return None
        found = found.intersect(chain[0])
        names.add(chain[1])
    return (found, names.pop()) if len(names) == 1 else None


def _chain(text: str, read: Read) -> tuple[Any, str] | None:
    r"""`1 < x \le 3`, `x \ne 2`, `-2x > 6`: the set, and the variable's name."""
    import sympy

    signs = [_SYMBOLS[sign] for sign in _RELATION.findall(text)]
    terms = [term.strip() for term in _RELATION.split(text)]
    linear = [_LINEAR.fullmatch(term) for term in terms]
    places = [place for place, term in enumerate(terms) if linear[place] and read(term) is None]
    if not signs or len(signs) > 2 or len(places) != 1 or (len(signs) == 2 and places != [1]):
        return None
    found: Any = sympy.S.Reals
    sign_and_digits, name = linear[places[0]].groups()  # type: ignore[union-attr]
    factor = sympy.Integer(f"{sign_and_digits}1" if sign_and_digits in ("", "-") else sign_and_digits)
    if factor == 0:
        return None
    for place, sign in enumerate(signs):
        left, right = terms[place], terms[place + 1]
        value = read(right if place == places[0] else left)
        if value is None or not value.is_extended_real:
            return None
        turned = (place + 1 == places[0]) != (factor < 0)
        below = sign.replace("<", "~").replace(">", "<").replace("~", ">") if turned else sign
        found = found.intersect(_half(below, value / factor))
    return found, name


def _half(sign: str, value: Any) -> Any:
    """Where `x sign value` holds."""
    import sympy

    infinity = sympy.oo
    match sign:
        case "<" | "<=":
            return sympy.Interval(-infinity, value, True, sign == "<")
        case ">" | ">=":
            return sympy.Interval(value, infinity, sign == ">", True)
        case _:
            return sympy.Complement(sympy.S.Reals, sympy.FiniteSet(value))
