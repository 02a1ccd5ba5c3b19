"""A `.dvc` file: the small text that stands for a payload in git and names its content by MD5."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import Manifest, read_manifest

SUFFIX = ".dvc"


def target_of(dvc_file: Path) -> Path:
    """The file or folder that it stands for."""
    return dvc_file.with_name(dvc_file.name.removesuffix(SUFFIX))


def output_of(dvc_file: Path) -> dict[str, Any]:
    """What it says of its one output: `md5`, `size`, for a folder `nfiles`; empty where it is absent or no such file."""
    try:
        return dict(yaml.safe_load(dvc_file.read_text(encoding="utf-8"))["outs"][0])
    except (OSError, ValueError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return {}


def recorded_md5(dvc_file: Path) -> str | None:
    """The MD5 that it states, `.dir` included for a folder; None where there is no such file."""
    md5 = output_of(dvc_file).get("md5")
    return None if md5 is None else str(md5)


def objects_of(dvc_file: Path, files: Collection[str] | None = None) -> frozenset[str] | None:
    """The MD5s under which DVC keeps all that a `.dvc` file brings, a folder's own list (`.dir`) included.

    The manifest beside it lists the files of a folder, so nothing has to be fetched to know them.

    Args:
        files: those of a folder that are wanted, by their path in it; all by default.

    Returns:
        None when the file is damaged, or is of another payload than the manifest.
    """
    md5 = recorded_md5(dvc_file)
    if md5 is None:
        return None
    if not md5.endswith(".dir"):
        return frozenset({md5})
    try:
        manifest = read_manifest(dvc_file.parent / "manifest.json")
    except UserError:
        return None
    return payload_objects(manifest, files) if manifest.payload_md5 == md5 else None


def payload_objects(manifest: Manifest, files: Collection[str] | None = None) -> frozenset[str]:
    """The MD5s under which DVC keeps a manifest's payload, or some files of it."""
    own = {entry.md5 for entry in manifest.files if files is None or entry.path in files}
    return frozenset(own | {manifest.payload_md5} if manifest.payload_md5 else own)
