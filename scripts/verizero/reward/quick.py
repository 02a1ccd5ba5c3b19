"""The rules that need no algebra: most answers are decided here, in the calling process and without importing sympy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from verizero.reward.extraction import final_answer
from verizero.reward.limits import MAX_RESPONSE, exceeded
from verizero.reward.normalisation import compact, letter, tidied, words
from verizero.reward.numbers import equal, read_number
from verizero.reward.verdict import Question, Verdict

_COMMAND = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_SYMBOL = re.compile(r"[a-zA-Z]")
_NO_MATHS = re.compile(r"[?#@&]")

LONGEST_PRODUCT = 4
"""Letters of a word that may still be a product of symbols (`abc` equals `bca`)."""


def decide(golds: Sequence[str], response: str) -> Verdict | Question:
    """A verdict where these rules suffice, else the question that is left for algebra.

    Order: a box; the text as it stands; limits; the tidied text; words; letters of choices; plain numbers.
    """
    if len(response) > MAX_RESPONSE:
        return Verdict(False, "limit", rule="response-length")
    found = final_answer(response)
    if found.status != "found" or found.answer is None:
        return Verdict(False, found.status, found.answer, rule="box")  # type: ignore[arg-type]
    raw = found.answer
    if raw.strip() in golds:
        return Verdict(True, "correct", raw, raw.strip(), "exact")
    if limit := exceeded(raw):
        return Verdict(False, "limit", raw[:200], rule=f"limit-{limit}")
    answer = tidied(raw)
    left, rule = [], ""
    for gold in golds:
        outcome = _compare(tidied(gold), answer)
        if outcome is None:
            left.append(gold)
            continue
        right, rule = outcome
        if right:
            return Verdict(True, "correct", raw, answer, rule)
    return Question(tuple(left), answer, raw) if left else Verdict(False, "wrong", raw, answer, rule)


def _compare(gold: str, answer: str) -> tuple[bool, str] | None:
    """Whether two tidied texts are the same answer, and by which rule; None where algebra must say."""
    if compact(gold) == compact(answer):
        return True, "exact"
    gold_number, number = read_number(gold), read_number(answer)
    if gold_number and number:
        return equal(gold_number, number), "number"
    gold_words = words(gold)
    if gold_words is not None and (answer_words := words(answer)) is not None:
        if gold_words == answer_words or max(len(gold_words), len(answer_words)) > LONGEST_PRODUCT:
            return gold_words == answer_words, "words"
        return None
    if gold_words is not None and number:
        return False, "words"
    gold_letter = letter(gold) if len(compact(gold)) <= 3 else None
    if gold_letter is not None and (answer_letter := letter(answer)) is not None:
        return gold_letter == answer_letter, "letter"
    if gold_number and gold_number.value == 0 and answer.replace(" ", "").endswith("=0"):
        return False, "equation"
    if gold_number and (_NO_MATHS.search(answer) or words(answer) is not None or _has_symbols(answer)):
        return False, "number"
    return None


def _has_symbols(answer: str) -> bool:
    """Whether the value (what follows the last `=`) is written with letters other than e and i: no plain number is."""
    return any(symbol not in "eiE" for symbol in _SYMBOL.findall(_COMMAND.sub("", answer.rpartition("=")[2])))
