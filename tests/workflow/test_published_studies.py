"""A study whose manifests are in git is what this version would compute: a clone of it has nothing to do."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import ROOT, Checkout


def tracked(*paths: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


STUDIES = sorted(Path(name).parts[2] for name in tracked("results/studies/*/manifest.json"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The tracked files as they are here, and nothing else."""
    root = tmp_path_factory.mktemp("clone")
    for name in tracked():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, root / name, follow_symlinks=False)
    return Checkout(root, str(ROOT / ".venv/jobs/bin/python"))


def test_a_study_is_published() -> None:
    assert STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_a_restored_clone_has_nothing_to_do(clone: Checkout, study: str) -> None:
    done = clone.program("scripts/restore.py", "--study", study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.planned("--config", f"study={study}") == set()


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
    page = (clone.root / "docs" / "studies" / f"{study}.md").read_text(encoding="utf-8")
    shown = re.findall(r"<!-- (tables/\S+\.md) -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert shown
    for name, text in shown:
        lines = (clone.root / "results" / "studies" / study / name).read_text(encoding="utf-8").splitlines()
        assert set(text.splitlines()) <= set(lines), f"{name} has other rows"
