r"""One text for answers that only look different, before any algebra: what is stripped here never carries the value."""

from __future__ import annotations

import re

from verizero.reward.notation import latex

_SIZING = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|(?:phantom|hspace|vspace)\*?\{[^{}]*\})(?![A-Za-z])|\\[,!;:>](?![A-Za-z])|\\(?:left|right)(?=\\[{}])"
)
_TWO_FORMULAS = re.compile(r"(?<=\d)\s*(?:\\\)\s*\\\(|\$\s*\$)\s*(?=\d)")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_SPACE = re.compile(r"(?<!\d)\s|\s(?!\d)")
_CONTROL_SPACE = re.compile(r"(?<!\\)\\(?: |[,!;:>](?=[A-Za-z]))")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_SHORT_FRACTION = re.compile(r"\\frac\s*(\d)\s*(\d)")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d)")
_STYLE = re.compile(
    r"\\(?:mathrm|mathbf|mathit|mathsf|rm|bf|textbf|textit|textrm|textnormal|operatorname|mbox|text)\s*\{([^{}\\$]*)\}"
)
_WORDS = re.compile(r"[A-Za-z]+(?:(?:[ '\-]|[,.] )[A-Za-z]+)*")
_ARTICLE = re.compile(r"^(?:an?|the) (?=[a-z])", re.IGNORECASE)
_ANOTHER_LETTER = re.compile(r"\([A-J]\)|(?:\band|\bor|[,;/&])\s*\(?[A-J]\b")
_WORD = re.compile(r"(?!\band\b)[A-Za-z]{3}")
_NOTHING = frozenset(
    ("no solution", "no solutions", "no real solution", "no real solutions", "empty set", "the empty set")
)
_TRAILING = ".,;:!"

PASSES = 10
"""What is stripped may bare something else to strip; honest answers settle in two passes."""


def tidied(text: str) -> str:
    r"""The answer without dollars, sizing commands, a surrounding box or braces, and a full stop at its end.

    `\dfrac`, `\tfrac` become `\frac`, `\frac12` `\frac{1}{2}`, Unicode signs LaTeX, `\text{...}` keeps its braces (units
    and words are told apart later). NFKC is not applied: it would make `5²` into `52`.
    """
    for _ in range(PASSES):
        before, text = text, _tidied_once(text)
        if text == before:
            break
    return text


def _tidied_once(text: str) -> str:
    text = _TWO_FORMULAS.sub(", ", latex(text))
    text = (
        text.replace("\\$", "")
        .replace("$", "")
        .replace("\\(", "")
        .replace("\\)", "")
        .replace("\\[", "")
        .replace("\\]", "")
    )
    text = _CONTROL_SPACE.sub(" ", _SIZING.sub("", text)).replace("~", " ").replace("{,}", ",")
    text = _FRACTION.sub(r"\\frac", text)
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = " ".join(text.split())
    text = text[1:] if text.startswith("=") and text.count("=") == 1 else text
    while (inner := _without_shell(text)) != text:
        text = inner
    return bold[1] if (bold := _BOLD.fullmatch(text)) else text


def compact(text: str) -> str:
    r"""A tidied text without text commands and spaces, for exact comparison: `\text{ cm}` becomes `cm`.

    A space between two digits stays: `1 1/2` is not `11/2`.
    """
    return _SPACE.sub("", " ".join(_STYLE.sub(r"\1", text).split()))


def words(text: str) -> str | None:
    r"""The words, lower case, when an answer consists of nothing else (`\text{Monday}` -> `monday`); else None.

    One word at least has three letters: `ab` is a product, `p, q` a pair.
    """
    plain = _STYLE.sub(r"\1", text).strip(" .")
    if plain in ("\\emptyset", "\\varnothing") or plain.casefold() in _NOTHING:
        return "no solution"
    plain = _ARTICLE.sub("", plain)
    return " ".join(plain.casefold().split()) if _WORDS.fullmatch(plain) and _WORD.search(plain) else None


def letter(text: str) -> str | None:
    r"""The letter of a multiple-choice answer: `B`, `(B)`, `\text{(B)}`, `B. 12`, `(B) 12`; else None."""
    plain = _STYLE.sub(r"\1", text).strip()
    match = re.fullmatch(
        r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s*)?\(?([A-J])\)?|\(([A-J])\)\s*\S.*|([A-J])[.:)]\s*\S.*", plain
    )
    if not match or _ANOTHER_LETTER.search(plain, match.end(match.lastindex or 0)):
        return None
    return match[match.lastindex or 0]


def _without_shell(text: str) -> str:
    text = (
        text.strip().rstrip(_TRAILING).strip()
        if not text.endswith(("\\!", "\\,", "\\;", "\\:")) and not re.search(r"\d!$|[)}\]a-z]!$", text)
        else text.strip()
    )
    for opening in ("\\boxed{", "\\fbox{", "{", "\\text{", "\\mathrm{", "\\textbf{", "\\mathbf{", "\\mbox{"):
        if text.startswith(opening) and text.endswith("}") and _closes_at_end(text, len(opening)):
            inner = text[len(opening) : -1]
            if opening.startswith(("\\text", "\\m")) and words(inner) is not None:
                return text
            return inner
    return text


def _closes_at_end(text: str, begin: int) -> bool:
    depth, place = 1, begin
    while place < len(text):
        character = text[place]
        if character == "\\":
            place += 1
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                return place == len(text) - 1
        place += 1
    return False
