"""Files under the mirror root, which VERIZERO_DATA names: read only when their SHA-256 is the one configured."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import Local
from verizero.config.sources import MIRROR_ROOT


class Rows(NamedTuple):
    """The rows of a source, and where each is in it, for messages."""

    values: list[dict[str, Any]]
    where: list[str]


def read_local(source: Local) -> Rows:
    """The rows of a local source, in their order.

    Raises:
        UserError: VERIZERO_DATA is not set or no folder, the file is absent, has another SHA-256, or is not in its format.
    """
    path = checked_file(source.path, source.sha256)
    try:
        rows = list(_READERS[source.format](path))
    except (ValueError, OSError) as error:  # pyarrow's errors and json's are ValueErrors
        raise UserError(f"{path}: cannot be read as {source.format}: {error}") from None
    found = Rows([], [])
    for place, row in rows:
        if not isinstance(row, dict):
            raise UserError(
                f"{path}, {place}: {str(row)[:40]!r} is no record; `source.format: {source.format}` wants one record (field: value) a row"
            )
        found.values.append(row)
        found.where.append(f"{place} of {source.path}")
    return found


def checked_file(name: str, sha256: str) -> Path:
    """A file of the mirror, its content proven."""
    root = os.environ.get(MIRROR_ROOT)
    if not root:
        raise UserError(
            f"`source.path` is {name}, under the mirror root, but the environment variable {MIRROR_ROOT} is not set; "
            f"set it to the folder that holds {name}"
        )
    if not Path(root).is_dir():
        raise UserError(f"{MIRROR_ROOT} is {root}, which is no folder; set it to the folder that holds {name}")
    path = Path(root) / name
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; `source.path` is {name} and {MIRROR_ROOT} is {root}")
    if (found := sha256_file(path)) != sha256:
        raise UserError(
            f"{path}: SHA-256 is {found}, `source.sha256` says {sha256}; "
            "fetch the file again, or, if the new content is meant, write its SHA-256 into the registry"
        )
    return path


def _jsonl(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig") as stream:  # some editors begin a file with a byte-order mark
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}, column {error.colno}: {error.msg}") from None


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    data = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(data, list):
        raise ValueError(f"it holds a {type(data).__name__}, not a list of records")
    yield from numbered(data)


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow.parquet

    yield from numbered(pyarrow.parquet.read_table(path).to_pylist())


def _arrow_stream(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as mapped:
        yield from numbered(pyarrow.ipc.open_stream(mapped).read_all().to_pylist())


def numbered(rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Rows that have no lines, with their numbers."""
    return ((f"row {number}", row) for number, row in enumerate(rows, 1))


_READERS = {"jsonl": _jsonl, "json": _json, "parquet": _parquet, "arrow-stream": _arrow_stream}
