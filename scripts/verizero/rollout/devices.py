"""Which GPU belongs to which job on a machine without a scheduler: one lock a GPU, held until the job's processes have ended."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from verizero.artifacts.errors import UserError

HELD = "VERIZERO_GPU_LOCKS"
"""In the environment of a job's processes: the locks of its devices."""
WITHOUT = "VERIZERO_WITHOUT_GPUS"
"""Set to 1, a Slurm job without usable GPUs computes on the CPU."""
SAY_AFTER_SECONDS = 10.0
"""Waiting is said once it has lasted so long."""


def devices_here() -> list[str]:
    """The GPUs of this machine by number, or those that CUDA_VISIBLE_DEVICES leaves; none where there is no driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        names = [name.strip() for name in named.split(",")]
        # as CUDA reads it: nothing counts behind the first entry that is none, and -1 is the usual way to say none at all
        return list(itertools.takewhile(lambda name: re.fullmatch(r"\d+|(GPU|MIG)-\S+", name), names))
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, _ in enumerate(line for line in done.stdout.splitlines() if line.startswith("GPU"))]


def refuse_absent(devices: Sequence[str], count: int) -> None:
    """In a Slurm job that asked for GPUs, refuse to compute on the CPU for hours without a word.

    Raises:
        UserError: there are fewer GPUs than were asked for. The environment variable VERIZERO_WITHOUT_GPUS=1 lets it pass.
    """
    if "SLURM_JOB_ID" in os.environ and len(devices) < count and os.environ.get(WITHOUT) != "1":
        raise UserError(
            f"this Slurm job asks for {count} GPUs and can use {len(devices)}: `nvidia-smi --list-gpus` and CUDA_VISIBLE_DEVICES say which; "
            f"see the node's driver and the partition, or set {WITHOUT}=1 to compute on the CPU"
        )


def cuda_here() -> bool:
    """Whether torch computes on a GPU in this process.

    Raises:
        UserError: devices are named in CUDA_VISIBLE_DEVICES, and this CUDA build of torch can use none.
    """
    import torch

    if torch.cuda.is_available():
        return True
    if (
        torch.version.cuda
        and os.environ.get("CUDA_VISIBLE_DEVICES")
        and devices_here()
        and os.environ.get(WITHOUT) != "1"
    ):
        raise UserError(
            f"CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']}, but torch {torch.__version__} can use no GPU: the node's driver is too "
            f"old or does not run (`nvidia-smi` says which); set {WITHOUT}=1 to compute on the CPU"
        )
    return False


def claim(devices: Sequence[str], count: int, folder: Path | None = None) -> list[str]:
    """Take so many devices that no other job holds, and wait until there are enough.

    Either all are taken or none, so that two jobs never hold half of what the other needs. The locks are open files. The program
    that this process becomes inherits them, and processes that it starts take them too (`hold`); the system ends them with the last
    of these, also after kill -9.

    Args:
        folder: where the locks are; by default one for this user and machine.

    Raises:
        UserError: the machine has fewer.
    """
    if count > len(devices):
        raise UserError(
            f"{count} GPUs are asked for, but there are {len(devices)} here ({', '.join(devices)}); lower `runtime.gpus`, or widen "
            "CUDA_VISIBLE_DEVICES"
        )
    place = folder or Path(tempfile.gettempdir()) / f"verizero-gpus-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    begin, said = time.monotonic(), False
    while True:
        held = _free(devices, count, place)
        if len(held) == count:
            os.environ[HELD] = os.pathsep.join(str(_lock(place, device)) for device in held)
            return list(held)
        for descriptor in held.values():
            os.close(descriptor)
        if not said and time.monotonic() - begin > SAY_AFTER_SECONDS:
            said = True
            print(
                f"waiting for {count} of the GPUs {', '.join(devices)}, which other jobs hold",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(0.5)


def hold() -> None:
    """Hold the devices of this job for as long as this process lives: a launcher may end before the processes that it started."""
    for path in filter(None, os.environ.get(HELD, "").split(os.pathsep)):
        fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)


def _lock(place: Path, device: str) -> Path:
    return place / f"{device.replace('/', '-')}.lock"


def _free(devices: Sequence[str], count: int, place: Path) -> dict[str, int]:
    """The first devices that could be locked, at most `count`, with their open locks; one job at a time looks."""
    held: dict[str, int] = {}
    with (place / "looking").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        for device in devices:
            if len(held) == count:
                break
            descriptor = os.open(_lock(place, device), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                continue
            # shared from here on: the job's other processes join it, while who looks for a free one wants it alone
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            os.set_inheritable(descriptor, True)
            held[device] = descriptor
    return held
