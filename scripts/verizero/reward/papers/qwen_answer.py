r"""The answer of a response as the evaluation of Qwen2.5-Math finds it: a box, else `he answer is`, else the last number.

Source, by description: github.com/QwenLM/Qwen2.5-Math, `evaluation/parser.py`, for the data set `math`; papers B and C
evaluate with it, and C trains with it. Anything may be the answer: a response without a box is graded by its last number.
Known to differ: words for numbers and other languages' phrases are not read, and `_UNIT` knows fewer than the
original. Unknown: the order in which it strips, which can matter where one thing bares another.
"""

from __future__ import annotations

import re

from verizero.reward.papers.strings import braced, uniform, valued

CHAT = "<|im_start|>assistant"
ENDS = ("</s>", "<|im_end|>", "<|endoftext|>")
PHRASE = "he answer is"

_NUMBER = re.compile(r"-?\d*\.?\d+")
_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
_TRAILING_TEXT = re.compile(r"(?<=.)\\text\s*\{[^{}]*\}$", re.DOTALL)
_UNIT = re.compile(
    r"(^|\W)(?:(?:degree|percent|dollar|cent|mile|hour|minute|second|day|week|month|year|unit|meter)s?|inch(?:es)?|foot|feet|ft"
    r"|cm|km|mm|kg|mph|kmph|square|sq)(?=$|\W)"
)
_RELATION = re.compile(r"\\(ne|le|ge)q(?![A-Za-z])")
_SYMBOLS = (
    ("\\{", "{"), ("\\}", "}"), ("bmatrix", "pmatrix"), ("\\$", ""),
    ("$", ""), ("\\(", ""), ("\\)", ""), ("\\%", ""), ("%", ""), ("\\emptyset", "{}"), ("\\mathbb{R}", "(-\\infty,\\infty)"),
)  # fmt: skip
_ZEROS = re.compile(r"(?<=\d)\.0*(?=$|[^\d])")
_NAMES = re.compile(r"[xyz](?:=|\\(?:in|to)(?![A-Za-z]))")
"""Taken away wherever they stand."""


def finished(text: str) -> str:
    """What the assistant says last, up to the first sign that it has ended."""
    text = text.rpartition(CHAT)[2]
    for end in ENDS:
        text = text.partition(end)[0]
    return text


def extracted(text: str) -> str | None:
    r"""The answer as written; None when there is neither a box, nor the phrase, nor a digit.

    Behind the last `boxed` a brace is read to its end, or to the text's where it is never closed; without a brace the
    answer ends at the next dollar sign. Behind the last phrase everything is the answer.
    """
    if "boxed" in text:
        return _boxed(text.rpartition("boxed")[2])
    if PHRASE in text:
        return text.rpartition(PHRASE)[2]
    numbers = _NUMBER.findall(text.replace(",", ""))
    return numbers[-1] if numbers else None


def stripped(answer: str) -> str:
    r"""An answer as this evaluation compares it, golds included: `x=\dfrac12\text{ cm}.` becomes `\frac{1}{2}`.

    Percent signs go too, so that `50\%` is 50; what that means is left to the comparison.
    """
    text = re.sub(r"\n\s*", "", answer).strip().removeprefix(":").strip().rstrip("./").strip()
    for before, after in _SYMBOLS:
        text = text.replace(before, after)
    text = _TRAILING_TEXT.sub("", _RELATION.sub(r"\\\1", uniform(text))).strip()
    text = _UNIT.sub(r"\1", _TEXT.sub(r"\1", text)).strip()
    text = braced(valued(_NAMES.sub("", text)))
    return _ZEROS.sub("", text.replace("'", "").replace('"', ""))


def _boxed(rest: str) -> str:
    if not rest.startswith("{"):
        return rest.partition("$")[0]
    depth = 0
    for end, character in enumerate(rest):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[1:end]
    return rest[1:]
