"""A bundle unpacked into the layout of `results/`, so that whatever reads results reads a published study too."""

from __future__ import annotations

import lzma
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from verizero.artifacts.bundle import FILE, Bundle, read_bundle
from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError


@dataclass(frozen=True)
class OpenBundle:
    """A bundle and where it was unpacked.

    Attributes:
        folder: the bundle.
        contents: its `bundle.json`.
        results: its files unpacked, in the layout of `results/`.
    """

    folder: Path
    contents: Bundle
    results: Path

    def said(self, text: str) -> str:
        """A text about the unpacked files as one about the files of the bundle."""
        for stored in self.contents.files:
            if stored.packed:
                text = text.replace(f"{self.results}/{stored.plain}", f"{self.folder}/{stored.path}")
        return text.replace(str(self.results), str(self.folder))


def bundle_of(path: Path) -> Path | None:
    """The bundle that a path lies in, or is; None where there is none."""
    return next((folder for folder in (path, *path.parents) if (folder / FILE).is_file()), None)


@contextmanager
def opened(folder: Path) -> Iterator[OpenBundle]:
    """A bundle, checked against its list of contents and unpacked for as long as it is looked at.

    Raises:
        UserError: `bundle.json` is damaged.
        Damaged: a file is missing, is another one, or is not listed.
    """
    contents = read_bundle(folder)
    if sentence := next(_damage(folder, contents), None):
        raise Damaged(sentence)
    with tempfile.TemporaryDirectory(prefix="verizero-") as temporary:
        results = Path(temporary) / "results"
        for stored in contents.files:
            target = results / stored.plain
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content(folder, stored.path, stored.packed))
        yield OpenBundle(folder, contents, results)


class Damaged(UserError):
    """A bundle's files are not those that it lists."""


def content(folder: Path, path: str, packed: bool) -> bytes:
    """A file of a bundle as it is in `results/`.

    Raises:
        Damaged: it is no whole xz file.
    """
    data = (folder / path).read_bytes()
    try:
        return lzma.decompress(data) if packed else data
    except lzma.LZMAError as error:
        raise Damaged(f"{folder / path} cannot be unpacked: {error}") from None


def _damage(folder: Path, contents: Bundle) -> Iterator[str]:
    listed = {stored.path: stored for stored in contents.files}
    for path in listed:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            yield f"{folder / FILE} lists `{path}`, which does not lie in the bundle"
    here = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() or file.is_symlink()}
    for path, stored in listed.items():
        if path not in here:
            yield f"{folder / path} is missing; {FILE} lists it"
        elif (digest := sha256_file(folder / path)) != stored.sha256:
            yield f"{folder / path} has SHA-256 {digest[:16]}…, {FILE} says {stored.sha256[:16]}…"
    for path in sorted(here - set(listed) - {FILE}):
        yield f"{folder / path} is not among the files that {FILE} lists"
