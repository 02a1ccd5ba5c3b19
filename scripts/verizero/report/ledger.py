"""`ledger.json`: every run and every graded suite that the study plans, with its state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from verizero.artifacts.manifest import digest_of
from verizero.config.spec import StudySpec
from verizero.evidence.reading import run_path, suite_path


def ledger(spec: StudySpec, results: Path) -> dict[str, Any]:
    """Planned runs and cells by id, each with its state and, when done, its manifest's SHA-256.

    States: `done` (its manifest is there), `paused` (it saved its state and waits to be started again),
    `running or killed` (it was started; from here the two look alike), `missing` (it was never started).
    Nothing of when or where is here: the same artifacts give the same ledger, and how each came to be is in its record.
    """
    runs = [{**run.model_dump(), **_state(run_path(results, run.id), results, "run", run.id)} for run in spec.runs]
    cells = [
        {
            "grades": cell.grades,
            "step": cell.step,
            "seed": cell.seed,
            **_state(suite_path(results, cell), results, "suite-grades", cell.grades),
        }
        for cell in spec.cells
    ]
    return {
        "study": spec.name,
        "counts": {"runs": _counts(runs), "cells": _counts(cells)},
        "runs": runs,
        "cells": cells,
    }


def _counts(entries: list[dict[str, Any]]) -> dict[str, int]:
    states = [entry["state"] for entry in entries]
    return {"planned": len(states), **{state: states.count(state) for state in sorted({*states, "done"})}}


def _state(manifest: Path, results: Path, kind: str, id: str) -> dict[str, str | None]:
    if manifest.is_file():
        return {"state": "done", "manifest_sha256": digest_of(manifest)}
    logs = sorted((results / ".scratch").glob(f"{kind}-{id.replace('/', '~')}-{'[0-9a-f]' * 8}/attempts.jsonl"))
    outcomes = [_last_outcome(log) for log in logs]
    state = "running or killed" if "running or killed" in outcomes else outcomes[-1] if outcomes else "missing"
    return {"state": state, "manifest_sha256": None}


def _last_outcome(log: Path) -> str:
    """What the last note of a job says: it paused, or nothing after its start."""
    last: dict[str, Any] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            last = json.loads(line) if line else last
        except json.JSONDecodeError:  # cut by a crash
            continue
    return "paused" if last.get("outcome") == "paused" else "running or killed"
