"""Seconds of a step, by phase."""

from __future__ import annotations

import time


class Clock:
    """Seconds of wall time by phase. Phases follow each other: naming one ends the one before.

    Args:
        earlier: seconds of a phase that were spent before.
    """

    def __init__(self, **earlier: float) -> None:
        self.seconds = dict(earlier)
        self._mark = time.perf_counter()
        self._begin = self._mark - sum(earlier.values())
        self._phase: str | None = None

    def phase(self, name: str | None) -> None:
        """From now on time goes to this phase; None ends the last one."""
        now = time.perf_counter()
        if self._phase is not None:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._mark
        self._phase, self._mark = name, now

    @property
    def now(self) -> tuple[str | None, float]:
        """The phase, and when it was last named."""
        return self._phase, self._mark

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    def timing(self, tokens: int) -> dict[str, float]:
        """For the event log: seconds of each phase and of the whole, and sampled tokens per second of the whole."""
        total = self.total
        phases = {f"seconds_{name}": round(value, 4) for name, value in self.seconds.items()}
        return {**phases, "seconds_step": round(total, 4), "tokens_per_second": round(tokens / total, 1)}
