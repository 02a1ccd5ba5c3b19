"""Three problems of every mirrored benchmark, from the file to the table, by the real jobs."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, copy_checkout

from verizero.config.problem_sets import Local
from verizero.config.registry import load_registry

REGISTRY = load_registry(ROOT / "config")
WHOLE = sorted(
    name
    for name, entry in REGISTRY.benchmarks.items()
    if isinstance(entry.source, Local) and entry.select.rule == "all"
)
PROBLEMS, SAMPLES = 3, 2
pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published data files are not here"
    ),
]


def test_every_mirrored_benchmark_reaches_the_table(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    registry = checkout.root / "config" / "registry"
    benchmarks = yaml.safe_load((registry / "benchmarks.yaml").read_text(encoding="utf-8"))
    for name in WHOLE:
        del benchmarks[name]["sha256"]
        benchmarks[name].pop("hub", None)
        benchmarks[name] |= {"n": PROBLEMS, "select": {"rule": "random", "n": PROBLEMS, "seed": 1}}
    (registry / "benchmarks.yaml").write_text(yaml.safe_dump(benchmarks), encoding="utf-8")
    members = [{"benchmark": name, "template": "plain", "protocol": "few", "samples": SAMPLES} for name in WHOLE]
    # Data sets of the registry name suites too, so the others stay.
    suites = yaml.safe_load((registry / "suites.yaml").read_text(encoding="utf-8"))
    suites["protocols"]["few"] = {"temperature": 1.0, "max_tokens": 12}
    suites["suites"]["all"] = {"members": members}
    (registry / "suites.yaml").write_text(yaml.safe_dump(suites), encoding="utf-8")
    checkout.edit("config/registry/models.yaml", "max_positions: 256", "max_positions: 8192")
    checkout.edit("config/registry/models.yaml", "max_model_len: 256", "max_model_len: 8192")
    checkout.edit("config/optimizers/grpo-toy.yaml", "steps: 120\ncheckpoints: [60]", "steps: 1\ncheckpoints: []")
    study = {"question": "Does every benchmark reach the table?", "models": ["tiny-init"], "train_sets": ["sums"]}
    study |= {"templates": ["plain"], "optimizers": ["grpo-toy"], "seeds": [1], "evaluation": {"suites": ["all"]}}
    (checkout.root / "config/studies/all.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")

    checkout.snakemake("--cores", "2", "--config", "study=all", "tracking={enabled: false}")
    with (checkout.root / "results/studies/all/tables/main.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["benchmark"] for row in rows} == set(WHOLE)
    assert {row["checkpoint"] for row in rows} == {"0", "1"}
    assert {(row["n_problems"], row["n_samples"]) for row in rows if row["metric"] == f"avg@{SAMPLES}"} == {
        (str(PROBLEMS), str(PROBLEMS * SAMPLES))
    }
