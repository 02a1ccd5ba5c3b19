"""Is an artifact that a clone brought exactly what its job would make now? Then the job need not run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import digest_of
from verizero.tracking.lineage import Artifact, spec_difference


def objection(artifact: Artifact, spec: str, code: str, inputs: Iterable[Path]) -> str | None:
    """Why a job cannot be taken as done; None when it can.

    Args:
        artifact: the one that the job's output names.
        spec: canonical JSON of the job's spec, as the workflow has it now.
        code: the code digest of its program now.
        inputs: the manifests that the job reads.
    """
    if not artifact.path.is_file():
        return "its manifest is not here"
    try:
        return _objection(artifact, spec, code, inputs)
    except UserError as error:
        return str(error)


def made_otherwise(artifact: Artifact, spec: str, code: str, inputs: Iterable[Path]) -> str | None:
    """Why Snakemake runs the job of an artifact that is here: another spec, other code, another input; None when it does not.

    Raises:
        UserError: manifest or record are damaged or missing.
    """
    manifest, record = artifact.manifest, artifact.record
    if keys := spec_difference(manifest.spec, json.loads(spec)):
        return f"it was made with another {', '.join(keys[:3])}{' and more' if len(keys) > 3 else ''}"
    if record.code_sha256 != code:
        return f"it was made by another version of {record.program}"
    used = set(manifest.inputs.values())
    for path in inputs:
        if not path.is_file():
            return f"its input {path} is not here"
        if digest_of(path) not in used:
            return f"it was made from another {path}"
    return None


def _objection(artifact: Artifact, spec: str, code: str, inputs: Iterable[Path]) -> str | None:
    manifest, record = artifact.manifest, artifact.record
    if record.manifest_sha256 != artifact.digest:
        return "its record.json is of another manifest"
    if reason := made_otherwise(artifact, spec, code, inputs):
        return reason
    for name, other in artifact.upstream().items():
        if not other.path.is_file() or other.digest != manifest.inputs[name]:
            return f"it was made from another {other.path}"
    for name, member in artifact.members().items():
        if not member.path.is_file() or member.digest != manifest.parts[name]:
            return f"its member {name} is not the one it lists"
    return None
