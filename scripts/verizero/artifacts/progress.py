"""Progress of long work: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm

LINE_EVERY_SECONDS = 10.0


class Progress:
    """Counts up to a total and says how far it is, with the time left.

    Use:
        with Progress("train", steps, "step") as progress:
            progress.advance(1, reward=0.4, tokens_per_second=900)
    """

    def __init__(self, what: str, total: int, unit: str, initial: int = 0) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, initial
        self.bar = tqdm(
            total=total, initial=initial, desc=what, unit=unit, dynamic_ncols=True, disable=not sys.stderr.isatty()
        )
        self.begin = self.said = time.monotonic()
        self.initial = initial

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def advance(self, by: int = 1, **shown: float | None) -> None:
        """Some more is done; numbers to show beside it."""
        self.done += by
        self.bar.set_postfix({name: _short(value) for name, value in shown.items()}, refresh=False)
        self.bar.update(by)
        now = time.monotonic()
        if self.bar.disable and (now - self.said >= LINE_EVERY_SECONDS or self.done >= self.total):
            self.said = now
            left = (now - self.begin) / max(1, self.done - self.initial) * (self.total - self.done)
            words = " ".join(f"{name}={_short(value)}" for name, value in shown.items())
            print(
                f"{self.what}: {self.done}/{self.total} {self.unit}, {left:.0f} s left {words}".rstrip(),
                file=sys.stderr,
                flush=True,
            )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
