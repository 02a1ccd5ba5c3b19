"""What a run says while it trains: one line, at the front of a bar on a terminal, or every ten seconds in a log file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from tqdm import tqdm

from verizero.artifacts.progress import LINE_EVERY_SECONDS
from verizero.training.metrics import Metrics


class LiveLine:
    """Follows a run step by step.

    Args:
        steps: of the whole run.
        done: those that were done before, in an earlier session of the run.
    """

    def __init__(self, steps: int, done: int) -> None:
        self.steps, self.before = steps, done
        self.bar = tqdm(
            total=steps,
            initial=done,
            bar_format="{desc} |{bar}|",
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )
        self.begin = self.said = time.monotonic()

    def show(self, step: int, metrics: Metrics, timing: Mapping[str, float]) -> None:
        """A step is done; this is what was measured."""
        now = time.monotonic()
        left = (now - self.begin) / (step - self.before) * (self.steps - step)
        line = live_line(step, self.steps, left, metrics, timing["tokens_per_second"])
        self.bar.set_description_str(line, refresh=False)
        self.bar.update()
        if self.bar.disable and (now - self.said >= LINE_EVERY_SECONDS or step >= self.steps):
            self.said = now
            print(line, file=sys.stderr, flush=True)
        if step >= self.steps:
            self.bar.close()


def live_line(step: int, steps: int, seconds_left: float, metrics: Metrics, tokens_per_second: float) -> str:
    """The line, of at most 120 characters in a run of less than 100 000 steps; `-` stands for what a step has nothing of.

    Args:
        metrics: rewards are means over the step's responses, lengths are in tokens, the entropy is in nats; only a reward may be negative.
    """
    right, wrong = (_number(metrics[f"length_{which}_mean"], 0) for which in ("correct", "incorrect"))
    return (
        f"train {step}/{steps}, {_duration(seconds_left)} left  reward {_number(metrics['reward_mean'], 3)}  "
        f"length {right} right, {wrong} wrong  entropy {_number(metrics['entropy'], 3)}  {_number(tokens_per_second, 0)} tokens/s"
    )


def closing_line(timings: Sequence[Mapping[str, float]]) -> str:
    """What a run took: its longest phases with their shares of the time, and the phase that held most memory.

    Args:
        timings: of every step, as the event log has them; one without peaks was written by an earlier version.
    """
    seconds = _by_phase(timings, "seconds_", sum)
    whole = seconds.pop("step")
    longest = sorted(seconds, key=lambda phase: -seconds[phase])[:3]
    shares = ", ".join(f"{phase} {seconds[phase] / whole:.0%}" for phase in longest)
    line = f"{len(timings)} steps in {_duration(whole)}: {shares}"
    peaks = _by_phase(timings, "peak_gib_", max)
    if peaks:
        most = max(peaks, key=lambda phase: peaks[phase])
        line += f"; peak memory {peaks[most]:.2f} GiB of a process, in {most}"
    return line


def _by_phase(
    timings: Sequence[Mapping[str, float]], prefix: str, of: Callable[[list[float]], float]
) -> dict[str, float]:
    names = dict.fromkeys(name for timing in timings for name in timing if name.startswith(prefix))
    return {name.removeprefix(prefix): of([timing.get(name, 0.0) for timing in timings]) for name in names}


def _number(value: float | None, digits: int) -> str:
    """In at most 8 characters, 7 without a sign."""
    if value is None or not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    return text if len(text) <= 7 else f"{value:.1e}" if abs(value) < 1e100 else f"{value:.0e}"


def _duration(seconds: float) -> str:
    """As h:mm:ss, from a hundred hours on in days."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours < 100 else _number(hours / 24, 0) + " d"
