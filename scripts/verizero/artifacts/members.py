"""Members of a suite: artifacts of their own inside one job's folder, kept while nothing about them has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import broken_files, digest_of, read_manifest


def unchanged(manifest_path: Path, spec: Mapping[str, Any], inputs: Mapping[str, Path], code: str) -> bool:
    """Whether a member can be kept: it is what it would be made as, and its payload is here and whole."""
    return same_definition(manifest_path, spec, inputs, code) and not broken_files(manifest_path)


def same_definition(manifest_path: Path, spec: Mapping[str, Any], inputs: Mapping[str, Path], code: str) -> bool:
    """Whether a member that is here has an equal spec, equal inputs, and was made by the present code."""
    if not manifest_path.is_file():
        return False
    try:
        manifest = read_manifest(manifest_path)
        record = json.loads((manifest_path.parent / "record.json").read_text(encoding="utf-8"))
        digests = {name: digest_of(path) for name, path in inputs.items()}
    except (UserError, OSError, json.JSONDecodeError):
        return False
    if manifest.spec != dict(spec) or manifest.inputs != digests:
        return False
    return bool(record.get("code_sha256") == code and record.get("manifest_sha256") == digest_of(manifest_path))
