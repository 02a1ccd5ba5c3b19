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
    """(file, entry, repository) of each hub source whose revision nobody resolved."""
    found = []
    for file in (registry / "models.yaml", registry / "datasets.yaml", registry / "benchmarks.yaml"):
        for name, entry in read_yaml(file).items():
            source = entry.get("source", {})
            if source.get("kind") == "hub" and source.get("revision") == UNPINNED:
                found.append((file, name, source["repo"]))
    return found


def hub_entry(files: list[Path], name: str) -> tuple[Path, dict[str, Any]]:
    """The file that defines a name, and its hub source.

    Raises:
        UserError: nothing defines it, or it does not come from a hub.
    """
    for file in files:
        entries = read_yaml(file)
        if name in entries:
            source = entries[name].get("source", {})
            if source.get("kind") != "hub":
                raise UserError(f"{file}: `{name}.source.kind` is {source.get('kind')}; only a hub's revision can be resolved")
            return file, source
    known = sorted(name for file in files for name in read_yaml(file))
    raise UserError(f"{files[0]}: `{name}` is not defined; choices: {', '.join(known)}")


def write_pin(file: Path, name: str, revision: str, digests: Mapping[str, str]) -> None:
    """Set `source.revision` and `source.files` of one entry; every other byte of the file stays.

    Raises:
        UserError: the entry is written in a layout that this cannot edit; the file is unchanged.
    """
    before = file.read_text(encoding="utf-8")
    after = _edited(before.splitlines(keepends=True), file, name, revision, digests)
    wanted = read_yaml(file)
    wanted[name]["source"] |= {"revision": revision, "files": dict(digests)}
    write_atomic(file, after)
    try:
        same = read_yaml(file) == wanted
    except UserError:
        same = False
    if not same:
        write_atomic(file, before)
        raise UserError(f"{file}: `{name}.source` has a layout that pin.py cannot edit; set by hand: revision: {revision}")


def _edited(lines: list[str], file: Path, name: str, revision: str, digests: Mapping[str, str]) -> str:
    start, end = _block(lines, 0, len(lines), re.escape(name), 0, file, name)
    start, end = _block(lines, start, end, "source", None, file, name)
    at = next((number for number in range(start, end) if re.match(r"\s+revision:\s", lines[number])), None)
    if at is None:
        raise UserError(f"{file}: `{name}.source` has no line `revision: …`; write the source as a block, one key a line")
    indent = re.match(r"\s+", lines[at])
    margin = indent[0] if indent else "    "
    lines[at] = re.sub(r"(revision:\s+)(\"[^\"]*\"|'[^']*'|[^\s#]+)", rf"\g<1>{_text(revision)}", lines[at], count=1)
    if not lines[at].endswith("\n"):
        lines[at] += "\n"
    listing = [f"{margin}files:{'' if digests else ' {}'}\n", *(f"{margin}  {_text(path)}: {_text(digest)}\n" for path, digest in digests.items())]
    old = next((number for number in range(start, end) if re.match(rf"{margin}files:", lines[number])), None)
    if old is None:
        lines[at + 1 : at + 1] = listing
    else:
        until = old + 1
        while until < end and (re.match(rf"{margin}\s+\S", lines[until]) or not lines[until].strip()):
            until += 1
        while not lines[until - 1].strip():
            until -= 1
        lines[old:until] = listing
    return "".join(lines)


def _block(lines: list[str], start: int, end: int, key: str, depth: int | None, file: Path, name: str) -> tuple[int, int]:
    """The lines below a key, up to the next key of the same depth."""
    space = r"\s+" if depth is None else ""
    for number in range(start, end):
        if match := re.match(rf"({space})['\"]?{key}['\"]?:\s*(#.*)?$", lines[number]):
            width = len(match[1])
            until = number + 1
            while until < end and (not lines[until].strip() or lines[until].lstrip().startswith("#") or len(lines[until]) - len(lines[until].lstrip()) > width):
                until += 1
            return number + 1, until
    raise UserError(f"{file}: `{name}` is not written as a block with one key a line, which pin.py needs to edit it")


def _text(value: str) -> str:
    """A YAML scalar that is read as text: bare digits would be a number, `2001-01-01` a date, `no` a truth value."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", value) and value.lower() not in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
