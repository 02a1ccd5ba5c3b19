"""Bounds on an answer's text, checked before any regular expression or algebra sees it. Every check is linear."""

from __future__ import annotations

import math
import re
from itertools import groupby

MAX_RESPONSE = 2_000_000
MAX_ANSWER = 4_000
MAX_DIGIT_RUN = 1_000
MAX_NESTING = 20
MAX_ITEMS = 100
"""Commas and semicolons; the longest gold of the benchmarks (OlympiadBench) has 47."""
MAX_TERMS = 200
MAX_POWERS = 3
"""Powers of powers: `^` inside `^` inside `^` is the most."""
MAX_SIZE = 50_000.0
"""Digits that evaluating the answer may produce, by a bound from above on what powers and factorials make."""

MAX_ANGLE = 500.0
"""The same where there is a sine: its value needs all digits of the angle, and as many of pi."""

_E_NOTATION = re.compile(r"\d[eE][+-]?(\d+)")
_TRIGONOMETRY = re.compile(r"(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
SMALL = math.log10(2)


def exceeded(answer: str) -> str | None:
    """Which limit an answer exceeds; None when it may be looked at."""
    if len(answer) > MAX_ANSWER:
        return "length"
    if max((sum(1 for _ in run) for digit, run in groupby(answer, str.isdecimal) if digit), default=0) > MAX_DIGIT_RUN:
        return "digits"
    depth = deepest = 0
    for character in answer:
        depth = max(depth + (character in "([{") - (character in ")]}"), 0)
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        return "nesting"
    if answer.count(",") + answer.count(";") > MAX_ITEMS:
        return "items"
    if answer.count("+") + answer.count("-") > MAX_TERMS:
        return "terms"
    if max((_written(power) for power in _E_NOTATION.findall(answer)), default=0.0) > MAX_SIZE:
        return "size"
    reader = _Sizes(answer)
    size = reader.sequence("")
    if reader.deepest_power > MAX_POWERS:
        return "powers"
    return "size" if size > (MAX_ANGLE if _TRIGONOMETRY.search(answer) else MAX_SIZE) else None


class _Sizes:
    """Reads an answer once and bounds how many digits its value can have.

    Sizes are decimal logarithms. A symbol counts as a small number; a product or sum has at most the sum of its parts'
    sizes, a power the base's times the exponent, a factorial n at most n times that of n. Powers of symbols count too:
    expanding them costs as much.
    """

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.power = self.deepest_power = 0

    def sequence(self, closing: str) -> float:
        """The size of everything up to a closing bracket."""
        total = item = 0.0
        value: float | None = None  # of the item, where it is a written number
        while self.place < len(self.text):
            character = self.text[self.place]
            if character in ")]}":
                self.place += 1
                break
            if self._at_power():
                item *= self._power()
                value = None
            elif character == "!":
                self.place += 1
                item, value = (value if value is not None else 10.0 ** min(item, 12.0)) * item, None
            elif character.isspace():
                self.place += 1
            else:
                total += item
                item, value = self._item()
        return min(total + item, 1e18)

    def _item(self) -> tuple[float, float | None]:
        character = self.text[self.place]
        if character in "([{":
            self.place += 1
            begin = self.place
            size = self.sequence(character)
            inner = self.text[begin : self.place - 1].strip()
            return size, _written(inner) if inner.isdecimal() else None
        if character.isdecimal():
            begin = self.place
            while self.place < len(self.text) and self.text[self.place].isdecimal():
                self.place += 1
            value = _written(self.text[begin : self.place])
            return max(math.log10(max(value, 1.0)), SMALL), value
        self.place += 1
        if character == "\\":
            begin = self.place
            while self.place < len(self.text) and self.text[self.place].isalpha():
                self.place += 1
            return (self._binomial() if self.text[begin : self.place].endswith("binom") else 0.0), None
        return (SMALL if character.isalpha() else 0.0), None

    def _binomial(self) -> float:
        """N over k has at most as many digits as 2 to the n: the value of the upper number counts."""
        size, value = self._item() if self.place < len(self.text) else (0.0, None)
        return (value if value is not None else 10.0 ** min(size, 12.0)) * SMALL

    def _at_power(self) -> bool:
        """Whether a `^`, or a `**` as programs write it, comes next."""
        return self.text.startswith(("^", "**"), self.place)

    def _power(self) -> float:
        """The value of the exponent behind a `^`, at least 1; towers are read from the right."""
        self.place += 1 if self.text[self.place] == "^" else 2
        self.power += 1
        self.deepest_power = max(self.deepest_power, self.power)
        if self.power > MAX_POWERS:
            self.place = len(self.text)
            return 1.0
        while self.place < len(self.text) and (self.text[self.place].isspace() or self.text[self.place] in "+-"):
            self.place += 1
        if self.place >= len(self.text) or self.text[self.place] in ")]}":
            self.power -= 1
            return 1.0
        size, value = self._item()
        if self._at_power():
            size, value = size * self._power(), None
        self.power -= 1
        return max(value if value is not None else 10.0 ** min(size, 12.0), 1.0)


def _written(digits: str) -> float:
    return float(digits[:300])
