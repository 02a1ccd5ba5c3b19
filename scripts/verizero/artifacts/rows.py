"""Rows of a payload as gzipped JSON lines: the same rows give the same bytes."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line, gzipped without a time stamp; the number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as stream,
    ):
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of such a file, or of a plain `.jsonl`.

    Raises:
        UserError: the file is cut or damaged; the message names it and the line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):  # noqa: B007 (the handler below names it)
                yield json.loads(line)
    except (EOFError, OSError, zlib.error, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: damaged after line {number}: {error}") from None
