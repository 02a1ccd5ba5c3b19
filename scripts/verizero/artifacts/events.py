"""`events.jsonl`: what happened during a job, one JSON object a line, appended as it happens.

Jobs on compute nodes need no network: one local job sends these events to a tracking server later.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

EVENTS_FILE = "events.jsonl"
"""Beside the manifest of a run."""
CURVES_FILE = "curves.jsonl"
"""In the payload of a run: its metrics by step, without times. Tables and figures read this and no weights."""
HISTORY_FILE = "history.jsonl"
"""In the payload of a run: for each problem the steps that trained on it and the share of right completions in each."""
ROLLOUTS_FOLDER = "rollouts"
"""In the payload of a run: the completions of the steps that its optimizer's `kept_rollouts` names."""


def rollouts_file(step: int) -> str:
    """Where the completions of a step are, inside the payload of a run."""
    return f"{ROLLOUTS_FOLDER}/step-{step}.parquet"


class EventLog:
    """An append-only log of metrics. On resuming, events of steps that will be done again are cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def keep_through(self, step: int) -> None:
        """Drop every event after a step, and a last line that a crash cut: resuming starts behind it."""
        kept = [json.dumps(event) for event in self.events() if event["step"] <= step]
        temporary = self.path.with_suffix(".partial")
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        os.replace(temporary, self.path)

    def write(self, step: int, metrics: dict[str, float | int | None], timing: dict[str, float]) -> None:
        """Append one step: `metrics` follow from the spec and the seed, `timing` does not."""
        event = {"step": step, "time": round(time.time(), 3), "metrics": metrics, "timing": timing}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(event, allow_nan=False) + "\n")

    def events(self) -> list[dict[str, Any]]:
        """Every whole event, in order."""
        return read_events(self.path)


def read_events(path: Path) -> list[dict[str, Any]]:
    """The whole events of a log; a line that a crash cut is left out."""
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
