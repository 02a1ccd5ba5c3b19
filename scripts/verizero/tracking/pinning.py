"""Write a resolved revision into a registry file, touching nothing else of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import write_atomic
from verizero.config.load import read_yaml
from verizero.config.sources import UNPINNED


def unpinned_entries(registry: Path) -> list[tuple[Path, str, str]]:
    """(file, entry, repository or folder) of each source whose revision nobody resolved, or digest nobody computed."""
    found = []
    for file in (registry / "models.yaml", registry / "datasets.yaml", registry / "benchmarks.yaml"):
        for name, entry in read_yaml(file).items():
            source = entry.get(pinned_key(entry), {})
            if source.get("kind") == "hub" and source.get("revision") == UNPINNED:
                found.append((file, name, source["repo"]))
            elif source.get("kind") == "folder" and source.get("sha256") is None:
                found.append((file, name, source["path"]))
    return found


def pinned_key(entry: Mapping[str, Any]) -> str:
    """Where an entry names its hub source: `hub` when that stands beside a local one."""
    return "hub" if "hub" in entry else "source"


def entry_source(files: list[Path], name: str) -> tuple[Path, str, dict[str, Any]]:
    """The file that defines a name, the key of the source in it that can be pinned, and that source.

    Raises:
        UserError: nothing defines it, or its source has no revision or folder to pin.
    """
    for file in files:
        entries = read_yaml(file)
        if name in entries:
            key = pinned_key(entries[name])
            source = entries[name].get(key, {})
            if source.get("kind") not in ("hub", "folder"):
                raise UserError(
                    f"{file}: `{name}.{key}.kind` is {source.get('kind')}; only a hub or a folder is pinned"
                )
            return file, key, source
    known = sorted(name for file in files for name in read_yaml(file))
    raise UserError(f"{files[0]}: `{name}` is not defined; choices: {', '.join(known)}")


def write_pin(file: Path, name: str, part: str, values: Mapping[str, str | Mapping[str, str]]) -> None:
    """Set keys of an entry's `source` or `hub`; every other byte of the file stays.

    A key that is not there yet comes behind the last one that is, of those to be set before it, or behind `kind`.

    Raises:
        UserError: the entry is written in a layout that this cannot edit; the file is unchanged.
    """
    before = file.read_text(encoding="utf-8")
    lines = [line if line.endswith("\n") else line + "\n" for line in before.splitlines(keepends=True)]
    behind = "kind"
    for key, value in values.items():
        _set(lines, *_block_of(lines, file, name, part), key, value, behind)
        behind = key
    wanted = read_yaml(file)
    wanted[name][part] |= {key: value if isinstance(value, str) else dict(value) for key, value in values.items()}
    write_atomic(file, "".join(lines))
    try:
        same = read_yaml(file) == wanted
    except UserError:
        same = False
    if not same:
        write_atomic(file, before)
        shown = ", ".join(f"{key}: {value}" for key, value in values.items() if isinstance(value, str))
        raise UserError(f"{file}: `{name}.{part}` has a layout that pin.py cannot edit; set by hand: {shown}")


def _set(lines: list[str], start: int, end: int, key: str, value: str | Mapping[str, str], behind: str) -> None:
    """Replace or insert one key of a block; a comment behind a replaced scalar stays."""
    first = next(line for line in lines[start:end] if line.strip() and not line.lstrip().startswith("#"))
    margin = first[: len(first) - len(first.lstrip())]
    at = _line_of(lines, start, end, margin, key)
    if isinstance(value, str):
        if at is not None:
            old = r"(:\s+)(\"[^\"]*\"|'[^']*'|[^\s#]+)"
            lines[at] = re.sub(old, lambda match: match[1] + _text(value), lines[at], count=1)
            return
        new = [f"{margin}{key}: {_text(value)}\n"]
    else:
        rows = [f"{margin}  {_text(path)}: {_text(digest)}\n" for path, digest in value.items()]
        new = [f"{margin}{key}:{'' if rows else ' {}'}\n", *rows]
    if at is None:
        place = _line_of(lines, start, end, margin, behind)
        at = until = start if place is None else place + 1
    else:
        until = at + 1
        while until < end and (lines[until].startswith(margin + " ") or not lines[until].strip()):
            until += 1
        while not lines[until - 1].strip():
            until -= 1
    lines[at:until] = new


def _line_of(lines: list[str], start: int, end: int, margin: str, key: str) -> int | None:
    return next((number for number in range(start, end) if re.match(rf"{margin}{key}:(\s|$)", lines[number])), None)


def _block_of(lines: list[str], file: Path, name: str, part: str) -> tuple[int, int]:
    start, end = _block(lines, 0, len(lines), re.escape(name), 0, file, name)
    return _block(lines, start, end, part, None, file, name)


def _block(
    lines: list[str], start: int, end: int, key: str, depth: int | None, file: Path, name: str
) -> tuple[int, int]:
    """The lines below a key, up to the next key of the same depth."""
    space = r"\s+" if depth is None else ""
    for number in range(start, end):
        if match := re.match(rf"({space})['\"]?{key}['\"]?:\s*(#.*)?$", lines[number]):
            width = len(match[1])
            until = number + 1
            while until < end and (
                not lines[until].strip()
                or lines[until].lstrip().startswith("#")
                or len(lines[until]) - len(lines[until].lstrip()) > width
            ):
                until += 1
            return number + 1, until
    raise UserError(f"{file}: `{name}` is not written as a block with one key a line, which pin.py needs to edit it")


def _text(value: str) -> str:
    """A YAML scalar that is read as text: bare digits would be a number, `2001-01-01` a date, `no` a truth value."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", value) and value.lower() not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
    )
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
