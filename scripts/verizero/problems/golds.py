r"""Golds: what the answer column of a source says, as a list of accepted answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from verizero.problems.problem import AnswerType
from verizero.problems.text import last_box

AnswerFrom = Literal["field", "after-hashes", "last-box"]
_LEADING_ZEROS = re.compile(r"0+(\d+)")
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_LETTER = re.compile(r"\(?[A-J]\)?")
_DECIMAL = re.compile(r"\$?-?\d*\.?\d+(?:e[+-]?\d+)?(?:\s*(?:\\times|\\cdot)\s*10\s*\^\s*\{?\s*-?\d+\s*\}?)?\$?")
_WORDS = re.compile(r"(?:\\text\{)?[A-Za-z]{3}[A-Za-z' -]*\}?")
_PLAIN_NUMBER = re.compile(r"-?\d+(,\d{3})*(\.\d+)?|-?\.\d+")


class NoGold(ValueError):
    """A row without a usable answer; the message says what is in its place."""


def golds(value: Any, answer_from: AnswerFrom) -> list[str]:
    r"""The accepted answers.

    A list holds alternatives. A float that is a whole number loses its point (`27.0` -> `27`), a whole number its leading
    zeros (`025` -> `25`). `after-hashes` takes what follows the last `####` and drops its thousands separators (GSM8K
    writes `#### 2,125`); `last-box` takes the content of the last `\boxed{}`.

    Raises:
        NoGold: nothing there.
    """
    values = value if isinstance(value, list | tuple) else [value]
    found: list[str] = []
    for item in values:
        gold = _gold(item, answer_from)
        if gold not in found:
            found.append(gold)
    if not found:
        raise NoGold("an empty list")
    return found


def is_number(gold: str) -> bool:
    """Whether a gold is a plain decimal number, thousands separators allowed."""
    return _PLAIN_NUMBER.fullmatch(gold) is not None


def answer_type(found: Sequence[str]) -> AnswerType:
    """What the accepted answers are."""
    if all(is_number(gold) and "." not in gold for gold in found):
        return "integer"
    if all(is_number(gold) or _DECIMAL.fullmatch(gold) for gold in found):
        return "decimal"
    if all(_LETTER.fullmatch(gold) for gold in found):
        return "letter"
    return "words" if all(_WORDS.fullmatch(gold) for gold in found) else "expression"


def _gold(value: Any, answer_from: AnswerFrom) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise NoGold(f"a {type(value).__name__} ({str(value)[:40]!r})")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise NoGold(repr(value))
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    text = value
    if answer_from == "after-hashes":
        if "####" not in text:
            raise NoGold(f"a text without `####` (it ends in {text[-40:]!r})")
        text = text.rpartition("####")[2].strip()
        text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    elif answer_from == "last-box":
        box = last_box(text)
        if box is None or box.content is None:
            raise NoGold(f"a text without a complete `\\boxed{{}}` (it ends in {text[-40:]!r})")
        text = box.content
    text = text.strip()
    if not text:
        raise NoGold("an empty text")
    match = _LEADING_ZEROS.fullmatch(text)
    return match[1] if match else text
