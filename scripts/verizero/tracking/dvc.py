"""Payloads under DVC: by the MD5 that their manifests already state, in few calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import write_atomic
from verizero.tracking.dvc_file import SUFFIX, recorded_md5
from verizero.tracking.dvc_program import dvc, in_calls
from verizero.tracking.dvc_repository import Repository, by_repository, cached


@dataclass(frozen=True)
class Tracked:
    """A file or folder for DVC.

    Attributes:
        path: where it lies.
        md5: what DVC must find, `.dir` included for a folder.
        meta: what `meta:` of its `.dvc` file says.
        objects: the MD5s under which DVC keeps it: its own, and those of a folder's files.
        here: whether it is on this machine, and whole.
    """

    path: Path
    md5: str
    meta: Mapping[str, str] = field(default_factory=dict)
    objects: frozenset[str] = frozenset()
    here: bool = True

    @property
    def dvc_file(self) -> Path:
        """The small file that stands for it in git."""
        return self.path.with_name(self.path.name + SUFFIX)


@dataclass
class Outcome:
    """What became of targets.

    Attributes:
        added: under DVC now; they were not, or not with this content.
        kept: under DVC before. The content of some may be elsewhere: a clone brings manifests and `.dvc` files.
        left_out: neither here nor under DVC.
    """

    added: list[Tracked] = field(default_factory=list)
    kept: list[Tracked] = field(default_factory=list)
    left_out: list[Tracked] = field(default_factory=list)


def track(targets: Sequence[Tracked]) -> Outcome:
    """Bring every target under DVC that is here. One that is in the cache under a `.dvc` file with the right MD5 costs no call.

    Raises:
        NoRepository: there is no place for `.dvc` files.
        UserError: a target's content is not what its manifest says.
    """
    outcome = Outcome()
    for repository, own in _by_repository(targets).items():
        repository.make()
        to_add = []
        for target in own:
            known = recorded_md5(target.dvc_file) == target.md5
            if not target.here or not target.path.exists():
                (outcome.kept if known else outcome.left_out).append(target)
            elif known and cached(repository, target.objects | {target.md5}):
                outcome.kept.append(target)
            else:
                to_add.append(target)
        _add(to_add, repository)
        outcome.added += to_add
    for target in (*outcome.added, *outcome.kept):
        _write_meta(target)
    return outcome


def push(targets: Sequence[Tracked]) -> int:
    """Copy the targets' content to the default remote, as far as it is here; how many that are.

    Raises:
        UserError: there is no remote, or it cannot be reached.
    """
    pushed = 0
    for repository, own in _by_repository(targets).items():
        here = [target for target in own if cached(repository, target.objects | {target.md5})]
        for part in in_calls([repository.inside(target.dvc_file) for target in here]):
            dvc(repository.root, "push", *part)
        pushed += len(here)
    return pushed


def _add(targets: Sequence[Tracked], repository: Repository) -> None:
    before = {target.path: _text(target.dvc_file) for target in targets}
    for part in in_calls([repository.inside(target.path) for target in targets]):
        dvc(repository.root, "add", "--no-relink", *part)
    wrong = [target for target in targets if recorded_md5(target.dvc_file) != target.md5]
    for target in wrong:
        _restore(target.dvc_file, before[target.path])
    if wrong:
        raise UserError(
            f"{wrong[0].path} is not what its manifest says (DVC finds another MD5 than {wrong[0].md5[:12]}…)"
            + (f", and {len(wrong) - 1} more" if len(wrong) > 1 else "")
            + "; `python scripts/audit.py TABLE --where … --verify` names the file"
        )


def _by_repository(targets: Sequence[Tracked]) -> dict[Repository, list[Tracked]]:
    at = {target.path: target for target in targets}
    return {repository: [at[path] for path in paths] for repository, paths in by_repository(at).items()}


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
