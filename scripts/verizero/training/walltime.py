"""When to stop before being stopped: a wall-time limit, or the scheduler's signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from types import FrameType

SPARE_SECONDS = 15.0
"""For the start of the interpreter, which no clock here sees, and for the end."""

START = "start"
"""The kind of the stretch before the first chance to save."""
SAVE = "save"
"""Not a stretch between two chances: how long the longest save took."""


class StopRequest:
    """Knows whether the run should save and end.

    SIGTERM and SIGUSR1 only raise a flag, which the loop reads at each chance to save: after each optimizer update and each step.

    Args:
        minutes: wall time from now on; None for no limit.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._signal: str | None = None
        self._longest: dict[str, float] = {}
        self._behind, self._last = START, time.monotonic()

    def listen(self) -> StopRequest:
        """Catch the signals with which schedulers announce the end."""
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)
        return self

    def due(self, ahead: str) -> bool:
        """At a chance to save: whether a signal came, or the time left would not be enough for the way to the next one and a save.

        A stretch takes as long as the longest of its kind did, from chance to chance without the save between them, with half as
        much again; one of a kind that was never seen takes as long as the longest of all. The save takes as long as the longest did.

        Args:
            ahead: what kind of stretch begins here. Sampling for minutes and then an update is one kind, another update another.
        """
        now = time.monotonic()
        self._longest[self._behind] = max(self._longest.get(self._behind, 0.0), now - self._last)
        self._behind, self._last = ahead, now
        if self._signal is not None:
            return True
        longest = max(seconds for kind, seconds in self._longest.items() if kind != SAVE)
        needed = 1.5 * (self._longest.get(ahead, longest) + self._longest.get(SAVE, 0.0)) + SPARE_SECONDS
        return self._deadline is not None and now + needed >= self._deadline

    def saved(self, seconds: float) -> None:
        """A save since the last chance took so long."""
        self._longest[SAVE] = max(self._longest.get(SAVE, 0.0), seconds)
        self._last += seconds

    def remember(self, stretches: Mapping[str, float]) -> None:
        """Take over how long stretches took at an earlier start of the run, in seconds by kind."""
        self._longest |= {kind: seconds for kind, seconds in stretches.items() if kind != START}

    @property
    def stretches(self) -> dict[str, float]:
        """The longest of each kind, the save included, in seconds."""
        return dict(self._longest)

    @property
    def signalled(self) -> bool:
        """Whether a signal came."""
        return self._signal is not None

    @property
    def reason(self) -> str:
        """For the message."""
        return self._signal or "the wall-time limit is near"

    def ask(self, reason: str) -> None:
        """The run ends itself, to be started again."""
        self._signal = reason

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number).name
