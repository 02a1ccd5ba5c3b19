"""How far two raters agree beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def cohen_kappa(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """`(p_o - p_e) / (1 - p_e)`, Cohen 1960 (Educational and Psychological Measurement 20:37, eq. 1).

    p_o is the share of items that both rate alike, p_e what it would be if each rated with its own frequencies at random.

    Args:
        one: [item], the first rater's classes.
        other: [item], the second rater's.

    Returns:
        At most 1; 0 is chance. 1 where both give every item the same single class.

    Raises:
        ValueError: no item, or not the same number of them.
    """
    if not one or len(one) != len(other):
        raise ValueError(f"kappa needs the same items of both raters, got {len(one)} and {len(other)}")
    n = len(one)
    observed = sum(a == b for a, b in zip(one, other, strict=True)) / n
    first, second = Counter(one), Counter(other)
    expected = sum(first[name] * second[name] for name in first) / n**2
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)
