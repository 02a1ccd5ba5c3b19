"""A state saved by one number of processes, rewritten for any other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from verizero.artifacts.errors import UserError

PROGRAM = (
    *(sys.executable, "-W", "ignore", "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"),
    *("--num_extract_workers", "1", "--num_merge_workers", "1"),
)


def rewrite(saved: Path, target: Path, untrained: Sequence[str] = ()) -> None:
    """Rewrite the shards of each trained module so that any number of processes can load them.

    DeepSpeed's universal checkpoint: weights, moments and step counts by parameter, whole. Meanwhile it takes up to twice the room
    of the state on disk, and it reads and writes the state twice; that is why a state is not saved like this from the start.

    Args:
        saved: a state's folder, with a folder of shards for each module.
        target: a folder that is not there yet.
        untrained: modules that have had no update. They are left out: under ZeRO 3 their shards have no moments, which DeepSpeed
            cannot rewrite, and they are as they were at the beginning.

    Raises:
        UserError: DeepSpeed cannot read the shards; with the last line that it said.
    """
    for shards in sorted(path for path in saved.iterdir() if path.is_dir() and path.name not in untrained):
        done = subprocess.run(
            [*PROGRAM, "--input_folder", str(shards), "--output_folder", str(target / shards.name)],
            env={**os.environ, "DS_ACCELERATOR": "cpu", "DS_BUILD_OPS": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise UserError(
                f"{shards} cannot be rewritten for another number of processes: {said[-1] if said else 'no reason was given'}; start as many "
                f"processes as saved it, or remove {saved} to train from the beginning"
            )
