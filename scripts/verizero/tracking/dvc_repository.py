"""Which DVC repository a payload belongs to.

That is the checkout, unless `results/` is a link to another file system: DVC refuses paths outside its repository. Then the
linked folder has a repository of its own, without git, whose remotes and cache are those of the checkout.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from configobj import ConfigObj, ConfigObjError  # DVC reads and writes its settings with it

from verizero.artifacts.errors import UserError

KEPT_LIKE = "# Kept like "
IGNORED = "# What DVC need not look through.\n.scratch/\nlogs/\nbenchmarks/\n"


class NoRepository(UserError):
    """There is no place for `.dvc` files here."""


@dataclass(frozen=True)
class Repository:
    """A DVC repository, there already or to be made in a linked folder.

    Attributes:
        root: the folder that holds `.dvc/`, or will; links resolved.
        checkout: the repository that a linked folder's settings come from; None for one that stands alone.
    """

    root: Path
    checkout: Path | None = None

    @property
    def made(self) -> bool:
        """Whether it is there."""
        return (self.root / ".dvc").is_dir()

    @property
    def settings(self) -> Path:
        """The repository whose remotes and cache count now."""
        return self.root if self.made or self.checkout is None else self.checkout

    def inside(self, path: Path) -> str:
        """A path as DVC wants it: relative to the root."""
        return (path.parent.resolve() / path.name).relative_to(self.root).as_posix()

    def make(self) -> None:
        """Make it where it is not there: whole, by a rename."""
        if self.made or self.checkout is None:
            return
        new = Path(tempfile.mkdtemp(prefix=".dvc.", dir=self.root))
        new.chmod(0o755)
        _carry_settings(self.checkout, new)
        if not (self.root / ".dvcignore").exists():
            (self.root / ".dvcignore").write_text(IGNORED, encoding="utf-8")
        new.rename(self.root / ".dvc")
        print(
            f"{self.root} lies outside {self.checkout}: DVC has a repository of its own there, with the same remotes",
            file=sys.stderr,
        )


def repository(folder: Path) -> Repository:
    """The repository that the payloads of a folder belong to. Settings that a linked one has from its checkout are renewed.

    Raises:
        NoRepository: there is none, or DVC could not work in it.
    """
    root, checkout = _above(folder.resolve()), _linked_from(folder)
    if root is not None:
        if checkout is not None and _text(root / ".dvc" / "config").startswith(KEPT_LIKE):
            _carry_settings(checkout, root / ".dvc")
        if not without_git(root) and not _in_git(root):
            raise NoRepository(
                f"{root} is no git checkout, so DVC has nowhere to keep its `.dvc` files; clone the repository with git, "
                "or make a repository without git with `dvc init --no-scm --force`"
            )
        return Repository(root, checkout)
    if checkout is not None:
        return Repository(_link_target(folder, checkout), checkout)
    raise NoRepository(f"{folder.resolve()}: no DVC repository; `dvc init` makes one")


def by_repository(paths: Iterable[Path]) -> dict[Repository, list[Path]]:
    """Paths, sorted into the repositories that they belong to.

    Raises:
        NoRepository: one of them belongs to none.
    """
    found: dict[Repository, list[Path]] = {}
    known: dict[Path, Repository] = {}
    for path in paths:
        if path.parent not in known:
            known[path.parent] = repository(path.parent)
        found.setdefault(known[path.parent], []).append(path)
    return found


def cached(repository: Repository, md5s: Iterable[str]) -> bool:
    """Whether the local cache holds all of them."""
    folder = _cache(repository.root) / "files" / "md5"
    return all((folder / md5[:2] / md5[2:]).exists() for md5 in md5s)


def without_git(root: Path) -> bool:
    """Whether a repository was made to work without git."""
    return (_setting(root / ".dvc" / "config", "core", "no_scm") or "").lower() == "true"


def _above(start: Path) -> Path | None:
    """The folder with `.dvc/` that a path without links lies in; a git checkout is not left to look for it."""
    for folder in (start, *start.parents):
        if (folder / ".dvc").is_dir():
            return folder
        if (folder / ".git").exists():
            return None
    return None


def _in_git(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in (root, *root.parents))


def _linked_from(folder: Path) -> Path | None:
    """The repository that a folder seems to lie in by its path, and does not because a link leads out of it."""
    real, named = folder.resolve(), Path(os.path.abspath(folder))
    for parent in (named, *named.parents):
        if (parent / ".dvc").is_dir() and not real.is_relative_to(parent.resolve()):
            return parent.resolve()
    return None


def _link_target(folder: Path, checkout: Path) -> Path:
    """Where the link leads that takes a folder out of a checkout."""
    named = Path(os.path.abspath(folder))
    outside = [parent for parent in (named, *named.parents) if not parent.resolve().is_relative_to(checkout)]
    below = [parent for parent in outside if parent.parent.resolve().is_relative_to(checkout)]
    return below[0].resolve()


def _carry_settings(checkout: Path, target: Path) -> None:
    """Write the settings of a checkout to another `.dvc/`: paths absolute, and no git."""
    kept_like = f"{KEPT_LIKE}{checkout / '.dvc'}; take this line away to make changes of your own"
    for name in ("config", "config.local"):
        source = checkout / ".dvc" / name
        if name != "config" and not source.is_file():
            (target / name).unlink(missing_ok=True)
            continue
        settings = _read(source)
        if name == "config":
            settings.initial_comment = [kept_like]
            settings.setdefault("core", {})["no_scm"] = "True"
        for section, key in [("cache", "dir"), *((name, "url") for name in settings if name.startswith("remote "))]:
            place = settings.get(section, {}).get(key)
            if place and not re.match(r"\w+://", place):  # a relative one begins at the file that says it
                settings[section][key] = os.path.abspath(source.parent / place)
        text = "\n".join(settings.write()) + "\n"
        if _text(target / name) != text:
            _write_private(target / name, text)


def _write_private(file: Path, text: str) -> None:
    """As `write_atomic`, but for its owner alone: settings may hold passwords."""
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.replace(temporary, file)


def _cache(root: Path) -> Path:
    folder = root / ".dvc" / "cache"
    for name in ("config", "config.local"):
        if (configured := _setting(root / ".dvc" / name, "cache", "dir")) is not None:
            folder = root / ".dvc" / configured
    return folder


def _setting(file: Path, section: str, key: str) -> str | None:
    try:
        value = _read(file).get(section, {}).get(key)
    except UserError:
        return None
    return None if value is None else str(value)


def _read(file: Path) -> ConfigObj:
    try:
        return ConfigObj(_text(file).splitlines(), list_values=False)
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: no settings of DVC ({str(error).splitlines()[0]})") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
