"""What DVC can bring, and bringing it: single files of a payload too, so that a curve does not cost a checkpoint."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import PAYLOAD, absent_files
from verizero.tracking.dvc_file import objects_of, output_of, target_of
from verizero.tracking.dvc_program import dvc, in_calls
from verizero.tracking.dvc_repository import NoRepository, Repository, by_repository

PATIENCE = 300
"""Seconds for a remote to say what it holds; listing a million objects takes S3 about two minutes."""
Files = Mapping[Path, Collection[str]]
"""By `.dvc` file: the wanted files of its payload, by their path in it. All of one that is not listed."""


@dataclass(frozen=True)
class Obtainable:
    """What DVC can bring.

    Attributes:
        files: the `.dvc` files whose content is in the local cache or at the default remote.
        reason: one phrase, why the others' is not; None where there are no others.
    """

    files: frozenset[Path]
    reason: str | None


def obtainable(dvc_files: Sequence[Path], files: Files | None = None, *, cache: bool = True) -> Obtainable:
    """Which of these `.dvc` files' contents DVC can really bring. One process for each repository, however many files.

    Args:
        files: what is wanted of them.
        cache: whether the local cache counts too.
    """
    if importlib.util.find_spec("dvc") is None:
        return Obtainable(frozenset(), "DVC is not installed here")
    there: set[Path] = set()
    reasons: dict[str, None] = {}
    try:
        repositories = by_repository(dvc_files)
    except NoRepository as error:
        return Obtainable(frozenset(), str(error))
    for repository, own in repositories.items():
        wanted = {file: objects_of(file, (files or {}).get(file)) for file in own}
        known = {file: objects for file, objects in wanted.items() if objects is not None}
        if len(known) < len(own):
            reasons["its `.dvc` file is of another payload"] = None
        held, trouble = _held(repository, frozenset().union(*known.values()), cache)
        found = {file for file, objects in known.items() if objects <= held}
        if len(found) < len(known):
            reasons[trouble or "the DVC remote does not hold it"] = None
        there |= found
    return Obtainable(frozenset(there), "; ".join(reasons) or None)


def bring(dvc_files: Sequence[Path], files: Files | None = None) -> None:
    """Pull payloads, or files of them, over what is here of them; what is complete is not fetched again.

    Args:
        files: what is wanted of them.

    Raises:
        UserError: something did not come, or not as its manifest says.
    """
    said: list[str] = []
    for repository, own in by_repository(dvc_files).items():
        repository.make()
        wholes, singles = _targets(repository, own, files or {})
        for part in (*in_calls(wholes), *in_calls(singles)):
            try:
                dvc(repository.root, "pull", "--force", *part, shown=sys.stderr.isatty())
            except UserError as error:  # the rest may have come: what counts is what is here
                said.append(str(error))
    if missing := [path for file in dvc_files for path in _missing(file, (files or {}).get(file))]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"DVC did not bring {missing[0]}{more} as its manifest says"
            + (f": {said[0]}" if said else ", and says nothing of it")
        )


def _held(repository: Repository, objects: frozenset[str], cache: bool) -> tuple[frozenset[str], str | None]:
    """Those of the objects that DVC has or can fetch, and what is wrong with the remote."""
    asked = {
        "repository": str(repository.settings),
        "objects": sorted(objects),
        "cache": cache and repository.settings == repository.root,
    }
    if not objects:
        return frozenset(), None
    scripts = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "verizero.tracking.remote_objects"]
    try:
        done = subprocess.run(
            command,
            cwd=scripts,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return frozenset(), f"the DVC remote did not answer in {PATIENCE} s"
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return frozenset(), f"DVC could not be asked ({last})"
    return frozenset(answer["held"]), answer["trouble"]


def _targets(repository: Repository, dvc_files: Sequence[Path], files: Files) -> tuple[list[str], list[str]]:
    """What `dvc pull` is told: `.dvc` files, and single files of folders. In one call DVC 3.67 leaves some of both behind."""
    wholes, singles = [], []
    for file in dvc_files:
        wanted = files.get(file)
        if wanted is None or objects_of(file, wanted) == objects_of(file):
            wholes.append(repository.inside(file))
        else:
            singles += [f"{repository.inside(target_of(file))}/{name}" for name in sorted(wanted)]
    return wholes, singles


def _missing(dvc_file: Path, files: Collection[str] | None) -> list[Path]:
    """What is not here whole of what a `.dvc` file brings."""
    target = target_of(dvc_file)
    if target.name == PAYLOAD:
        needed = None if files is None else lambda file: file in files
        return [target / file for file in absent_files(target.with_name("manifest.json"), needed)]
    whole = target.is_file() and target.stat().st_size == output_of(dvc_file).get("size", target.stat().st_size)
    return [] if whole else [target]
