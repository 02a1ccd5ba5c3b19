"""A payload that is not here is brought back when somebody needs it, by its own job, and nothing behind it runs again.

The jobs are stand-ins with real identities and real payload checks; what is under test is what Snakemake does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from checkout import Checkout, copied, two_seeds_of_grpo

from verizero.config.plan import Plan
from verizero.tracking.bringing import look_for_absent

OFF = ("--config", "tracking={enabled: false}")
AGAIN = ("--config", "tracking={enabled: false}", "runtime={recompute: [pretrain, train]}")
GRPO = "tiny.sums.plain.grpo-toy.s"


def of_run(*runs: str) -> set[str]:
    """A run, its evaluation, and the study."""
    each = {f"{kind}/{run}@120/toy" for kind in ("samples", "grades") for run in runs}
    return {f"runs/{run}" for run in runs} | each | {"studies/demo"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The demo study with two seeds of one optimizer, done."""
    checkout = two_seeds_of_grpo(tmp_path_factory.mktemp("finished"))
    checkout.snakemake("--cores", "2", *OFF)
    return checkout


@pytest.fixture
def checkout(finished: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    with copied(finished, tmp_path / "checkout") as copy:
        yield copy


def one_more_seed(checkout: Checkout) -> None:
    checkout.edit("config/studies/demo.yaml", "[1, 2]", "[1, 2, 3]")


def manifests(checkout: Checkout) -> dict[str, bytes]:
    found = (checkout.root / "results").rglob("manifest.json")
    return {path.relative_to(checkout.root).as_posix(): path.read_bytes() for path in found}


def brought_back(checkout: Checkout, *arguments: str) -> list[str]:
    """What a call with these arguments makes again first, in its order."""
    pairs = (argument.partition("=") for argument in arguments if "=" in argument)
    with contextlib.chdir(checkout.root):
        plan = Plan(checkout.root, {key: yaml.safe_load(value) for key, _, value in pairs})
        levels = look_for_absent(plan, Path("results")).levels()
    return [output.parent.relative_to("results").as_posix() for level in levels for output in level]


def lose(checkout: Checkout, *folders: str) -> None:
    for folder in folders:
        shutil.rmtree(checkout.root / "results" / folder)


def test_what_nobody_needs_may_be_absent(checkout: Checkout) -> None:
    lose(checkout, "datasets/sums/payload", "models/tiny/payload", f"runs/{GRPO}1/payload")
    assert checkout.planned(*OFF) == set()


def test_a_payload_that_a_new_seed_needs_is_made_again_alone(checkout: Checkout) -> None:
    before = manifests(checkout)
    lose(checkout, "datasets/sums/payload")
    one_more_seed(checkout)
    assert checkout.planned(*OFF) == of_run(f"{GRPO}3")
    done = checkout.snakemake("--cores", "2", *OFF)
    said = [line for line in done.stderr.splitlines() if "its payload is not here" in line]
    assert len(said) == 1
    assert said[0].startswith(
        "results/datasets/sums: its payload is not here (said.json) and `train` of tiny.sums.plain.grpo-toy.s3 needs it; "
        "its job makes it again first"
    )
    after = manifests(checkout)
    assert {name for name in before if before[name] != after[name]} == {"results/studies/demo/manifest.json"}
    assert checkout.planned(*OFF) == set()
    assert not (checkout.root / "results/.scratch/expected").exists()

    checkout.edit("config/studies/demo.yaml", "[1, 2, 3]", "[1, 2, 3, 4]")
    lose(checkout, "datasets/sums/payload")
    checkout.snakemake("--cores", "2", *OFF)
    assert checkout.planned(*OFF) == set()


def test_weights_are_not_trained_again_without_being_told_and_their_cost_is_named(checkout: Checkout) -> None:
    record = checkout.root / "results/models/tiny/record.json"
    known = json.loads(record.read_text())
    known["attempts"] = [
        {"started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T02:30:00+00:00", "outcome": "done"}
    ]
    known["gpus"] = ["NVIDIA H100"] * 8
    record.write_text(json.dumps(known))
    lose(checkout, "models/tiny/payload")
    one_more_seed(checkout)
    before = manifests(checkout)
    done = checkout.snakemake("--cores", "2", *OFF, check=False)
    assert done.returncode != 0
    assert (
        "results/models/tiny/payload/said.json is not here and `train` of tiny.sums.plain.grpo-toy.s3 needs it; no `.dvc` file "
        "says where it could be pulled from. Making it again cost 2.5 h on 8 x NVIDIA H100 the last time: "
        "`--config 'runtime={recompute: [pretrain]}'` allows it; or put the files back"
    ) in done.stderr
    assert manifests(checkout) == before
    assert brought_back(checkout, *AGAIN) == ["models/tiny"]
    checkout.snakemake("--cores", "2", *AGAIN)
    assert checkout.planned(*OFF) == set()


def test_tables_need_curves_and_no_weights(checkout: Checkout) -> None:
    lose(checkout, *(f"runs/{GRPO}{seed}/payload/step-120" for seed in (1, 2)))
    one_more_seed(checkout)
    assert checkout.planned(*OFF) == of_run(f"{GRPO}3")
    checkout.snakemake("--cores", "2", *OFF)
    assert checkout.planned(*OFF) == set()


def test_another_grader_needs_samples_and_samples_need_the_weights_of_their_step(checkout: Checkout) -> None:
    text = (checkout.root / "config/registry/suites.yaml").read_text()
    begin = text.index("  toy:\n") + len("  toy:\n")
    checkout.edit(
        "config/registry/suites.yaml", text[begin - 7 : begin], text[begin - 7 : begin] + "    grader: math-verify\n"
    )
    suites = ("tiny.plain", f"{GRPO}1@120", f"{GRPO}2@120")
    grades = {f"grades/{subject}/toy" for subject in suites} | {"studies/demo"}
    assert checkout.planned(*OFF) == grades
    lose(checkout, f"samples/{GRPO}1@120/toy/sums-id.plain.sampled-toy/payload")
    assert brought_back(checkout, *OFF) == [f"samples/{GRPO}1@120/toy"]
    lose(checkout, f"runs/{GRPO}1/payload/step-120")
    said = checkout.snakemake("-n", *OFF).stderr
    assert f"results/runs/{GRPO}1/payload/step-120/model.safetensors is not here" in said
    assert "recompute: [train]" in said
    before = manifests(checkout)
    assert brought_back(checkout, *AGAIN) == [f"runs/{GRPO}1", f"samples/{GRPO}1@120/toy"]
    assert checkout.planned(*AGAIN) == grades
    checkout.snakemake("--cores", "2", *AGAIN)
    changed = {name.split("/")[1] for name, text in manifests(checkout).items() if before[name] != text}
    assert changed == {"grades", "studies"}
    assert checkout.planned(*OFF) == set()


def test_a_new_benchmark_leaves_the_other_members_whole(checkout: Checkout) -> None:
    member = "results/samples/tiny.plain/toy/sums-id.plain.sampled-toy"
    shutil.rmtree(checkout.root / member / "payload")
    checkout.edit(
        "config/registry/suites.yaml",
        "      - {benchmark: sums-ood, ",
        "      - {benchmark: gsm8k, protocol: greedy-toy}\n      - {benchmark: sums-ood, ",
    )
    before = (checkout.root / member / "manifest.json").read_bytes()
    checkout.snakemake("--cores", "2", *OFF)
    assert (checkout.root / member / "payload").is_dir()
    assert (checkout.root / member / "manifest.json").read_bytes() == before


def test_a_run_whose_folder_is_gone_is_made_again(checkout: Checkout) -> None:
    before = manifests(checkout)
    lose(checkout, f"runs/{GRPO}2")
    assert f"runs/{GRPO}2" in checkout.planned(*OFF)
    checkout.snakemake("--cores", "2", *OFF)
    assert manifests(checkout) == before


def test_a_suite_whose_folder_is_gone_is_made_again(checkout: Checkout) -> None:
    lose(checkout, f"samples/{GRPO}2@120")
    assert f"samples/{GRPO}2@120/toy" in checkout.planned(*OFF)


def test_what_comes_out_different_is_named_and_not_taken(checkout: Checkout) -> None:
    lose(checkout, "datasets/sums/payload")
    one_more_seed(checkout)
    (checkout.root / "salt").write_text("another machine")
    before = manifests(checkout)
    done = checkout.snakemake("--cores", "2", "--show-failed-logs", *OFF, check=False)
    assert done.returncode != 0
    assert "results/datasets/sums/manifest.json: its payload was made again and comes out different: " in done.stderr
    assert "payload/said.json has SHA-256" in done.stderr
    assert "the environment is the same" in done.stderr
    assert manifests(checkout) == before
    (checkout.root / "salt").unlink()
    assert brought_back(checkout, *OFF) == ["datasets/sums"]
    assert checkout.planned(*OFF) == of_run(f"{GRPO}3")
    checkout.snakemake("--cores", "2", *OFF)
    assert checkout.planned(*OFF) == set()


def test_a_call_that_was_killed_takes_no_manifest_away(checkout: Checkout) -> None:
    """As a driver leaves it that was killed while a data set was being made again."""
    lose(checkout, "datasets/sums/payload")
    one_more_seed(checkout)
    kept = checkout.root / "results/.scratch/expected/datasets/sums"
    kept.mkdir(parents=True)
    for name in ("manifest.json", "record.json"):
        shutil.copy(checkout.root / "results/datasets/sums" / name, kept / name)
    (checkout.root / "results/datasets/sums/manifest.json").unlink()
    assert brought_back(checkout, *OFF) == ["datasets/sums"]
    assert checkout.planned(*OFF) == of_run(f"{GRPO}3")
    checkout.snakemake("--cores", "2", *OFF)
    assert checkout.planned(*OFF) == set()


def test_forceall_in_a_clone_makes_everything(checkout: Checkout) -> None:
    before = manifests(checkout)
    for folder in sorted((checkout.root / "results").rglob("payload")):
        shutil.rmtree(folder)
    checkout.snakemake("--cores", "2", "--forceall", *OFF)
    assert manifests(checkout) == before
    assert checkout.planned(*OFF) == set()


def test_one_more_seed_of_a_restored_clone_trains_that_seed_alone(finished: Checkout, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    ignored = shutil.ignore_patterns(".snakemake", "payload", ".scratch", "logs", "benchmarks")
    shutil.copytree(finished.root, root, symlinks=True, ignore=ignored)
    clone = Checkout(root, finished.job_python)
    assert clone.program("scripts/restore.py", "--config", OFF[1]).returncode == 0
    assert clone.planned(*OFF) == set()
    one_more_seed(clone)
    assert "recompute: [pretrain, train]" in clone.snakemake("-n", *OFF).stderr
    bring(finished, root, "models/tiny/payload/said.json")
    for seed in (1, 2):
        bring(finished, root, f"runs/{GRPO}{seed}/payload/curves.jsonl")
    # The old seeds' grades enter the table; to grade them again takes samples, and these take weights.
    assert "recompute: [train]" in clone.snakemake("-n", *OFF).stderr
    shutil.copytree(finished.root / "results/grades", root / "results/grades", dirs_exist_ok=True)
    assert set(brought_back(clone, *OFF)) == {"datasets/sums", "datasets/sums-id", "datasets/sums-ood"}
    assert clone.planned(*OFF) == of_run(f"{GRPO}3")
    clone.snakemake("--cores", "2", *OFF)
    assert clone.planned(*OFF) == set()


def bring(source: Checkout, root: Path, file: str) -> None:
    (root / "results" / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source.root / "results" / file, root / "results" / file)


def test_results_may_be_a_link_to_another_file_system(checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "scratch-of-the-cluster"
    shutil.move(checkout.root / "results", elsewhere)
    os.symlink(elsewhere, checkout.root / "results")
    lose(checkout, "datasets/sums/payload", "datasets/sums-id/payload")
    one_more_seed(checkout)
    assert brought_back(checkout, *OFF) == ["datasets/sums-id", "datasets/sums"], "what a payload needs comes before it"
    assert checkout.planned(*OFF) == of_run(f"{GRPO}3")
    checkout.snakemake("--cores", "2", *OFF)
    assert checkout.planned(*OFF) == set()
    assert sorted(path.name for path in (elsewhere / ".scratch").iterdir()) == []
