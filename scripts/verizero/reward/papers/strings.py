r"""Texts that the papers' graders compare: the MATH data set's, and the one that is read as a formula.

Sources, by description: the normalisation of Hendrycks et al. 2021 (arXiv 2103.03874), which calls two answers the same when
these texts are; the grader of PRM800K (Lightman et al. 2023, arXiv 2305.20050), which goes on to algebra. Papers A and B use
both, Qwen2.5-Math's evaluation parts of the first. Known to differ: PRM800K reads LaTeX with pylatexenc, of which `plain`
knows the common commands only.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque

from verizero.reward.limits import MAX_NESTING

_WRAPPED = re.compile(r"\\text\s*\{(.+)\}", re.DOTALL)
_SPELLINGS = (
    ("\n", ""), ("\\!", ""), ("\\tfrac", "\\frac"), ("\\dfrac", "\\frac"), ("\\left", ""), ("\\right", ""),
    ("^{\\circ}", ""), ("^\\circ", ""), ("\\$", ""),
)  # fmt: skip
_SHORT_FRACTION = re.compile(r"\\frac([^{])(\{|[^{])")
_SHORT_ROOT = re.compile(r"\\sqrt([^{])")
_SLASHED = re.compile(r"(-?\d+)/(-?\d+)")

_SCALES = {"million": "*10^6", "billion": "*10^9", "trillion": "*10^12"}
_UNITS = re.compile(
    r"(?:degree|cm|centimeter|meter|mile|second|minute|hour|day|week|month|year|foot|feet|inch|yard)(?:es|s)?\s*(?:\^[0-9]+)?"
)
_CIRCLE = re.compile(r"\^\s*\\circ")
_MIXED = re.compile(r"([0-9])\s+([0-9])")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[^\\]", re.DOTALL)
_SIGNS = {
    "\\pi": "pi", "\\infty": "inf", "\\cdot": "*", "\\times": "*", "\\cup": "U", "\\left": "", "\\right": "", "\\div": "/",
    "\\pm": "±", "\\le": "≤", "\\leq": "≤", "\\ge": "≥", "\\geq": "≥", "\\ne": "≠", "\\neq": "≠", "\\in": "∈", "\\cap": "∩",
    "\\!": "", "\\,": " ", "\\;": " ", "\\:": " ", "\\ ": " ", "\\\\": "\n",
}  # fmt: skip
_FRACTIONS = ("\\frac", "\\dfrac", "\\tfrac", "\\cfrac")
_FUNCTIONS = frozenset(
    ("sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "max", "min", "gcd", "lim", "det")
)


def mathd(text: str) -> str:
    r"""The MATH data set's text of an answer: `\dfrac12`, `1/2` and `0.5` become `\frac{1}{2}`, `x=5` becomes `5`, spaces go.

    Two answers are the same for it when these texts are. A unit in `\text{ cm}` goes with everything behind it; of numbers
    nothing is understood but `0.5`: `0.25` stays, and so does `\frac{2}{4}`.
    """
    text = uniform(unwrapped(text).replace("\\\\", "\\")).partition("\\text{ ")[0].replace("\\%", "")
    text = braced(valued(text))
    return r"\frac{1}{2}" if text == "0.5" else text


def uniform(text: str) -> str:
    r"""Without line breaks, sizes, degrees and dollars; every fraction a `\frac`."""
    for before, after in _SPELLINGS:
        text = text.replace(before, after)
    return text


def valued(text: str) -> str:
    """`.5` with its zero, and of `x=5` the value, if the name has two characters at most."""
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    text = f"0{text}" if text.startswith(".") else text
    name, _, value = text.partition("=")
    return value if "=" in text and "=" not in value and len(name) <= 2 else text


def braced(text: str) -> str:
    r"""Without spaces, `\sqrt3` and `\frac12` with their braces, and a quotient of integers, if it is all, as a `\frac`."""
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text).replace(" ", "")
    text = _SHORT_FRACTION.sub(_with_braces, text)
    return _SLASHED.sub(r"\\frac{\1}{\2}", text) if _SLASHED.fullmatch(text) else text


def formula(text: str) -> str:
    r"""PRM800K's text of an answer, nearly a formula in a programming language: `3 \frac{1}{2}` becomes `3+1/2`.

    Percent and dollar signs and some units go, `or` and `and` are commas, words are lower case, `1,234` and `17.0` are
    integers. Braces go without a trace and a fraction's sides get none: `\frac{1}{x+1}` becomes `1/x+1`.
    """
    text = unwrapped(text)
    for sign in ("\\%", "%", "\\$", "$"):
        text = text.replace(sign, "")
    text = text.replace(" or ", " , ").replace(" and ", " , ")
    for word, power in _SCALES.items():
        text = text.replace(word, power)
    text = _CIRCLE.sub("", _UNITS.sub("", text))
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = _without_point(text.replace(",\\!", ""))
    if "\\" in text:
        text = plain(text)
    text = re.sub(r"- +", "-", text)
    text = _MIXED.sub(r"\1+\2", text)
    text = "".join(text.replace("{", "").replace("}", "").split()).lower()
    return _without_point(_GROUPED.sub("", text))


def unwrapped(text: str) -> str:
    r"""Without spaces around it and without a `\text{}` around all of it."""
    match = _WRAPPED.fullmatch(text.strip())
    return match[1].strip() if match else text.strip()


def plain(latex: str) -> str:
    r"""LaTeX as a person would type it in one line: `\frac{a}{b}` is `a/b`, `\sqrt{a}` `sqrt(a)`, Greek letters are Greek."""
    return _sequence(deque(_TOKEN.findall(latex)), 0)


def parts(text: str) -> list[str]:
    """The members of a `formula` in brackets, split at its commas; a formula without brackets, or with others inside, is one."""
    ungrouped = _GROUPED.sub("", text)
    if len(text) > 2 and text[0] in "([" and text[-1] in ")]" and not any(sign in text[1:-1] for sign in "()[]"):
        return [part.strip() for part in ungrouped[1:-1].split(",")]
    return [text] if text else []


def _with_braces(match: re.Match[str]) -> str:
    return f"\\frac{{{match[1]}}}{{" if match[2] == "{" else f"\\frac{{{match[1]}}}{{{match[2]}}}"


def _without_point(text: str) -> str:
    try:
        value = float(text)
        return str(round(value)) if abs(value - round(value)) <= 1e-7 else text
    except (ValueError, OverflowError):
        return text


def _sequence(tokens: deque[str], depth: int, closing: str = "") -> str:
    pieces = []
    while tokens:
        token = tokens.popleft()
        if token == closing:
            break
        pieces.append(_item(token, tokens, depth))
    return "".join(pieces)


def _item(token: str, tokens: deque[str], depth: int) -> str:
    """One group, command with its arguments, or character; nothing where commands without braces nest too deep."""
    if depth > MAX_NESTING:
        return ""
    if token == "{":
        return _sequence(tokens, depth + 1, "}")
    if token in _FRACTIONS:
        top, bottom = _argument(tokens, depth), _argument(tokens, depth)
        return f" {top}/{bottom}"  # the space keeps `3\frac12` a mixed number
    if token == "\\sqrt":
        if tokens and tokens[0] == "[":
            tokens.popleft()
            return f"sqrt[{_sequence(tokens, depth + 1, ']')}]({_argument(tokens, depth)})"
        return f"sqrt({_argument(tokens, depth)})"
    if not token.startswith("\\"):
        return "" if token == "}" else token
    if token in _SIGNS:
        return _SIGNS[token]
    name = token[1:]
    return name if not name.isalpha() or name in _FUNCTIONS else _greek(name)


def _argument(tokens: deque[str], depth: int) -> str:
    while tokens and tokens[0].isspace():
        tokens.popleft()
    return _item(tokens.popleft(), tokens, depth + 1) if tokens else ""


def _greek(name: str) -> str:
    try:
        size = "CAPITAL" if name[0].isupper() else "SMALL"
        return unicodedata.lookup(f"GREEK {size} LETTER {name.upper()}")
    except KeyError:
        return ""
