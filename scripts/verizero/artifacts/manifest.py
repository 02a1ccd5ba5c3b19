"""`manifest.json`: what an artifact is. The same job with the same result writes the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.artifacts.files import describe, folder_md5

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Kind = Literal[
    "model", "dataset", "overlap", "run", "samples", "suite-samples", "grades", "suite-grades", "study", "tracking"
]
PAYLOAD = "payload"


class PayloadFile(BaseModel):
    """One file of the payload: its path inside `payload/`, size in bytes and digests."""

    model_config = ConfigDict(extra="forbid")

    path: str
    size: int
    sha256: Sha256
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Manifest(BaseModel):
    """The identity of an artifact, compared by its consumers byte for byte.

    `payload_md5` is the MD5 under which DVC stores the payload folder, and the digest of MLflow's data set input.
    `inputs` maps the name of each upstream artifact to the SHA-256 of its manifest; `parts` does the same for
    artifacts that lie inside this one (the members of a suite).
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    kind: Kind
    id: str
    spec: dict[str, Any]
    inputs: dict[str, Sha256] = {}
    parts: dict[str, Sha256] = {}
    files: list[PayloadFile] = []
    payload_md5: str | None = None
    counts: dict[str, int | float | str | None] = {}
    seeds: list[int] = []
    unpinned: list[str] = Field(
        default=[], description="Sources whose revision was not resolved; a table that uses them says so."
    )

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.model_dump(), indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        UserError: the file is absent, is no JSON, or does not follow the schema.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such manifest; run `snakemake {path}` to make it")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(
            f"{path}: {where}: {first['msg']}; the file is damaged, remove it and run the job again"
        ) from None


def payload_folder(manifest_path: Path, kind: Kind) -> Path:
    """The folder with the artifact's own files: `payload/` beside the manifest.

    A study's tables, figures and report are there to be looked at: they lie beside the manifest itself.
    """
    return manifest_path.parent if kind == "study" else manifest_path.parent / PAYLOAD


def absent_files(manifest_path: Path, needed: Callable[[str], bool] | None = None) -> list[str]:
    """The payload files that an artifact lists and that are not here whole: missing, or of another size.

    Args:
        needed: which of its files count, by their path inside the payload; all by default.
    """
    manifest = read_manifest(manifest_path)
    payload, absent = payload_folder(manifest_path, manifest.kind), []
    for entry in manifest.files:
        if needed is None or needed(entry.path):
            try:
                if (payload / entry.path).stat().st_size != entry.size:
                    absent.append(entry.path)
            except OSError:
                absent.append(entry.path)
    return absent


def open_artifact(manifest_path: Path, needed: Callable[[str], bool] | None = None) -> tuple[Manifest, Path]:
    """An upstream artifact, checked for use: its manifest and its payload folder.

    Args:
        needed: which of its files will be read, by their path inside the payload; all by default.

    Raises:
        UserError: a payload file is missing or has another size; the message names what brings it back.
    """
    manifest = read_manifest(manifest_path)
    payload = payload_folder(manifest_path, manifest.kind)
    for path in absent_files(manifest_path, needed):
        file, entry = payload / path, next(entry for entry in manifest.files if entry.path == path)
        if not file.is_file():
            raise UserError(f"{file} is missing; {bring_back(manifest_path)}")
        raise UserError(
            f"{file} has {file.stat().st_size} bytes, its manifest says {entry.size}; {bring_back(manifest_path)}"
        )
    return manifest, payload


def bring_back(manifest_path: Path) -> str:
    """What a user can do about a payload that is not here; only what can work."""
    kind = read_manifest(manifest_path).kind
    target = manifest_path.parent.parent / manifest_path.name if kind in ("samples", "grades") else manifest_path
    payload = payload_folder(manifest_path, kind)
    return f"{_pull(payload.with_name(payload.name + '.dvc'))}`snakemake --force -- {target}` makes it again"


def _pull(dvc_file: Path) -> str:
    """How to pull by hand, with the repository that DVC would not find by itself: `results/` may be a link."""
    file = dvc_file.resolve()
    root = next((folder for folder in file.parents if (folder / ".dvc").is_dir()), None)
    if root is None or not file.is_file():
        return ""
    where = "" if root == Path.cwd().resolve() else f"--cd {root} "
    return f"`dvc {where}pull --force {file.relative_to(root)}` brings it back where the DVC remote holds it, "


def unpinned_sources(manifests: Iterable[Path]) -> list[str]:
    """The hub sources without a resolved revision that any of these artifacts rests on, sorted."""
    return sorted({source for path in manifests for source in read_manifest(path).unpinned})


def digest_of(manifest_path: Path) -> str:
    """SHA-256 of a manifest's bytes: the name by which consumers know the artifact."""
    return sha256_file(manifest_path)


def broken_files(manifest_path: Path) -> list[str]:
    """Re-hash the payload: one sentence for each file that is missing or differs from the manifest."""
    manifest = read_manifest(manifest_path)
    payload, broken, seen = payload_folder(manifest_path, manifest.kind), [], []
    for entry in manifest.files:
        file = payload / entry.path
        if not file.is_file():
            broken.append(f"{file} is missing; {bring_back(manifest_path)}")
            continue
        found = describe(file, payload)
        seen.append(found)
        if found.sha256 != entry.sha256:
            broken.append(f"{file} has SHA-256 {found.sha256[:16]}…, its manifest says {entry.sha256[:16]}…")
    if not broken and manifest.files and folder_md5(seen) != manifest.payload_md5:
        broken.append(f"{manifest_path}: payload_md5 does not follow from the files it lists")
    return broken
