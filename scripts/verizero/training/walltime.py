"""When to stop before being stopped: a wall-time limit, or the scheduler's signal."""

from __future__ import annotations

import signal
import time
from types import FrameType

SPARE_SECONDS = 15.0
"""For the start of the interpreter, which no clock here sees, and for the end."""


class StopRequest:
    """Knows whether the run should save and end.

    SIGTERM and SIGUSR1 only raise a flag, which the loop reads between two steps.

    Args:
        minutes: wall time from now on; None for no limit.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._deadline = None if minutes is None else time.monotonic() + 60 * minutes
        self._signal: str | None = None
        self._longest = 0.0
        self._last = time.monotonic()

    def listen(self) -> StopRequest:
        """Catch the signals with which schedulers announce the end."""
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)
        return self

    def step_done(self) -> None:
        """Tell that a step has ended: the longest one so far is what the next may need."""
        now = time.monotonic()
        self._longest, self._last = max(self._longest, now - self._last), now

    def due(self) -> bool:
        """Whether a signal came, or the time left would not be enough for one more step and a save."""
        if self._signal is not None:
            return True
        needed = 1.5 * self._longest + SPARE_SECONDS
        return self._deadline is not None and time.monotonic() + needed >= self._deadline

    @property
    def reason(self) -> str:
        """For the message."""
        return self._signal or "the wall-time limit is near"

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number).name
