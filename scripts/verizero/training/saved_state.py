"""A state on disk: what its `files.json` says of it, and whether it is whole."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILES = "files.json"
CHUNK = 1 << 22
NAME = re.compile(r"step-(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Saved:
    """A state: after how many steps, how many updates of the next one, and of what files."""

    step: int
    updates: int
    """Optimizer updates of the step after, the critic's included; 0 for a state between two steps."""
    processes: int
    files: dict[str, tuple[int, int | None]]
    """Path below the folder -> size in bytes and CRC-32; an early version of the program noted no checksum."""
    best: int | None = None
    """The step whose kept weights were the best so far."""
    untrained: list[str] = field(default_factory=list)
    """Modules that have had no update."""
    stretches: dict[str, float] = field(default_factory=dict)
    """Seconds of the longest way of each kind from one chance to save to the next."""

    @property
    def name(self) -> str:
        """Of its folder: `step-7`, or `step-7.2` for two updates after it."""
        return f"step-{self.step}" + (f".{self.updates}" if self.updates else "")

    @property
    def moment(self) -> str:
        """For messages."""
        return moment_of(self.step, self.updates)

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(size for size, _ in self.files.values())

    def text(self) -> str:
        """The content of `files.json`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)


def moment_of(step: int, updates: int) -> str:
    """When a state was saved, in words."""
    return f"after step {step}" if not updates else f"after update {updates} of step {step + 1}"


def states_below(folder: Path) -> list[Path]:
    """The folders of states, the newest first."""
    found = [(match, path) for path in folder.glob("step-*") if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda one: _order(one[0]), reverse=True)]


def moment_named(folder: Path) -> str:
    """When a state was saved, by the name of its folder, for one whose `files.json` says nothing."""
    match = NAME.fullmatch(folder.name)
    return moment_of(*_order(match)) if match else folder.name


@dataclass(frozen=True)
class Fault:
    """Why a state is not used."""

    why: str
    """A clause."""
    passing: bool = False
    """It may be the file system's, which can answer again later: the state may be whole."""


def read_saved(folder: Path) -> Saved | Fault:
    """What `files.json` says, or why it says nothing."""
    try:
        found: dict[str, Any] = json.loads((folder / FILES).read_text(encoding="utf-8"))
        files = {name: _noted(value) for name, value in found.pop("files").items()}
        saved = Saved(**found, files=files)
    except FileNotFoundError:
        return Fault(f"{FILES} is missing")
    except OSError as error:
        return Fault(f"{FILES} cannot be read: {error.strerror}", passing=True)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Fault(f"{FILES} cannot be read")
    return saved if saved.name == folder.name else Fault(f"{FILES} is that of {saved.name}")


def _noted(value: Any) -> tuple[int, int | None]:
    if isinstance(value, int):
        return value, None
    size, crc = value
    return int(size), int(crc)


def fault_of(folder: Path, name: str, size: int, crc: int | None) -> Fault | None:
    """What is wrong with a file of a state; None for nothing."""
    path = folder / name
    try:
        if (found := path.stat().st_size) != size:
            return Fault(f"{name} has {found} bytes instead of {size}")
        same = crc is None or crc32(path) == crc
        return None if same else Fault(f"{name} does not have the checksum that it was saved with")
    except FileNotFoundError:
        return Fault(f"{name} is missing")
    except OSError as error:
        return Fault(f"{name} cannot be read: {error.strerror}", passing=True)


def described(folder: Path, names: Iterable[str]) -> list[tuple[str, tuple[int, int]]]:
    """Force files to disk; of each the name, and size and CRC-32."""
    found = []
    for name in names:
        flush_file(folder / name)
        found.append((name, ((folder / name).stat().st_size, crc32(folder / name))))
    return found


def crc32(path: Path) -> int:
    """CRC-32 of a file: it finds what disks do to bytes, at 4 GB/s where SHA-256 reads 1.4 and BLAKE2b 0.8."""
    value = 0
    with path.open("rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def flush_file(path: Path) -> None:
    """Force a file to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _order(match: re.Match[str]) -> tuple[int, int]:
    return int(match[1]), int(match[2] or 0)
