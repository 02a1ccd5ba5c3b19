"""How far a run is: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shown on standard error.

    Args:
        steps: of the whole run.
        done: steps done before this start.
        shown: False on all ranks but the first.
    """

    def __init__(self, steps: int, done: int, shown: bool) -> None:
        self._steps, self._done, self._begin = steps, done, time.monotonic()
        terminal = shown and sys.stderr.isatty()
        self._lines = shown and not terminal
        self._last = -SECONDS_BETWEEN_LINES
        self._bar = tqdm(total=steps, initial=done, unit="step", disable=not terminal, dynamic_ncols=True)

    def step(self, step: int, reward: float | None, tokens_per_second: float) -> None:
        """Tell of a step that has ended."""
        said = "-" if reward is None else f"{reward:.3f}"
        self._bar.set_postfix_str(f"reward {said}, {tokens_per_second:,.0f} tok/s", refresh=False)
        self._bar.update(1)
        now = time.monotonic()
        if self._lines and (now - self._last >= SECONDS_BETWEEN_LINES or step == self._steps):
            left = timedelta(seconds=round((now - self._begin) / max(step - self._done, 1) * (self._steps - step)))
            print(
                f"step {step}/{self._steps}  reward {said}  {tokens_per_second:,.0f} tok/s  {left} left",
                file=sys.stderr,
                flush=True,
            )
            self._last = now

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


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
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    def timing(self, tokens: int) -> dict[str, float]:
        """For the event log: seconds of each phase and of the whole, and sampled tokens per second of the whole."""
        total = self.total
        phases = {f"seconds_{name}": round(value, 4) for name, value in self.seconds.items()}
        return {**phases, "seconds_step": round(total, 4), "tokens_per_second": round(tokens / total, 1)}
