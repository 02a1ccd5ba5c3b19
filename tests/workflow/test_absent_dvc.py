"""A clone of a lab that shares a DVC remote pulls what its jobs need, file by file, and makes again what nobody can bring.

The jobs are stand-ins (see test_absent.py); Snakemake, git and DVC are real.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import Checkout, two_seeds_of_grpo
from test_tracking_dvc import DVC, git, make_shared

from verizero.tracking.remote import obtainable

GRPO = "tiny.sums.plain.grpo-toy.s"
BRINGS, AGAIN = "DVC brings it back", "its job makes it again first"


def dvc(root: Path, *words: str) -> str:
    return subprocess.run([DVC, *words], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The demo study with two seeds of one optimizer, done, pushed and committed."""
    folder = tmp_path_factory.mktemp("lab")
    checkout = two_seeds_of_grpo(folder)
    checkout.edit("config/config.yaml", "dvc:\n    enabled: true\n", "dvc:\n    push: true\n")
    checkout.edit("config/config.yaml", "mlflow:\n    enabled: true\n", "mlflow:\n    enabled: false\n")
    git(checkout.root, "init", "-q")
    make_shared(checkout.root, folder / "remote")
    checkout.snakemake("--cores", "2")
    git(checkout.root, "add", "-A")
    git(checkout.root, "commit", "-qm", "a study")
    return checkout


@pytest.fixture
def clone(lab: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """Manifests and `.dvc` files, and one more seed to train."""
    root = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(lab.root), str(root))
    clone = Checkout(root, lab.job_python)
    assert clone.program("scripts/restore.py").returncode == 0
    clone.edit("config/studies/demo.yaml", "[1, 2]", "[1, 2, 3]")
    yield clone
    shutil.rmtree(root)


def said(checkout: Checkout, what: str) -> dict[str, str]:
    """By artifact, the lines of a dry run about what is brought back in one way."""
    lines = checkout.snakemake("-n").stderr.splitlines()
    return {line.partition(":")[0].removeprefix("results/"): line for line in lines if what in line}


def manifests(checkout: Checkout) -> dict[str, bytes]:
    found = (checkout.root / "results").rglob("manifest.json")
    return {path.relative_to(checkout.root / "results").parent.as_posix(): path.read_bytes() for path in found}


def remote_of(checkout: Checkout, url: str) -> None:
    dvc(checkout.root, "remote", "modify", "--quiet", "lab", "url", url)


def test_a_clone_pulls_what_one_more_seed_needs_and_makes_nothing_again(clone: Checkout) -> None:
    before, results = manifests(clone), clone.root / "results"
    half = results / "models/tiny/payload/said.json"
    half.parent.mkdir()
    half.write_text("half of a pull that was stopped")
    clone.snakemake("--cores", "2")

    after = manifests(clone)
    assert {name for name in before if before[name] != after[name]} == {"studies/demo", "studies/demo/tracking"}
    assert {name for name in after if name not in before and name.startswith("runs")} == {f"runs/{GRPO}3"}
    assert half.stat().st_size == json.loads(before["models/tiny"])["files"][0]["size"]
    assert [path.name for path in (results / f"runs/{GRPO}1/payload").iterdir()] == ["curves.jsonl"]  # no weights
    assert not (results / f"samples/{GRPO}1@120/toy").joinpath("sums-id.plain.sampled-toy/payload").exists()

    new = sorted(file for file in results.rglob("*.dvc") if f"{GRPO}3" in file.as_posix())
    assert results / f"runs/{GRPO}3/payload.dvc" in new
    assert obtainable(new, cache=False).files == set(new)
    assert clone.planned() == set()

    dvc(clone.root, "pull")
    assert dvc(clone.root, "status") == "Data and pipelines are up to date.\n"
    assert "DVC uncommitted changes" not in dvc(clone.root, "data", "status")


def test_what_no_remote_brings_is_made_again_and_the_line_says_why(
    clone: Checkout, lab: Checkout, tmp_path: Path
) -> None:
    remote_of(clone, "http://127.0.0.1:9/lab")
    refused = clone.snakemake("-n").stderr
    assert "results/models/tiny/payload/said.json" in refused
    assert "the DVC remote `lab` cannot be reached: Cannot connect to host 127.0.0.1:9" in refused

    poorer = tmp_path / "poorer"
    shutil.copytree(lab.root.parent / "remote", poorer)
    remote_of(clone, str(poorer))
    md5 = json.loads((clone.root / "results/datasets/sums/manifest.json").read_text())["files"][0]["md5"]
    (poorer / "files/md5" / md5[:2] / md5[2:]).unlink()
    before = manifests(clone)
    lines = clone.snakemake("--cores", "2").stderr.splitlines()
    (why,) = [line for line in lines if AGAIN in line]
    assert why.startswith("results/datasets/sums: ")
    assert why.endswith("(the DVC remote does not hold it)")
    assert any(line.startswith("results/models/tiny: ") and line.endswith(BRINGS) for line in lines)
    assert manifests(clone)["datasets/sums"] == before["datasets/sums"]
    assert (clone.root / "results/datasets/sums/payload/said.json").is_file()


def test_a_cheap_payload_does_not_wait_for_a_remote_that_is_away(lab: Checkout, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(lab.root, root, symlinks=True)
    checkout = Checkout(root, lab.job_python)
    checkout.edit("config/studies/demo.yaml", "[1, 2]", "[1, 2, 3]")
    remote_of(checkout, "http://127.0.0.1:9/lab")
    shutil.rmtree(root / "results/datasets/sums/payload")
    assert set(said(checkout, BRINGS)) == {"datasets/sums"}  # from the cache
    shutil.rmtree(root / ".dvc/cache")
    line = said(checkout, AGAIN)["datasets/sums"]
    assert "(the DVC remote `lab` cannot be reached: Cannot connect to host 127.0.0.1:9" in line


def test_results_behind_a_link_are_pulled_back_and_tracked(lab: Checkout, tmp_path: Path) -> None:
    root, scratch = tmp_path / "checkout", tmp_path / "scratch-of-the-cluster"
    shutil.copytree(lab.root, root, symlinks=True)
    shutil.move(root / "results", scratch)
    (root / "results").symlink_to(scratch)
    checkout = Checkout(root, lab.job_python)
    shutil.rmtree(scratch / "datasets/sums/payload")
    checkout.edit("config/studies/demo.yaml", "[1, 2]", "[1, 2, 3]")
    assert set(said(checkout, BRINGS)) == {"datasets/sums"}
    assert not (scratch / ".dvc").exists()  # a dry run changes nothing
    before = manifests(checkout)
    done = checkout.snakemake("--cores", "2")
    assert done.stderr.count(f"{scratch} lies outside {root}: DVC has a repository of its own there") == 1
    assert manifests(checkout)["datasets/sums"] == before["datasets/sums"]
    new = root / f"results/runs/{GRPO}3/payload.dvc"
    assert obtainable([new], cache=False).files == {new}
