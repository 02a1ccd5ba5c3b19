"""Every published study can be checked in a clone, and is what the version that its page names computes: nothing is left to do.

Not this version: a study that trained for hours must not stop a change of the grader. Its page says who computed it.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from checkout import ROOT, Checkout, copy_tracked, tracked

from verizero.tracking.open_bundle import opened
from verizero.tracking.unbundling import bring_into

JOB_PYTHON = ROOT / ".venv/jobs/bin/python"
needs_algebra = pytest.mark.skipif(not JOB_PYTHON.is_file(), reason="the jobs' environment is not here")


STUDIES = sorted({Path(name).parts[2] for name in tracked("results/published/*/bundle.json")})


def bundle(study: str) -> str:
    return f"results/published/{study}"


def page(study: str) -> str:
    return (ROOT / "docs" / "studies" / f"{study}.md").read_text(encoding="utf-8")


TABLES = re.compile(r"tables were computed again by\s+version `([0-9a-f]{40})`")

LOST = re.compile(r"would make `datasets/([\w-]+)` again and what follows from it")


@pytest.fixture
def computed_by(study: str, tmp_path: Path) -> Checkout:
    """The version that the study's page names, with what is published here."""
    named = re.findall(r"Computed by version `([0-9a-f]{40})`", page(study))
    assert len(named) == 1, f"docs/studies/{study}.md must say once: Computed by version `COMMIT`"
    return version(study, named[0], tmp_path)


def version(study: str, commit: str, tmp_path: Path) -> Checkout:
    """The files of a commit, with what is published here in its results."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"{archive.stderr.decode()}; a shallow clone lacks it: git fetch --unshallow"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="fully_trusted")
    shutil.rmtree(tmp_path / "results", ignore_errors=True)
    with opened(ROOT / bundle(study)) as published:
        assert not bring_into(tmp_path / "results", published).left
    return Checkout(tmp_path, str(JOB_PYTHON))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The tracked files as they are here, and nothing else."""
    root = tmp_path_factory.mktemp("clone")
    copy_tracked(root)
    return Checkout(root, str(JOB_PYTHON))


def audit(clone: Checkout, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(JOB_PYTHON), "scripts/audit.py", *arguments]
    return subprocess.run(command, cwd=clone.root, capture_output=True, text=True, check=False)


def test_a_study_is_published() -> None:
    assert STUDIES, (
        "git has no results/published/NAME/bundle.json; `scripts/publish.py NAME` and `git add` publish a study"
    )


@needs_algebra
@pytest.mark.parametrize("study", STUDIES)
def test_it_verifies_in_a_clone(clone: Checkout, study: str) -> None:
    done = audit(clone, bundle(study), "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"VERIFIED: study `{study}`"


@needs_algebra
@pytest.mark.parametrize("study", STUDIES)
def test_one_edited_byte_in_a_published_sample_is_named(clone: Checkout, study: str) -> None:
    folder = clone.root / bundle(study)
    file = min(folder.glob("samples/**/samples.jsonl.gz"))
    whole = file.read_bytes()
    edited = bytearray(whole)
    edited[len(edited) // 2] ^= 1
    file.write_bytes(edited)
    try:
        done = audit(clone, bundle(study), "--verify")
    finally:
        file.write_bytes(whole)
    assert done.returncode == 1
    assert done.stdout.startswith(f"BROKEN: {file.relative_to(clone.root)} has SHA-256")


@pytest.mark.parametrize("study", STUDIES)
def test_a_restored_clone_of_its_version_has_nothing_to_do(computed_by: Checkout, study: str) -> None:
    done = computed_by.program("scripts/restore.py", "--study", study)
    later = {f"studies/{study}", f"studies/{study}/tracking"} if TABLES.search(page(study)) else set()
    assert done.returncode == (1 if later else 0), done.stdout + done.stderr
    lost = LOST.findall(page(study))
    planned = computed_by.planned("--config", f"study={study}")
    assert later <= planned and all(one in later or any(name in one for name in lost) for one in planned), planned


@pytest.mark.parametrize("study", [study for study in STUDIES if TABLES.search(page(study))])
def test_the_version_that_made_the_tables_again_would_make_them_so(study: str, tmp_path: Path) -> None:
    made = version(study, TABLES.findall(page(study))[0], tmp_path)
    done = made.program("scripts/restore.py", "--study", study)
    assert f"results/studies/{study}/manifest.json" not in done.stdout, done.stdout


@pytest.mark.parametrize("study", STUDIES)
def test_what_this_version_would_do_again_the_page_says(clone: Checkout, study: str) -> None:
    done = clone.program("scripts/restore.py", "--from", bundle(study))
    younger = [line for line in done.stdout.splitlines() if "made by another version of" not in line]
    # A stage that the study's version did not have yet, a set that tells more of its problems now, links of a tracking that were not made again.
    known = (
        r"results/overlaps/\S+: left alone, its manifest is not here",
        r"results/datasets/\S+: left alone, it was made with another problems\.fields\..*",
    )
    known += (rf"results/studies/{study}/tracking/manifest.json: left alone, its manifest is not here",)
    assert all(any(re.fullmatch(one, line) for one in known) for line in younger), younger
    assert ("would train again" in page(study)) == ("version of train.py" in done.stdout)


@needs_algebra
@pytest.mark.parametrize("study", STUDIES)
def test_every_cell_has_a_whole_chain_of_manifests(clone: Checkout, study: str) -> None:
    table = f"{bundle(study)}/studies/{study}/tables/main.csv"
    rows = list(csv.DictReader((clone.root / table).read_text().splitlines()))
    assert rows
    for row in (rows[0], rows[-1]):
        where = ",".join(f"{name}={row[name]}" for name in list(row)[:8] if row[name])
        done = audit(clone, table, "--where", where, "--verify")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "MISSING" not in done.stdout


@pytest.mark.parametrize("study", STUDIES)
def test_the_page_shows_rows_of_the_tables_that_were_computed(clone: Checkout, study: str) -> None:
    shown = re.findall(r"<!-- (tables/\S+\.md) -->\n(.*?)<!-- end -->", page(study), re.DOTALL)
    assert shown
    for name, text in shown:
        lines = (clone.root / bundle(study) / "studies" / study / name).read_text(encoding="utf-8").splitlines()
        assert set(text.splitlines()) <= set(lines), f"{name} has other rows"
