"""A copy of the repository to run Snakemake in, with or without real jobs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "Snakefile",
    "workflow",
    "config",
    "scripts",
    "envs",
    "pyproject.toml",
    ".gitignore",
    ".dvc",
    ".dvcignore",
    ".dvcignore",
    "slurm",
)
FAKE_JOB = Path(__file__).with_name("fake_job.py")


@dataclass(frozen=True)
class Checkout:
    """A working copy in a folder of its own."""

    root: Path
    job_python: str

    def snakemake(self, *arguments: str, check: bool = True, timeout: int = 900) -> subprocess.CompletedProcess[str]:
        """Run Snakemake at the root of the copy."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        environment = {**os.environ, "VERIZERO_JOB_PYTHON": self.job_python}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"snakemake {' '.join(arguments)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
            )
        return done

    def program(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run one of the programs in `scripts/`, whatever its exit code."""
        environment = {**os.environ, "VERIZERO_JOB_PYTHON": self.job_python}
        return subprocess.run(
            [sys.executable, *command], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )

    def planned(self, *arguments: str) -> set[str]:
        """The outputs of the jobs that a dry run would do, the manifests' file name left out."""
        done = self.snakemake("-n", "--printshellcmds", *arguments)
        outputs = re.findall(r" --out (\S+)", done.stdout + done.stderr)
        if not outputs:
            assert "Nothing to be done" in done.stdout + done.stderr
        return {output.removesuffix("/manifest.json").removeprefix("results/") for output in outputs}

    def edit(self, path: str, before: str, after: str, count: int = 1) -> None:
        """Replace a text in a file of the copy; it must be there."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert text.count(before) >= 1, f"{path} does not hold {before!r}"
        file.write_text(text.replace(before, after, count), encoding="utf-8")


def copy_checkout(target: Path, job_python: str | None = None) -> Checkout:
    """Copy what a clone would hold, without results."""
    target.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_symlink():
            (target / part).unlink(missing_ok=True)
            os.symlink(os.readlink(source), target / part)
        elif source.is_dir():
            shutil.copytree(
                source,
                target / part,
                symlinks=True,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"),
            )
        elif source.is_file():
            shutil.copy2(source, target / part)
    return Checkout(target, job_python or real_job_python())


def tracked(*paths: str) -> list[str]:
    """The files that git tracks here."""
    listed = subprocess.run(["git", "ls-files", "-z", *paths], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name]


def copy_tracked(target: Path, *paths: str) -> None:
    """Copy the files that git tracks, as they are here, and nothing else: what a clone of them would hold."""
    for name in tracked(*paths):
        if (ROOT / name).exists():  # else removed and not yet committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def real_job_python() -> str:
    """The Python of the jobs' environment."""
    named = os.environ.get("VERIZERO_JOB_PYTHON")
    return named or str(ROOT / ".venv" / "jobs" / "bin" / "python")


def two_seeds_of_grpo(folder: Path) -> Checkout:
    """A copy with stand-in jobs whose demo study has two seeds of one optimizer; nothing of it has run."""
    checkout = copy_checkout(folder / "checkout", fake_job_python(folder))
    checkout.edit("config/studies/demo.yaml", "[1, 2, 3]", "[1, 2]")
    checkout.edit("config/studies/demo.yaml", "[grpo-toy, dr-grpo-toy]", "[grpo-toy]")
    return checkout


@contextmanager
def copied(checkout: Checkout, root: Path) -> Iterator[Checkout]:
    """A copy of a checkout to edit, with the original's modification times; removed afterwards."""
    shutil.copytree(checkout.root, root, symlinks=True)
    yield Checkout(root, checkout.job_python)
    shutil.rmtree(root)


def fake_job_python(folder: Path) -> str:
    """A command that stands in for the jobs' Python and makes each artifact in no time.

    What is tested with it is which jobs Snakemake plans: the manifests, specs, code digests and inputs are real, only
    the payloads are not.
    """
    command = folder / "fake-python"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_JOB}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return str(command)
