"""`bundle.json`: what a published study holds, file by file, and what of it lies elsewhere.

A bundle has the layout of `results/`. Manifests, records and a study's own files are stored as they are; other payload files
that are not compressed already are packed with xz, under their name with `.xz` behind it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import Sha256

FILE = "bundle.json"
PACKED = ".xz"
Reason = Literal["weights", "problems", "rollouts", "drawings", "tracking"]


class StoredFile(BaseModel):
    """One file of the bundle: its path inside it, and size in bytes and digest as it is stored."""

    model_config = ConfigDict(extra="forbid")

    path: str
    size: int
    sha256: Sha256
    packed: bool = False

    @property
    def plain(self) -> str:
        """Its path inside `results/`."""
        return self.path.removesuffix(PACKED) if self.packed else self.path


class FileElsewhere(BaseModel):
    """One file of the study that is not in the bundle: path inside `results/`, size in bytes, digest, why, and where it is."""

    model_config = ConfigDict(extra="forbid")

    path: str
    size: int | None
    sha256: Sha256
    reason: Reason
    where: str | None = None


class ProblemSource(BaseModel):
    """Where the problems of a graded benchmark come from; the licence is the registry's word, None where it has none."""

    model_config = ConfigDict(extra="forbid")

    benchmark: str
    source: dict[str, Any]
    licence: str | None = None


class Bundle(BaseModel):
    """One published study.

    `manifest_sha256` is that of the study's manifest. `commits` are the versions that its artifacts' records name.
    `reasons` says in words what the reasons of the files elsewhere are.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    study: str
    question: str
    manifest_sha256: Sha256
    commits: list[str]
    problems: list[ProblemSource]
    reasons: dict[Reason, str]
    elsewhere: list[FileElsewhere]
    files: list[StoredFile]

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle's list of contents.

    Raises:
        UserError: there is none, or it does not follow the schema.
    """
    file = folder / FILE
    if not file.is_file():
        raise UserError(f"{file}: there is no such file; a published study is a folder that `scripts/publish.py` made")
    try:
        return Bundle.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{file}: {where}: {first['msg']}; the file is damaged, take it from git again") from None
