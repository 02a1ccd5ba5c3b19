"""Whole numbers in English words: `twenty-one` is 21."""

from __future__ import annotations

import re

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 10 * ten for ten, word in enumerate(_TENS, 2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
LONGEST = 120
"""Characters of the longest text that is read."""


def spelled_number(text: str) -> int | None:
    """The number that a text spells, and nothing else; None for any other text (`one or two`, `five six`, `a few`)."""
    if len(text) > LONGEST or not re.fullmatch(r"[A-Za-z]+(?:[ -]+[A-Za-z]+)*", text):
        return None
    total, scale_before = 0, 10**12
    group: list[str] = []
    for word in [*re.split(r"[ -]+", text.lower()), ""]:
        if word and word not in _SCALES:
            group.append(word)
            continue
        if not word and not group and total:
            break
        scale, value = _SCALES.get(word, 1), _below_thousand(group)
        if value is None or scale >= scale_before or (value == 0 and (total or scale > 1)):
            return None
        total, scale_before, group = total + value * scale, scale, []
    return total


def _below_thousand(words: list[str]) -> int | None:
    """`three hundred and twenty-one`; None for what is no number below a thousand."""
    hundreds = 0
    if "hundred" in words:
        place = words.index("hundred")
        digit = _VALUES.get(words[0]) if place == 1 else None
        if not digit or digit > 9:
            return None
        hundreds, words = 100 * digit, words[2:]
        if not words:
            return hundreds
        words = words[1:] if words[0] == "and" else words
    values = [_VALUES.get(word) for word in words]
    match values:
        case [int(one)] if one or not hundreds:
            return hundreds + one
        case [int(ten), int(one)] if ten >= 20 and 0 < one < 10:
            return hundreds + ten + one
    return None
