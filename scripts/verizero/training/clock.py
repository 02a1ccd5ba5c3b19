"""Seconds and peak memory of a step, by phase."""

from __future__ import annotations

import time

from verizero.training.peak_memory import PeakMemory
from verizero.training.world import World


class Clock:
    """Wall time by phase, and the most memory that each held. Phases follow each other: naming one ends the one before.

    Args:
        memory: by which the peaks are taken; None takes none.
        earlier: seconds of a phase that were spent before.
    """

    def __init__(self, memory: PeakMemory | None = None, /, **earlier: float) -> None:
        self.seconds, self.peaks = dict(earlier), dict[str, float]()
        self.reserved = 0.0
        self._memory = memory
        self._mark = time.perf_counter()
        self._begin = self._mark - sum(earlier.values())
        self._phase: str | None = None

    def phase(self, name: str | None) -> None:
        """From now on time goes to this phase; None ends the last one."""
        now = time.perf_counter()
        if self._phase is not None:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._mark
        self._measure()
        self._phase, self._mark = name, now

    def _measure(self) -> None:
        if self._memory is None:
            return
        if self._phase is not None:
            self.peaks[self._phase] = max(self.peaks.get(self._phase, 0.0), self._memory.gib())
            self.reserved = max(self.reserved, self._memory.reserved_gib() or 0.0)
        self._memory.begin()

    @property
    def now(self) -> tuple[str | None, float]:
        """The phase, and when it was last named."""
        return self._phase, self._mark

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    def timing(self, tokens: int, world: World) -> dict[str, float]:
        """For the event log: seconds of each phase and of the whole, and sampled tokens per second of the whole.

        The peaks, in GiB, are those of the rank that held most; all ranks call this together.
        """
        total = self.total
        found = {f"seconds_{name}": round(value, 4) for name, value in self.seconds.items()}
        found |= {"seconds_step": round(total, 4), "tokens_per_second": round(tokens / total, 1)}
        *peaks, reserved = world.maxima([*self.peaks.values(), self.reserved])
        found |= {f"peak_gib_{name}": round(peak, 3) for name, peak in zip(self.peaks, peaks, strict=True)}
        return found | ({"reserved_gib": round(reserved, 3)} if reserved else {})
