"""The words of a problem and their n-grams: what two problems are compared by when their texts differ."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

# A figure's program is no wording.
_FIGURE = re.compile(r"\[asy\].*?(?:\[/asy\]|$)|\\begin\{asy\}.*?(?:\\end\{asy\}|$)", re.DOTALL | re.IGNORECASE)
_LOOKS = re.compile(
    r"\\[!,:;> ]|\\(?:q?quad|left|right|displaystyle|text(?:bf|it|rm)?|math(?:rm|bf|it)|operatorname)(?![A-Za-z])"
)
# Signs count: without them `x + 2` and `x - 2` would be one text. `_` and braces do not: sources differ in `a_1` and `a_{1}`.
_WORD = re.compile(r"[^\W_]+|[-+*/^=<>!|%]")
_BASE = np.uint64(0x9E3779B97F4A7C15)

Gram = tuple[str, ...]


def words(text: str) -> list[str]:
    r"""The words of a problem, in their order: runs of letters and digits, and the signs of arithmetic.

    NFKC, lower case; without figures (`[asy]`), LaTeX spacing and commands that only change the look, so that `\dfrac` is
    `\frac`. Braces, dollar signs and punctuation are no words.
    """
    if "asy" in text:
        text = _FIGURE.sub(" ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("−", "-")
    if "\\" in text:
        text = _LOOKS.sub(" ", text).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    return _WORD.findall(text.lower())


def grams(of: Sequence[str], n: int) -> set[Gram]:
    """The n-grams of a text's words, each once; a shorter text has none."""
    return {tuple(of[begin : begin + n]) for begin in range(len(of) - n + 1)}


def jaccard(one: set[Gram], other: set[Gram]) -> float:
    """Size of the intersection over size of the union; 0 for two empty sets."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def word_code(word: str) -> int:
    """64 bits of a word's BLAKE2b digest, never 0, which stands for a word that nobody asks about."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big") | 1


def gram_codes(codes: NDArray[np.uint64], n: int) -> NDArray[np.uint64]:
    """One 64-bit code for each n-gram of a text, in order: the polynomial of its words' codes, modulo 2^64."""
    found = np.zeros(max(0, len(codes) - n + 1), dtype=np.uint64)
    for place in range(n):
        found = next_codes(found, codes[place : place + len(found)])
    return found


def next_codes(codes: NDArray[np.uint64], words_behind: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The codes of n-grams that are one word longer."""
    return codes * _BASE + words_behind


def coded(of: Iterable[str], known: dict[str, int]) -> NDArray[np.uint64]:
    """The codes of a text's words; `known` remembers those that occurred."""
    return np.array(
        [known.get(word) or known.setdefault(word, word_code(word)) for word in of],
        dtype=np.uint64,
    )
