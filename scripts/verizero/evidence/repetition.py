"""Whether a response goes round in circles, by two cheap measures."""

from __future__ import annotations

import zlib

GRAM, MOST_DUPLICATED = 20, 0.3
TAIL, LEAST_RATIO = 1000, 0.1


def duplicated_share(text: str, n: int = GRAM) -> float:
    """Share of a text's n-grams of words that stood in it before, in 0..1; 0 where it has no n-gram."""
    words = text.split()
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def tail_ratio(text: str, tail: int = TAIL) -> float:
    """Compressed size of a text's last characters over their size (zlib, level 6); 1 for a text of fewer characters.

    Normal text has about 0.40, a loop 0.01 to 0.04. A short text compresses badly whatever it says, so it isn't asked.
    """
    if len(text) < tail:
        return 1.0
    end = text[-tail:].encode("utf-8", "replace")
    return len(zlib.compress(end, 6)) / len(end)


def repetitive(text: str) -> bool:
    """More than 30 % of the 20-grams are duplicates, or the last 1,000 characters compress to less than a tenth."""
    return duplicated_share(text) > MOST_DUPLICATED or tail_ratio(text) < LEAST_RATIO
