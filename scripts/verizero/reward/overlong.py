"""A penalty for answers that come near the limit of their length."""

from __future__ import annotations


def soft_overlong(length: int, limit: int, window: int | None) -> float:
    """What the length of a completion adds to its reward: 0 before the window, falling linearly to -1 at the limit.

    DAPO's soft overlong punishment (arXiv 2503.14476; limit 20480 and window 4096 there): truncating at once would punish
    sound reasoning that is one token too long as much as an endless one.

    Args:
        length, limit: in tokens.
        window: how many tokens before the limit the penalty begins; None for no penalty.
    """
    if window is None:
        return 0.0
    return -min(max(length - (limit - window), 0) / window, 1.0)
