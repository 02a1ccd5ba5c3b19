"""A clone is a place to work: a study that shares model, data and benchmarks with a published one runs to its table there."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from checkout import ROOT, Checkout, copy_tracked, real_job_python, tracked

from verizero.artifacts.code import code_digest

STUDY = """\
question: Does a fresh clone compute what it needs?
models: [smollm2-135m-instruct]
train_sets: [asdiv-train]
templates: [three-shot]
optimizers: [grpo-brief]
seeds: [9]
evaluation: {suites: [brief]}
"""
OPTIMIZER = """\
base: grpo-smollm2
steps: 1
rollout: {prompts: 2, samples: 4, max_tokens: 16}
"""
PROTOCOL = """\
protocols:
  sampled-brief: {temperature: 0.6, max_tokens: 8}
"""
SUITE = """\
suites:
  brief:
    engine: vllm
    dtype: bfloat16
    members: [{benchmark: aime24, protocol: sampled-brief, samples: 2}]
"""


@pytest.mark.parametrize("record", tracked("results/models/*/record.json"))
def test_the_record_of_a_tracked_model_is_of_the_present_code(record: str) -> None:
    stated = json.loads((ROOT / record).read_text(encoding="utf-8"))["code_sha256"]
    name = Path(record).parent.name
    assert stated == code_digest(ROOT / "scripts" / "prepare_model.py"), (
        f"a clone would not know where {name} comes from; prepare it again and commit its record.json"
    )


@pytest.mark.data
@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published files are not here"
)
def test_a_study_that_shares_everything_with_a_published_one_completes(tmp_path: Path) -> None:
    copy_tracked(tmp_path)
    clone = Checkout(tmp_path, real_job_python())
    published = {path.name for path in (ROOT / "results" / "published").glob("*/models/smollm2-135m-instruct")}
    assert published, "no published study has this model: the test has lost its point"
    (tmp_path / "config/studies/brief.yaml").write_text(STUDY)
    (tmp_path / "config/optimizers/grpo-brief.yaml").write_text(OPTIMIZER)
    clone.edit("config/registry/suites.yaml", "protocols:\n", PROTOCOL)
    clone.edit("config/registry/suites.yaml", "suites:\n", SUITE)
    clone.snakemake("--cores", "2", "--config", "study=brief", "tracking={enabled: false}")
    with (tmp_path / "results/studies/brief/tables/main.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "avg@2"]
    assert [(row["checkpoint"], row["n_problems"]) for row in rows] == [("0", "30"), ("1", "30")]
