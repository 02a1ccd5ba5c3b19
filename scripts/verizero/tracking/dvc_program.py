"""The `dvc` command of this Python's environment.

A `dvc` process takes more than a second to start and locks the repository: give it many targets at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from verizero.artifacts.errors import UserError

TARGETS_IN_A_CALL = 4000  # a command line holds 2 MB


def dvc(repository: Path, *arguments: str, shown: bool = False) -> str:
    """Run DVC in a repository; its standard output. No `--quiet` is needed, which would hide why it failed.

    Args:
        shown: let its progress and its words go to standard error instead of keeping them.

    Raises:
        UserError: DVC is not installed, or it failed; with its own last words where they were kept.
    """
    program = Path(sys.executable).with_name("dvc")
    if not program.is_file():
        raise UserError(f"{program} is missing: DVC is part of the orchestration environment, `make envs` builds it")
    command = [str(program), "--wait-for-lock", *arguments]  # the flag works only in front of the verb
    settings = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    if shown:
        done = subprocess.run(command, cwd=repository, env=settings, stdout=sys.stderr, text=True, check=False)
    else:
        done = subprocess.run(command, cwd=repository, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in f"{done.stderr or ''}{done.stdout or ''}".splitlines() if line.strip()]
        raise UserError(f"`dvc {arguments[0]}` failed: {' '.join(said[-4:]) or f'exit code {done.returncode}'}")
    return done.stdout or ""


def in_calls(targets: Sequence[str]) -> Iterator[Sequence[str]]:
    """The targets in as few parts as command lines can hold."""
    for start in range(0, len(targets), TARGETS_IN_A_CALL):
        yield targets[start : start + TARGETS_IN_A_CALL]
