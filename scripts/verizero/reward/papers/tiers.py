"""The two tiers that papers A and B share: the MATH data set's text, then PRM800K's text and its algebra."""

from __future__ import annotations

import re

from verizero.reward.papers.common import Outcome
from verizero.reward.papers.strings import formula, mathd, parts

_INTEGER = re.compile(r"-?[0-9]+")
_FRACTION = re.compile(r"-?[0-9]+\.?/0*[1-9][0-9]*\.?")
_POWERS = re.compile(r"\^[{(]|\^[0-9]+\^|\^[0-9]{2}")
"""What is not given to algebra: exponents in brackets, towers, exponents of two digits."""
MOST_LETTERS = 2


def without_algebra(gold: str, answer: str) -> Outcome | None:
    """What the two tiers say of an answer as far as they compare texts; None where algebra decides."""
    if mathd(gold) == mathd(answer):
        return True, "mathd"
    pairs = _pairs(gold, answer)
    if isinstance(pairs, tuple):
        return pairs
    return None if any(_outcome(*pair) is None for pair in pairs) else (True, "sympy-text")


def with_algebra(gold: str, answer: str) -> Outcome:
    """What the two tiers say of an answer. In a worker."""
    if mathd(gold) == mathd(answer):
        return True, "mathd"
    pairs = _pairs(gold, answer)
    if isinstance(pairs, tuple):
        return pairs
    return all(_outcome(*pair) is not None or _zero(*pair) for pair in pairs), "sympy"


def _pairs(gold: str, answer: str) -> Outcome | list[tuple[str, str]]:
    """The pairs of members of which none is wrong by its text, or what the texts say of the whole."""
    gold, answer = formula(gold), formula(answer)
    if gold == answer:
        return True, "sympy-text"
    golds, answers = parts(gold), parts(answer)
    if not answers:
        return False, "sympy-empty"
    if len(golds) != len(answers) or (len(golds) > 1 and (gold[0], gold[-1]) != (answer[0], answer[-1])):
        return False, "sympy-tuple"
    pairs = list(zip(golds, answers, strict=True))
    for pair in pairs:
        if (outcome := _outcome(*pair)) is not None and not outcome[0]:
            return outcome
    return pairs


def _outcome(gold: str, answer: str) -> Outcome | None:
    r"""Whether two members are equal by their texts; None where algebra decides.

    Fractions of integers must be the same text, reduced or not; an integer equals nothing but an integer: neither
    `\frac{2}{4}` for `\frac{1}{2}` nor `20-3` for `17` is right. Other texts are left alone when they have more than two
    letters (`sqrt` and `frac` apart, but with those of `sin`), or powers of a kind that once hung the algebra.
    """
    integers = [bool(_INTEGER.fullmatch(text)) for text in (gold, answer)]
    if _FRACTION.fullmatch(gold) and _FRACTION.fullmatch(answer):
        return gold == answer, "sympy-fractions"
    if any(integers):
        return all(integers) and int(gold) == int(answer), "sympy-integer"
    letters = f"{gold}{answer}".replace("sqrt", "").replace("frac", "")
    if len({character for character in letters if character.isalpha()}) > MOST_LETTERS:
        return False, "sympy-letters"
    return (False, "sympy-powers") if _POWERS.search(f"({gold})-({answer})") else None


def _zero(gold: str, answer: str) -> bool:
    """Whether algebra finds the difference to be 0."""
    import sympy

    from verizero.reward.papers.formulas import read_formula

    difference = read_formula(f"({gold})-({answer})")
    return difference is not None and bool(sympy.simplify(difference) == 0)
