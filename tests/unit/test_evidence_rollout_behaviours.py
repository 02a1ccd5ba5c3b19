"""The completions that a run kept while it trained, measured step by step."""

from __future__ import annotations

import json
import sys

import evidence_fabricated as fabricated
import pytest
from test_report_rollouts import publish, row

from verizero.artifacts.job import Job
from verizero.evidence.behaviours import METRICS
from verizero.evidence.rollout_behaviours import read_step, rollout_rows

SPEC = fabricated.spec_of(seeds=(1,), optimizers=("grpo",), behaviours=True)
[RUN] = SPEC.runs


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["no-program"])
    found = tmp_path / "results"
    job = Job("dataset", "sums", {}, found / "datasets" / "sums" / "manifest.json")
    rows = [{"id": f"p{n}", "problem": f"A{n}B2=", "answers": ["1"], "kind": "math"} for n in range(3)]
    (job.staging / "problems.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    job.publish()
    return found


def step(reflecting):
    """Three prompts, two samples each; so many of them reflect, and each second one is truncated without a box."""
    texts = [("Wait, ", "2", "+2=", "\\boxed{4}") if n < reflecting else ("2", "+2=", "\\boxed{4}") for n in range(6)]
    return [
        row(n // 2, n % 2, list(text[: 2 if n % 2 else None]), finish="length" if n % 2 else "stop")
        for n, text in enumerate(texts)
    ]


def test_each_kept_step_has_its_rows(results):
    publish(results, RUN.id, {20: step(4), 3: step(0)})
    rows, unread = rollout_rows(SPEC, results)
    assert not unread and len(rows) == 2 * len(METRICS)
    found = {(one["step"], one["metric"]): one for one in rows}
    assert [one["step"] for one in rows][:: len(METRICS)] == ["3", "20"]
    assert found["3", "reflection_c"]["estimate"] == "0.000000"
    assert found["20", "reflection_c"]["estimate"] == "0.666667"
    assert found["20", "box_rate"]["estimate"] == found["20", "clip_ratio"]["estimate"] == "0.500000"
    assert (found["20", "answer_rate"]["n_problems"], found["20", "answer_rate"]["n_samples"]) == ("3", "6")


def test_a_step_whose_prompts_have_different_numbers_of_samples_is_read_too(results):
    folder = publish(results, RUN.id, {1: step(1)[:5]})
    assert read_step(folder / "step-1.parquet", {}).grades.correct.shape == (5, 1)


def test_absent_completions_are_said_to_be_and_a_run_that_keeps_none_has_no_table(results):
    folder = publish(results, RUN.id, {1: step(1)})
    (folder / "step-1.parquet").unlink()
    rows, unread = rollout_rows(SPEC, results)
    assert rows == [] and "its kept completions or its problems are not on this machine" in unread[0]
    publish(results, RUN.id, {})
    assert rollout_rows(SPEC, results) == (None, [])
