"""A training set that depends on what models made of its problems is an edge of the workflow, and a study may train nothing."""

from __future__ import annotations

import pytest
from checkout import Checkout, two_seeds_of_grpo

SETS = """
sums-band:
  source: {kind: sets, names: [sums]}
  filters:
    - pass_rate: {subject: tiny.plain, suite: sums-probe, low: 0.25, high: 0.75}

sums-best:
  source: {kind: sets, names: [sums-band]}
  select: {rule: historical-variance, run: tiny.sums-band.plain.grpo-toy.s1, n: 1}
"""
SUITE = """
  sums-probe:
    members:
      - {benchmark: sums, protocol: sampled-toy, samples: 4}
"""
CHAIN = {
    "datasets/sums-band",
    "datasets/sums-best",
    "runs/tiny.sums-band.plain.grpo-toy.s1",
    "runs/tiny.sums-best.plain.grpo-toy.s1",
    "runs/tiny.sums-best.plain.grpo-toy.s2",
    "samples/tiny.plain/sums-probe",
    "grades/tiny.plain/sums-probe",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = two_seeds_of_grpo(tmp_path_factory.mktemp("chosen"))
    for file, text in (("datasets", SETS), ("suites", SUITE)):
        with (made.root / f"config/registry/{file}.yaml").open("a", encoding="utf-8") as stream:
            stream.write(text)
    made.edit("config/studies/demo.yaml", "train_sets: [sums]", "train_sets: [sums-best]")
    return made


def test_everything_that_a_set_depends_on_is_made_first_and_once(checkout: Checkout) -> None:
    planned = checkout.planned()
    assert planned >= CHAIN
    assert "runs/tiny.sums-band.plain.grpo-toy.s2" not in planned, "one run is asked for its history"
    checkout.snakemake("--cores", "2", "--config", "tracking={enabled: false}")
    assert checkout.planned("--config", "tracking={enabled: false}") == set()


def test_another_band_runs_what_depends_on_it_and_no_probe_again(checkout: Checkout) -> None:
    checkout.edit(
        "config/registry/datasets.yaml", "sums-probe, low: 0.25, high: 0.75", "sums-probe, low: 0.25, high: 0.5"
    )
    planned = checkout.planned("--config", "tracking={enabled: false}")
    assert "datasets/sums-band" in planned
    assert not {"samples/tiny.plain/sums-probe", "grades/tiny.plain/sums-probe", "datasets/sums"} & planned
    checkout.edit(
        "config/registry/datasets.yaml", "sums-probe, low: 0.25, high: 0.5", "sums-probe, low: 0.25, high: 0.75"
    )


def test_a_study_without_training_evaluates_its_models(checkout: Checkout) -> None:
    study = "question: What can it do?\nmodels: [tiny]\ntemplates: [plain]\nevaluation:\n  suites: [toy]\n  probes: [sums-probe]\n"
    (checkout.root / "config/studies/base.yaml").write_text(study, encoding="utf-8")
    planned = checkout.planned("--config", "study=base", "tracking={enabled: false}")
    # what its model was pretrained on is compared with its benchmarks too
    assert planned == {"studies/base", "overlaps/base/sums-corpus"}, "the demo has made everything else"
    checkout.edit("config/studies/base.yaml", "templates:", "seeds: [1]\ntemplates:")
    refused = checkout.snakemake("-n", "--config", "study=base", check=False)
    assert refused.returncode != 0
    assert "`train_sets` is empty, so nothing would be trained" in refused.stdout + refused.stderr


def test_checkpoints_may_be_decoded_otherwise_than_base_models(checkout: Checkout) -> None:
    before = checkout.planned("--config", "tracking={enabled: false}")
    checkout.edit("config/studies/demo.yaml", "suites: [toy]", "suites: [toy]\n  checkpoint_suites: [toy-greedy]")
    with (checkout.root / "config/registry/suites.yaml").open("a", encoding="utf-8") as stream:
        stream.write("  toy-greedy:\n    members: [{benchmark: sums-id, protocol: greedy-toy}]\n")
    runs = [f"tiny.sums-best.plain.grpo-toy.s{seed}@120" for seed in (1, 2)]
    assert checkout.planned("--config", "tracking={enabled: false}") - before == {
        f"{kind}/{run}/toy-greedy" for kind in ("samples", "grades") for run in runs
    } | {"studies/demo"}
