"""The rules that need no algebra: most answers are decided here, in the calling process and without importing sympy."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from verizero.reward.clock import read_clock, same_time
from verizero.reward.extraction import final_answer
from verizero.reward.limits import MAX_RESPONSE, exceeded
from verizero.reward.normalisation import compact, letter, tidied, words
from verizero.reward.numbers import (
    Number,
    contradictory,
    equal,
    name,
    proportional,
    read_number,
    read_ratio,
    unsolved,
    with_unit,
)
from verizero.reward.units import operates
from verizero.reward.verdict import Accepted, Question, Verdict

_COMMAND = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_SYMBOL = re.compile(r"[a-zA-Z]")
_UNEVALUATED = re.compile(r"\\(?:i{0,3}int|oint|lim|sum|prod)(?![A-Za-z])")
_ELLIPSIS = re.compile(r"\\[lc]?dots(?![A-Za-z])|\.\.\.|…")
_SEVERAL_PARTS = re.compile(r"[(\[].*[,;].*[)\]]")
_THOUSANDS = re.compile(r"[(\[]\d{1,3}(?:,\d{3})+[)\]]")
_NO_MATHS = re.compile(r"[?#@&]")
_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc|sinh|cosh)(?![A-Za-z])")
_OPTION = re.compile(r"(?:\\(?:text|textbf|mathrm|mathbf)\s*\{\s*)?\([A-E]\)(?:\s*\}|~|\s)*(?=[^\s=+\-*/^_}])")


class _Gold(NamedTuple):
    """What the rules ask of a gold."""

    text: str
    compact: str
    number: Number | None
    words: str | None


@lru_cache(maxsize=8192)
def _read_gold(gold: str) -> _Gold:
    """Remembered: a gold is asked about for each completion of its problem."""
    text = tidied(gold)
    return _Gold(text, compact(text), read_number(text, gold=True), words(text))


LONGEST_PRODUCT = 4
"""Letters of a word that may still be a product of symbols (`abc` equals `bca`)."""


def decide(accepted: Accepted, response: str) -> Verdict | Question:
    """A verdict where these rules suffice, else the question that is left for algebra.

    Order: a box; the text as it stands; limits; the tidied text; words; letters of choices; plain numbers.
    """
    if len(response) > MAX_RESPONSE:
        return Verdict(False, "limit", rule="response-length")
    found = final_answer(response)
    if found.status != "found" or found.answer is None:
        return Verdict(False, found.status, found.answer, rule="box")  # type: ignore[arg-type]
    raw = found.answer
    if raw.strip() in accepted.answers:
        return Verdict(True, "correct", raw, raw.strip(), "exact")
    if limit := exceeded(raw):
        return Verdict(False, "limit", raw[:200], rule=f"limit-{limit}")
    answer = tidied(raw)
    left, rule = [], ""
    for gold in golds_of(accepted):
        outcome = _compare(_read_gold(gold), answer, accepted.tolerance)
        if outcome is None:
            left.append(gold)
            continue
        right, rule = outcome
        if right:
            return Verdict(True, "correct", raw, answer, rule)
    return (
        Question(tuple(left), answer, raw, accepted.tolerance) if left else Verdict(False, "wrong", raw, answer, rule)
    )


@lru_cache(maxsize=8192)
def golds_of(accepted: Accepted) -> tuple[str, ...]:
    """The accepted answers; a plain number that is meant in a unit says so."""
    if accepted.unit is None:
        return accepted.answers
    return tuple(with_unit(tidied(gold), accepted.unit) for gold in accepted.answers)


def _compare(known: _Gold, answer: str, tolerance: float | None) -> tuple[bool, str] | None:
    """Whether a gold and a tidied text are the same answer, and by which rule; None where algebra must say."""
    gold, gold_number, gold_words = known.text, known.number, known.words
    if known.compact == compact(answer):
        return True, "exact"
    number = read_number(answer)
    if contradictory(answer):
        return False, "contradiction"
    if unsolved(answer) and ("=" not in gold or name(gold)):
        return False, "unsolved"
    if gold_number and number is None and (option := _OPTION.match(answer)):
        answer = answer[option.end() :]
        number = read_number(answer)
    if gold_number and number:
        if name(gold) != name(answer) and name(gold) and name(answer):
            return False, "name"
        if equal(gold_number, number):
            return True, "number"
        close = tolerance is not None and gold_number.decimal and equal(gold_number, number, Fraction(tolerance))
        return close, "tolerance" if close else "number"
    if (gold_clock := read_clock(gold)) and (clock := read_clock(answer)):
        return same_time(gold_clock, clock), "clock"
    gold_ratio, ratio = read_ratio(gold), read_ratio(answer)
    if gold_ratio and ratio:
        return proportional(gold_ratio, ratio), "ratio"
    if gold_words is not None and (answer_words := words(answer)) is not None:
        if gold_words == answer_words or max(len(gold_words), len(answer_words)) > LONGEST_PRODUCT:
            return gold_words == answer_words, "words"
        return None
    if gold_words is not None and number:
        return False, "words"
    if _ELLIPSIS.search(answer) and not _ELLIPSIS.search(gold):
        return False, "ellipsis"
    if _UNEVALUATED.search(answer) and not _UNEVALUATED.search(gold):
        return False, "unevaluated"
    if number and _SEVERAL_PARTS.fullmatch(gold) and not _THOUSANDS.fullmatch(gold):
        return False, "number"
    gold_letter = letter(gold) if len(known.compact) <= 3 else None
    if gold_letter is not None and (answer_letter := letter(answer)) is not None:
        return gold_letter == answer_letter, "letter"
    if known.compact.casefold() == "no":
        return compact(answer).casefold() == "no", "words"
    if gold_number and gold_number.value == 0 and answer.replace(" ", "").endswith("=0"):
        return False, "equation"
    if gold_number and (
        _NO_MATHS.search(answer) or words(answer) is not None or operates(answer) or _has_symbols(answer)
    ):
        return False, "number"
    return None


def _has_symbols(answer: str) -> bool:
    """Whether the value (what follows the last `=`) is written with letters other than e and i: no plain number is.

    Those of trigonometry may cancel.
    """
    if _FUNCTION.search(answer):
        return False
    return any(symbol not in "eiE" for symbol in _SYMBOL.findall(_COMMAND.sub("", answer.rpartition("=")[2])))
