"""DVC, through this one helper: payloads go under the MD5 that their manifests already state.

A `dvc` process takes more than a second to start and locks the repository, so many payloads are added in one call.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import write_atomic

TARGETS_IN_A_CALL = 4000  # a command line holds 2 MB


class NoRepository(UserError):
    """There is no place for `.dvc` files here."""


@dataclass(frozen=True)
class Tracked:
    """A file or folder for DVC: its path, the MD5 that DVC must find, and what `meta:` says about it."""

    path: Path
    md5: str
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def dvc_file(self) -> Path:
        """The small file that stands for it in git."""
        return self.path.with_name(self.path.name + ".dvc")


def repository(start: Path) -> Path:
    """The folder with `.dvc/` that a path lies in.

    Raises:
        NoRepository: there is none, or DVC could not work in it.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / ".dvc").is_dir():
            if _without_git(folder) or any((parent / ".git").exists() for parent in (folder, *folder.parents)):
                return folder
            raise NoRepository(
                f"{folder} is no git checkout, so DVC has nowhere to keep its `.dvc` files; clone the repository with git, "
                "or make a repository without git with `dvc init --no-scm --force`"
            )
        if (folder / ".git").exists():
            break
    raise NoRepository(f"{start}: no DVC repository; `dvc init` makes one")


def dvc(repository: Path, *arguments: str) -> str:
    """Run DVC from the environment of this Python; its standard output.

    Raises:
        UserError: DVC is not installed, or it failed; with its own last words.
    """
    program = Path(sys.executable).with_name("dvc")
    if not program.is_file():
        raise UserError(f"{program} is missing; track.py runs in the orchestration environment, which has DVC")
    command = [str(program), "--wait-for-lock", *arguments]  # the flag works only in front of the verb
    settings = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=repository, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise UserError(f"`dvc {arguments[0]}` failed: {' '.join(said[-4:]) or f'exit code {done.returncode}'}")
    return done.stdout


def recorded_md5(dvc_file: Path) -> str | None:
    """The MD5 that a `.dvc` file states, `.dir` included for a folder; None where there is no such file."""
    if not dvc_file.is_file():
        return None
    try:
        return str(yaml.safe_load(dvc_file.read_text(encoding="utf-8"))["outs"][0]["md5"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return None


def track(targets: Sequence[Tracked]) -> list[Tracked]:
    """Bring every target under DVC; those that had to be added.

    A target that is in the cache under a `.dvc` file with the right MD5 costs no call. One whose content is elsewhere (a
    clone with manifests and `.dvc` files) is kept as it is.

    Raises:
        UserError: a target is neither here nor under DVC, or its content is not what its manifest says.
    """
    if not targets:
        return []
    root = repository(targets[0].path.parent)
    added = [target for target in targets if _needs_adding(target, root)]
    before = {target.path: _text(target.dvc_file) for target in added}
    for start in range(0, len(added), TARGETS_IN_A_CALL):
        part = added[start : start + TARGETS_IN_A_CALL]
        dvc(
            root,
            "add",
            "--quiet",
            "--no-relink",
            *(target.path.resolve().relative_to(root).as_posix() for target in part),
        )
    wrong = [target for target in added if recorded_md5(target.dvc_file) != target.md5]
    for target in wrong:
        _restore(target.dvc_file, before[target.path])
    if wrong:
        raise UserError(
            f"{wrong[0].path} is not what its manifest says (DVC finds another MD5 than {wrong[0].md5[:12]}…)"
            + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else "")
            + "; `python scripts/audit.py TABLE --where … --verify` names the file"
        )
    for target in targets:
        _write_meta(target)
    return added


def push(targets: Sequence[Tracked]) -> None:
    """Copy the targets' content to the default remote.

    Raises:
        UserError: there is no remote, or it cannot be reached.
    """
    if targets:
        root = repository(targets[0].path.parent)
        dvc(root, "push", "--quiet", *(target.dvc_file.resolve().relative_to(root).as_posix() for target in targets))


def _needs_adding(target: Tracked, root: Path) -> bool:
    known = recorded_md5(target.dvc_file) == target.md5
    if target.path.exists():
        return not (known and _in_cache(target.md5, root))
    if known:
        return False
    raise UserError(
        f"{target.path} is neither here nor under DVC ({target.dvc_file.name}); make it again or bring it from where it was made"
    )


def _in_cache(md5: str, root: Path) -> bool:
    folder = root / ".dvc" / "cache"
    for name in ("config", "config.local"):
        if (configured := _setting(root / ".dvc" / name, "cache", "dir")) is not None:
            folder = root / ".dvc" / configured
    return (folder / "files" / "md5" / md5[:2] / md5[2:]).exists()


def _without_git(root: Path) -> bool:
    return (_setting(root / ".dvc" / "config", "core", "no_scm") or "").lower() == "true"


def _setting(file: Path, section: str, key: str) -> str | None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
    except configparser.Error:
        return None
    return parser.get(section, key, fallback=None)


def _write_meta(target: Tracked) -> None:
    """State the manifest beside the MD5; DVC keeps `meta:` when it adds again."""
    text = _text(target.dvc_file)
    content = yaml.safe_load(text or "")
    if content.get("meta") != dict(target.meta):
        content["meta"] = dict(target.meta)
        write_atomic(target.dvc_file, yaml.safe_dump(content, sort_keys=False))


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _restore(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink(missing_ok=True)
    else:
        write_atomic(file, text)
