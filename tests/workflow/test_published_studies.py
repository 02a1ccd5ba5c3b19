"""A study whose manifests are in git is what the version that its page names computes: a clone of that has nothing to do.

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
from checkout import ROOT, Checkout


def tracked(*paths: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


STUDIES = sorted({Path(name).parts[2] for name in tracked("results/studies/*/manifest.json")})


def page(study: str) -> str:
    return (ROOT / "docs" / "studies" / f"{study}.md").read_text(encoding="utf-8")


@pytest.fixture
def computed_by(study: str, tmp_path: Path) -> Checkout:
    """The version that the study's page names, with what is published here."""
    named = re.findall(r"Computed by version `([0-9a-f]{40})`", page(study))
    assert len(named) == 1, f"docs/studies/{study}.md must say once: Computed by version `COMMIT`"
    archive = subprocess.run(["git", "archive", *named], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"{archive.stderr.decode()}; a shallow clone lacks it: git fetch --unshallow"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="fully_trusted")
    shutil.rmtree(tmp_path / "results")
    copy_tracked(tmp_path, "results")
    return Checkout(tmp_path, str(ROOT / ".venv/jobs/bin/python"))


def copy_tracked(root: Path, *paths: str) -> None:
    for name in tracked(*paths):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name, follow_symlinks=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The tracked files as they are here, and nothing else."""
    root = tmp_path_factory.mktemp("clone")
    copy_tracked(root)
    return Checkout(root, str(ROOT / ".venv/jobs/bin/python"))


def test_a_study_is_published() -> None:
    assert STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_a_restored_clone_of_its_version_has_nothing_to_do(computed_by: Checkout, study: str) -> None:
    done = computed_by.program("scripts/restore.py", "--study", study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert computed_by.planned("--config", f"study={study}") == set()


@pytest.mark.parametrize("study", STUDIES)
def test_what_this_version_would_do_again_the_page_says(clone: Checkout, study: str) -> None:
    done = clone.program("scripts/restore.py", "--study", study)
    assert all("made by another version of" in line for line in done.stdout.splitlines()), done.stdout
    assert ("would train again" in page(study)) == ("version of train.py" in done.stdout)


@pytest.mark.parametrize("study", STUDIES)
def test_every_cell_has_a_whole_chain_of_manifests(clone: Checkout, study: str) -> None:
    table = f"results/studies/{study}/tables/main.csv"
    rows = list(csv.DictReader((clone.root / table).read_text().splitlines()))
    assert rows
    for row in (rows[0], rows[-1]):
        where = ",".join(f"{name}={row[name]}" for name in list(row)[:8] if row[name])
        done = clone.program("scripts/audit.py", table, "--where", where)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "MISSING" not in done.stdout


@pytest.mark.parametrize("study", STUDIES)
def test_the_page_shows_rows_of_the_tables_that_were_computed(clone: Checkout, study: str) -> None:
    shown = re.findall(r"<!-- (tables/\S+\.md) -->\n(.*?)<!-- end -->", page(study), re.DOTALL)
    assert shown
    for name, text in shown:
        lines = (clone.root / "results" / "studies" / study / name).read_text(encoding="utf-8").splitlines()
        assert set(text.splitlines()) <= set(lines), f"{name} has other rows"
