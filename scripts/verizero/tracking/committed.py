"""The `.dvc` files that git holds: each is a promise to a clone that its payload can be pulled."""

from __future__ import annotations

import subprocess
from pathlib import Path

from verizero.artifacts.errors import UserError


def committed_dvc_files(results: Path) -> list[Path]:
    """Those under a folder that are committed or staged.

    Raises:
        UserError: the folder is in no git checkout.
    """
    command = ["git", "-C", str(results.parent), "ls-files", "-z", "--", f":(glob){results.name}/**/*.dvc"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{results} is in no git checkout ({done.stderr.strip()}); run this where `git status` works")
    return [results.parent / name for name in done.stdout.split("\0") if name]
