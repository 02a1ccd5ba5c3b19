"""Files under the mirror root, which VERIZERO_DATA names: read only when their SHA-256 is the one configured."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.config.sources import MIRROR_ROOT, Local


def read_local(source: Local) -> list[dict[str, Any]]:
    """The rows of a local source, in their order.

    Raises:
        UserError: VERIZERO_DATA is not set or no folder, the file is absent, has another SHA-256, or is not in its format.
    """
    path = checked_file(source.path, source.sha256)
    try:
        rows = _READERS[source.format](path)
    except (ValueError, OSError) as error:  # pyarrow's errors and json's are ValueErrors
        raise UserError(f"{path}: cannot be read as {source.format}: {error}") from None
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(
            f"{path}: holds a row that is no record; `source.format: {source.format}` wants one record (field: value) a row"
        )
    return rows


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


def _jsonl(path: Path) -> list[Any]:
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]


def _json(path: Path) -> list[Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, list):
        raise ValueError(f"it holds a {type(data).__name__}, not a list of records")
    return data


def _parquet(path: Path) -> list[Any]:
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pylist()


def _arrow_stream(path: Path) -> list[Any]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as mapped:
        return pyarrow.ipc.open_stream(mapped).read_all().to_pylist()


_READERS = {"jsonl": _jsonl, "json": _json, "parquet": _parquet, "arrow-stream": _arrow_stream}
