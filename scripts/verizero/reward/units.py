r"""Units behind a value: which one it is, when two contradict each other, and when they convert."""

from __future__ import annotations

import re
from fractions import Fraction

from verizero.reward.normalisation import compact

_DEGREES = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\s*\}?|\\degree|degrees?|\\text\{\s*degrees?\s*\})$")
_TRIGONOMETRY = re.compile(r"(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_TEXT_UNIT = re.compile(
    r"\s*\\(?:text|mathrm|mbox|textrm|textbf|rm)\s*\{\s*([^{}\d\\^]*)(?:\}\s*(\^\s*(?:\{\s*-?\d\s*\}|\d))?|(\^\s*\d)\s*\})$"
)
_WORD_UNIT = re.compile(r"\s+([A-Za-z]{2,}(?:[ /][A-Za-z]+){0,3}|[A-Za-z]{2,}\s*\^\s*(?:\{\s*\d\s*\}|\d))$")
_FUNCTIONS = {
    "pi",
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "log",
    "ln",
    "exp",
    "sqrt",
    "frac",
    "mod",
    "inf",
    "infinity",
    "oo",
}
_SCALES = {
    "hundred",
    "thousand",
    "million",
    "billion",
    "trillion",
    "dozen",
    "score",
    "half",
    "third",
    "quarter",
    "percent",
}
_OPERATIONS = {"squared", "cubed", "factorial", "plus", "minus", "doubled", "halved", "divided"}
_NO_UNIT = _FUNCTIONS | _SCALES | _OPERATIONS | {"or", "and", "base"}
_UNITS = {
    spelling: name
    for name, spellings in {
        "m": "m meter metre",
        "cm": "cm centimeter centimetre",
        "mm": "mm millimeter millimetre",
        "km": "km kilometer kilometre",
        "ft": "ft foot feet",
        "in": "in inch inche",
        "yd": "yd yard",
        "mi": "mi mile",
        "g": "g gram",
        "kg": "kg kilogram",
        "mg": "mg milligram",
        "lb": "lb pound",
        "oz": "oz ounce",
        "l": "l liter litre",
        "ml": "ml milliliter millilitre",
        "h": "h hr hour",
        "min": "min minute",
        "s": "s sec second",
        "day": "day",
        "week": "week",
        "month": "month",
        "year": "year yr",
        "degree": "degree deg",
        "dollar": "dollar usd",
        "cent": "cent",
        "euro": "euro eur",
        "gbp": "gbp",
        "yen": "yen jpy",
        "rupee": "rupee",
        "mph": "mph mile/hour milesperhour",
        "am": "am a.m",
        "pm": "pm p.m",
        "celsius": "celsiu",
        "fahrenheit": "fahrenheit",
        "K": "kelvin",
        "radian": "radian rad",
        "m/s": "m/s meterspersecond",
        "km/h": "km/h kmph kph",
    }.items()
    for spelling in spellings.split()
}
"""Spellings of units, without their plural s. Only two of these contradict each other; other words (`apples`) never do."""

_POWERS = {"": 0, "T": 12, "G": 9, "M": 6, "k": 3, "K": 3, "d": -1, "c": -2, "m": -3, "μ": -6, "n": -9, "p": -12}
_CASED = {
    prefix + symbol: (dimension, Fraction(10) ** _POWERS[prefix] * size)
    for symbol, dimension, prefixes, size in (
        *((unit, unit, ("", *"kMGmμnp"), 1) for unit in ("Hz", "J", "W", "N", "Pa", "V", "A", "eV", "K", "F", "T")),
        ("g", "mass", "Mμn", 1),
        ("s", "time", "mμnp", 1),
        ("m", "length", "Mdμn", 1),  # pm is a time of day
        ("l", "volume", "dcμ", 1),
        ("L", "volume", "dcμ", 1),
        ("B", "information", "kKMGT", 8),
        ("b", "information", "kMGT", 1),
    )
    for prefix in prefixes
    if prefix + symbol != "F"  # Fahrenheit, as often as farad
}
"""Symbols in which capitals matter, 1 MHz is not 1 mHz, each with what it measures and its size. Of units that also have names, those are here
that are not spelled alike in small letters."""

_SIZES = {
    unit: (dimension, Fraction(size))
    for dimension, sizes in {
        "length": "mm 1/1000 cm 1/100 m 1 km 1000",
        "imperial length": "in 1 ft 12 yd 36 mi 63360",
        "mass": "mg 1/1000 g 1 kg 1000",
        "imperial mass": "oz 1 lb 16",
        "volume": "ml 1/1000 l 1",
        "time": "s 1 min 60 h 3600 day 86400 week 604800",
        "money": "cent 1/100 dollar 1",
    }.items()
    for unit, size in zip(sizes.split()[::2], sizes.split()[1::2], strict=True)
} | _CASED
"""Of what a unit is a measure, and how large it is: those that convert exactly into each other."""


def contradict(gold: str | None, answer: str | None) -> bool:
    """Whether two units are both known and differ."""
    return gold is not None and answer is not None and gold != answer and is_known(gold) and is_known(answer)


def conversion(gold: str | None, answer: str | None) -> Fraction | None:
    """How many of the gold's unit one of the answer's is; None where they measure different things."""
    (ours, _, power), (theirs, _, other) = ((unit or "").partition("^") for unit in (gold, answer))
    if power != other or ours not in _SIZES or theirs not in _SIZES or _SIZES[ours][0] != _SIZES[theirs][0]:
        return None
    exponent = int(power) if power.removeprefix("-").isdecimal() else 1
    return (_SIZES[theirs][1] / _SIZES[ours][1]) ** exponent


def is_known(unit: str) -> bool:
    """Whether a unit is one of those that can contradict another."""
    name = unit.partition("^")[0]
    return name in _UNITS.values() or name in _CASED


def operates(text: str) -> bool:
    """Whether words ask for more than the number before them: `5 squared`."""
    return any(word in _OPERATIONS for word in re.findall(r"[a-z]+", text))


def read_unit(text: str) -> tuple[str | None, str]:
    r"""The unit behind a tidied expression (`\text{ cm}^2`; words behind a space), and the expression without it."""
    if (match := _DEGREES.search(text)) and not _TRIGONOMETRY.search(text):
        return "degree", text[: match.start()].strip()
    if (match := _TEXT_UNIT.search(text)) and match.start() and not _scales(match[1]):
        return _unit(match[1], match[2] or match[3]), text[: match.start()].strip()
    if (match := _WORD_UNIT.search(text)) and _is_unit(match[1]):
        return _unit(match[1], None), text[: match.start()].strip()
    return None, text


def _is_unit(words: str) -> bool:
    """Words of three letters or more, or short known units: `ab` could be a product."""
    first = re.findall(r"[A-Za-z]+", words)[0].lower()
    return not _scales(words) and (len(first) >= 3 or first in _UNITS)


def _scales(words: str) -> bool:
    return any(part in _NO_UNIT for part in re.findall(r"[a-z]+", words.lower()))


def _unit(words: str, power: str | None) -> str | None:
    symbol = re.sub(r"[{}\s]", "", compact(words)).rstrip(".")
    if symbol in _CASED:
        return symbol + re.sub(r"[{}\s]", "", power or "")
    text = symbol.lower()
    text = text.removesuffix("s") if len(text) > 2 and text not in _UNITS else text
    if not text:
        return None
    return _UNITS.get(text, text) + re.sub(r"[{}\s]", "", power or "")
