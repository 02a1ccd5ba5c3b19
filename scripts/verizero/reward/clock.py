"""Times of day: `3:30` is no ratio, although it looks like one."""

from __future__ import annotations

import re
from typing import NamedTuple

_TEXT = r"\\(?:text|mathrm|mbox)\s*\{"
_CLOCK = re.compile(
    r"(\d{1,2})\s*:\s*([0-5]\d)(?:\s*:\s*([0-5]\d))?"
    rf"(?:\s*(?:{_TEXT}\s*)?([ap])\.?\s*m\.?\s*\}}?)?",
    re.IGNORECASE,
)


class Clock(NamedTuple):
    """A time of day as it is written; `half` is `a` or `p`, or None where nothing says which half of the day."""

    hour: int
    minute: int
    second: int
    half: str | None

    @property
    def of_24(self) -> int:
        """The hour from 0 to 23, where the half is known."""
        return self.hour % 12 + (12 if self.half == "p" else 0) if self.half else self.hour


def read_clock(text: str) -> Clock | None:
    """The time of day that a tidied text may be: hours, and minutes in two digits below 60; else None.

    A ratio that could be one (`1:20`) is read as one: two such texts are the same only as they stand, because of two times
    that happen to be proportional (`12:00` and `1:00`) one is wrong.
    """
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        return None
    hour, half = int(found[1]), found[4].lower() if found[4] else None
    if hour > 24 or (half and not 1 <= hour <= 12):
        return None
    return Clock(hour, int(found[2]), int(found[3] or 0), half)


def same_time(gold: Clock, answer: Clock) -> bool:
    """Whether two times are the same. Where one leaves out the half of the day, the other may name it, or count to 24."""
    if (gold.minute, gold.second) != (answer.minute, answer.second):
        return False
    if (gold.half is None) == (answer.half is None):
        return gold.of_24 == answer.of_24
    named, bare = (gold, answer) if gold.half else (answer, gold)
    return bare.hour in (named.hour, named.of_24)
