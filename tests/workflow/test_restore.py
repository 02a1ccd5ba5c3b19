"""After a fresh clone, Snakemake knows again which jobs are done: exactly those that would give what is here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Checkout, copy_checkout, fake_job_python
from fabricated import NAME, Fabricated, fabricate

SEED_1 = "tiny.sums.plain.dr-grpo-toy.s1"
OFF = "tracking={enabled: false}"
TIMES = ("starttime", "endtime", "job_hash")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The demo study, run by Snakemake with stand-in jobs."""
    folder = tmp_path_factory.mktemp("finished")
    checkout = copy_checkout(folder / "checkout", fake_job_python(folder))
    checkout.snakemake("--cores", "2", "--config", OFF)
    return checkout


@pytest.fixture
def clone(finished: Checkout, tmp_path: Path) -> Checkout:
    """What git would bring: manifests and records, no payloads, no memory, and modification times upside down."""
    root = tmp_path / "clone"
    shutil.copytree(
        finished.root,
        root,
        symlinks=True,
        ignore=shutil.ignore_patterns(".snakemake", "payload", ".scratch", "logs", "benchmarks"),
    )
    upside_down(root)
    return Checkout(root, finished.job_python)


def upside_down(root: Path) -> None:
    for age, file in enumerate(sorted((root / "results").rglob("*.json"), key=lambda file: file.stat().st_mtime)):
        os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))


def planned(clone: Checkout) -> set[str]:
    return clone.planned("--config", OFF)


def restored(clone: Checkout) -> subprocess.CompletedProcess[str]:
    return clone.program("scripts/restore.py", "--config", OFF)


def metadata(root: Path) -> dict[str, dict[str, object]]:
    """Snakemake's records by file name, without what differs from run to run."""
    files = [file for file in (root / ".snakemake" / "metadata").rglob("*") if file.is_file()]
    records = {file.relative_to(root).as_posix(): json.loads(file.read_text()) for file in files}
    return {name: {key: value for key, value in record.items() if key not in TIMES} for name, record in records.items()}


def test_a_clone_without_memory_would_run_everything_again(clone: Checkout) -> None:
    assert "runs/tiny.sums.plain.dr-grpo-toy.s1" in planned(clone)


def test_a_restored_clone_has_nothing_to_do(clone: Checkout) -> None:
    done = restored(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert planned(clone) == set()


def test_the_memory_is_the_one_that_a_run_leaves(finished: Checkout, clone: Checkout) -> None:
    restored(clone)
    assert metadata(clone.root) == metadata(finished.root)


def test_a_restored_clone_still_sees_a_change(clone: Checkout) -> None:
    restored(clone)
    clone.edit("config/optimizers/dr-grpo-toy.yaml", "length: 128", "length: 127")
    runs = {name for name in planned(clone) if name.startswith("runs/")}
    assert runs == {f"runs/tiny.sums.plain.dr-grpo-toy.s{seed}" for seed in (1, 2, 3)}


def test_a_run_made_with_another_spec_is_left_alone_with_what_follows(clone: Checkout) -> None:
    clone.edit("config/optimizers/dr-grpo-toy.yaml", "length: 128", "length: 127")
    done = restored(clone)
    assert done.returncode == 1
    assert (
        f"results/runs/{SEED_1}/manifest.json: left alone, it was made with another optimizer.weight.length"
        in done.stdout
    )
    assert "runs/tiny.sums.plain.grpo-toy.s1" not in planned(clone)
    assert f"runs/{SEED_1}" in planned(clone)


def test_a_run_made_by_other_code_is_left_alone(clone: Checkout) -> None:
    file = clone.root / "scripts" / "train.py"
    file.write_text(file.read_text() + "\nEDITED = 1\n")
    done = restored(clone)
    assert f"results/runs/{SEED_1}/manifest.json: left alone, it was made by another version of train.py" in done.stdout
    assert f"runs/{SEED_1}" in planned(clone)
    assert "models/tiny" not in planned(clone)


def test_what_is_left_alone_is_due_also_where_its_files_are_newer(clone: Checkout) -> None:
    for name in ("scripts/train.py", "scripts/aggregate.py"):
        (clone.root / name).write_text((clone.root / name).read_text() + "\nEDITED = 1\n")
    for at, kind in enumerate(("datasets", "models", "runs", "samples", "grades", "studies"), start=1):
        for manifest in (clone.root / "results" / kind).rglob("manifest.json"):
            os.utime(manifest, (at, at))
    restored(clone)
    assert {f"runs/{SEED_1}", "studies/demo"} <= planned(clone)


def test_a_changed_upstream_manifest_is_not_taken_for_the_old_one(clone: Checkout) -> None:
    folder = clone.root / "results" / "datasets" / "sums"
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["counts"] = {"problems": 1}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    done = restored(clone)
    assert "results/datasets/sums/manifest.json: left alone, its record.json is of another manifest" in done.stdout
    assert (
        f"results/runs/{SEED_1}/manifest.json: left alone, it was made from another results/datasets/sums/manifest.json"
        in done.stdout
    )
    assert f"runs/{SEED_1}" in planned(clone)


def test_what_is_absent_is_done_and_nothing_else(clone: Checkout) -> None:
    shutil.rmtree(clone.root / "results" / "studies")
    done = restored(clone)
    assert "results/studies/demo/manifest.json: left alone, its manifest is not here" in done.stdout
    assert planned(clone) == {"studies/demo"}


def test_old_memory_of_another_state_is_brought_up_to_date(clone: Checkout) -> None:
    restored(clone)
    for file in (clone.root / ".snakemake" / "metadata").rglob("*"):
        if file.is_file():
            file.write_text(file.read_text().replace('"params": [', '"params": ["\'old\'", '))
    assert planned(clone)
    restored(clone)
    assert planned(clone) == set()


def test_a_folder_without_a_workflow_is_one_sentence(tmp_path: Path, clone: Checkout) -> None:
    command = [sys.executable, str(clone.root / "scripts" / "restore.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_tracked_study_is_restored_with_its_tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    made: Fabricated = fabricate(checkout.root, monkeypatch)
    out = f"results/studies/{NAME}/tracking/manifest.json"
    subprocess.run(
        [sys.executable, "scripts/track.py", "--study", NAME, "--out", out],
        cwd=made.root,
        check=True,
        capture_output=True,
    )
    for folder in made.results.rglob("payload"):
        shutil.rmtree(folder)
    upside_down(made.root)
    done = checkout.program("scripts/restore.py", "--study", NAME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.planned("--config", f"study={NAME}") == set()
