"""Where an artifact's inputs lie, from what its manifest says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from verizero.artifacts.job import Job
from verizero.tracking.lineage import Artifact


def test_a_set_may_follow_from_sets_from_grades_and_from_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["no-program"])
    run = "tiny.sums.plain.grpo-toy.s1"
    places = {"sums": "datasets/sums", "tiny/toy": "grades/tiny/toy", run: f"runs/{run}"}
    inputs = {name: tmp_path / place / "manifest.json" for name, place in places.items()}
    kinds = {"sums": "dataset", "tiny/toy": "suite-grades", run: "run"}
    for name, path in inputs.items():
        Job(kinds[name], name, {}, path).publish()
    out = tmp_path / "datasets" / "chosen" / "manifest.json"
    Job("dataset", "chosen", {}, out, inputs=inputs).publish()
    found = Artifact(out, tmp_path).upstream()
    assert {name: other.path for name, other in found.items()} == inputs
