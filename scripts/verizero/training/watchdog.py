"""A run that makes no progress ends, and says where it stood: an engine or a collective that hangs would hold its GPUs for ever."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from pathlib import Path

from verizero.training.clock import Clock
from verizero.training.faults import report

EXIT_STALLED = 70
"""Not 0, so that the run is started again and goes on from its last state."""


class Watchdog:
    """Ends the process when nothing has happened for too long.

    Progress is a new phase of a step, another update, or a completion that was finished.

    Args:
        minutes: without progress; 0 for no end.
    """

    def __init__(self, minutes: float) -> None:
        self.seconds = 60.0 * minutes
        self._shared: Path | None = None
        self._told, self._shared_seen, self._shared_beat = 0.0, 0, 0.0
        self._step: int | None = None
        self._clock: Clock | None = None
        self._beat = time.perf_counter()
        self._over = threading.Event()

    def start(self) -> Watchdog:
        """Watch from now on."""
        if self.seconds:
            self._arm()
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def share(self, file: Path) -> None:
        """Count the progress of the other processes of the run too, which touch the same file: some wait for one that samples long."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        self._shared = file

    def follow(self, step: int, clock: Clock) -> None:
        """A step has begun; its clock knows the phase."""
        self._step, self._clock = step, clock
        self.beat()

    def beat(self, completions: int = 0, tokens: int = 0) -> None:
        """There is progress; an engine calls this while it samples."""
        self._beat = time.perf_counter()

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _arm(self) -> None:
        """Python's own alarm, for where the watching thread is not let run: what hangs may hold the interpreter's lock."""
        faulthandler.dump_traceback_later(1.5 * self.seconds, exit=True)

    def _watch(self) -> None:
        while not self._over.wait(min(10.0, self.seconds / 4)):
            self._arm()
            phase, named = self._clock.now if self._clock else (None, self._beat)
            latest = self._latest_of_all(max(named, self._beat))
            if time.perf_counter() - latest >= self.seconds:
                self._end(phase)
        faulthandler.cancel_dump_traceback_later()

    def _latest_of_all(self, own: float) -> float:
        """When there was progress last, here or elsewhere. That of others counts when it is seen: clocks of machines differ."""
        if self._shared is None:
            return own
        try:
            if own > self._told:
                os.utime(self._shared)
                self._told = own
            elif (seen := self._shared.stat().st_mtime_ns) != self._shared_seen:
                self._shared_seen, self._shared_beat = seen, time.perf_counter()
        except OSError:  # a file system that fails is no progress
            pass
        return max(own, self._shared_beat)

    def _end(self, phase: str | None) -> None:
        where = (
            f"in phase `{phase}` of step {self._step}"
            if phase
            else "before its first step"
            if self._step is None
            else f"after step {self._step}"
        )
        sentence = (
            f"rank {os.environ.get('RANK', 0)} has made no progress for {self.seconds / 60:g} minutes (runtime.stall_minutes) {where}: an engine, a collective or a "
            "file system hangs; the run ends, and goes on from its last state when it is started again"
        )
        print(f"error: {sentence}. What each thread was doing:", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(all_threads=True)
        report(sentence)
        os._exit(EXIT_STALLED)


UNWATCHED = Watchdog(0)
