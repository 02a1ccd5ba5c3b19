"""Files of an artifact: written whole or not at all, and described by size and digests."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True)
class FileEntry:
    """One payload file: path relative to the payload folder, size in bytes, SHA-256 and MD5 in hex."""

    path: str
    size: int
    sha256: str
    md5: str


def describe(path: Path, relative_to: Path) -> FileEntry:
    """Read a file once and describe it."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return FileEntry(path.relative_to(relative_to).as_posix(), size, sha256.hexdigest(), md5.hexdigest())


def describe_folder(folder: Path) -> list[FileEntry]:
    """Describe every file under a folder, in the order of their paths."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [describe(path, folder) for path in files]


def folder_md5(entries: Iterable[FileEntry]) -> str:
    """The MD5 under which DVC stores a folder with these files: 32 hex digits and `.dir`.

    DVC hashes the JSON list of each file's md5 and relative path, in the order of the paths
    as texts (dvc-data, `hashfile/tree.py`; so `step-2/w` comes before `step/a`); a test compares this with DVC itself.
    """
    listing = [{"md5": entry.md5, "relpath": entry.path} for entry in sorted(entries, key=lambda e: e.path)]
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest() + ".dir"


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
