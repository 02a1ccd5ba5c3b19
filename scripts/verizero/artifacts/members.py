"""Members of a suite: artifacts of their own inside one job's folder, kept while nothing about them has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import broken_files, digest_of, payload_folder, read_manifest


def unchanged(manifest_path: Path, spec: Mapping[str, Any], inputs: Mapping[str, Path], code: str) -> bool:
    """Whether a member can be kept: equal spec, equal inputs, made by the present code, its payload whole.

    A payload that is absent altogether (a clone with manifests only) is no reason to make it again; one that is
    there and damaged is.
    """
    if not manifest_path.is_file():
        return False
    try:
        manifest = read_manifest(manifest_path)
        record = json.loads((manifest_path.parent / "record.json").read_text(encoding="utf-8"))
    except (UserError, OSError, json.JSONDecodeError):
        return False
    if manifest.spec != dict(spec) or manifest.inputs != {name: digest_of(path) for name, path in inputs.items()}:
        return False
    if record.get("code_sha256") != code or record.get("manifest_sha256") != digest_of(manifest_path):
        return False
    return not payload_folder(manifest_path, manifest.kind).exists() or not broken_files(manifest_path)
