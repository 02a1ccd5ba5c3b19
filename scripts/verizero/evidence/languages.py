r"""Which scripts a response is written in, its mathematics left out."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# Letters of formulas are Latin and Greek in every language, and code is English.
_FORMULA = re.compile(r"```.*?(?:```|\Z)|\$\$.*?\$\$|\$[^$\n]*\$|\\\[.*?\\\]|\\\(.*?\\\)|\\[A-Za-z]+", re.DOTALL)
_KANA = {"HIRAGANA": "KANA", "KATAKANA": "KANA"}
MIXED = 0.05


def script_shares(text: str) -> dict[str, float]:
    """The share of each Unicode script among the letters outside mathematics and code; empty where there is no letter.

    A letter's script is the first word of its Unicode name: `LATIN`, `CJK`, `CYRILLIC`, `HANGUL`; the two kana are one.
    Greek letters are left out: they are mathematics more often than Greek.
    """
    found: Counter[str] = Counter()
    for letter, number in Counter(_FORMULA.sub(" ", text)).items():
        if letter.isalpha() and (script := _script(letter)) not in ("GREEK", "MATHEMATICAL", ""):
            found[script] += number
    total = sum(found.values())
    return {script: number / total for script, number in found.most_common()}


def mixes_languages(text: str, share: float = MIXED) -> bool:
    """Whether letters outside the commonest script are more than a share of all (5 %)."""
    shares = list(script_shares(text).values())
    return bool(shares) and 1 - shares[0] > share


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "").split(" ", 1)[0].split("-")[0]
    return _KANA.get(first, first)
