"""A published study back in `results/`, as if it had been computed here, but for what is not published."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.files import write_atomic
from verizero.tracking.open_bundle import OpenBundle

OWN = ("record.json", "manifest.json")


@dataclass
class Returned:
    """What became of a bundle's artifacts.

    Attributes:
        brought: names of artifacts of which a file was written.
        here: how many were here already, whole.
        left: (name, why) of those that were left alone because something else is in their place.
    """

    brought: list[str] = field(default_factory=list)
    here: int = 0
    left: list[tuple[str, str]] = field(default_factory=list)


def bring_into(results: Path, bundle: OpenBundle) -> Returned:
    """Copy each artifact of a bundle to its place, never over something different; a manifest comes last."""
    found = Returned()
    for folder in _folders(bundle):
        name = folder.relative_to(bundle.results).as_posix()
        files = _files_of(folder)
        target = results / name
        differing = [path for path in files if (target / path).is_file() and not _same(target / path, folder / path)]
        if (target / "manifest.json").is_file() and "manifest.json" not in differing:
            # The same artifact, made at another time: its own record and log stay.
            differing = [path for path in differing if path.startswith("payload/")]
            files = [path for path in files if path.startswith("payload/") or not (target / "record.json").is_file()]
        if differing:
            found.left.append((name, f"{target / differing[0]} is here and is another one"))
            continue
        missing = [path for path in files if not (target / path).is_file()]
        for path in missing:
            write_atomic(target / path, (folder / path).read_bytes())
        if missing:
            found.brought.append(name)
        else:
            found.here += 1
    return found


def _folders(bundle: OpenBundle) -> list[Path]:
    """The artifacts' folders; what lies in another artifact's folder comes before it."""
    return sorted(
        (file.parent for file in bundle.results.rglob("manifest.json")), key=lambda path: (-len(path.parts), str(path))
    )


def _files_of(folder: Path) -> list[str]:
    """The files of one artifact, not of those inside it; record and manifest last."""
    inside = [file.parent for file in folder.rglob("manifest.json") if file.parent != folder]
    files = [
        file.relative_to(folder).as_posix()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(other in file.parents for other in inside)
    ]
    return [*(path for path in files if path not in OWN), *(path for path in OWN if path in files)]


def _same(left: Path, right: Path) -> bool:
    return left.stat().st_size == right.stat().st_size and sha256_file(left) == sha256_file(right)
