"""The artifacts of one study, and what of them is worth keeping outside this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import EVENTS_FILE
from verizero.artifacts.manifest import PAYLOAD, absent_files
from verizero.config.spec import StudySpec
from verizero.tracking.dvc import Tracked
from verizero.tracking.dvc_file import payload_objects
from verizero.tracking.lineage import Artifact, everything_below


def study_artifacts(spec: StudySpec, results: Path) -> list[Artifact]:
    """Everything that a study's tables follow from, the study first, each once, sorted by place.

    Raises:
        UserError: one of them is missing or damaged, or was made from others than lie here now.
    """
    top = Artifact(results / "studies" / spec.name / "manifest.json", results)
    found = {top.path: top}
    planned = [top.at("runs", run.id) for run in spec.runs] + [
        top.at("grades", *cell.grades.split("/")) for cell in spec.cells
    ]
    for start in (top, *planned):
        if start.path not in found or start is top:
            for artifact in everything_below(start):
                found[artifact.path] = artifact
    below = sorted((artifact for artifact in found.values() if artifact is not top), key=lambda artifact: artifact.name)
    _check_links((top, *below))
    return [top, *below]


def tracked_payloads(artifacts: Iterable[Artifact]) -> list[Tracked]:
    """What DVC keeps: each payload, and the event log of a run. A study's own tables are in git."""
    found = []
    for artifact in artifacts:
        manifest, folder = artifact.manifest, artifact.path.parent
        meta = {"manifest_sha256": artifact.digest, "kind": manifest.kind, "id": manifest.id}
        if manifest.kind != "study" and manifest.payload_md5:
            here = not absent_files(artifact.path)
            found.append(Tracked(folder / PAYLOAD, manifest.payload_md5, meta, payload_objects(manifest), here))
        if EVENTS_FILE in artifact.record.files and (folder / EVENTS_FILE).is_file():
            found.append(
                Tracked(
                    folder / EVENTS_FILE,
                    hashlib.md5((folder / EVENTS_FILE).read_bytes(), usedforsecurity=False).hexdigest(),
                    meta,
                )
            )
    return found


def _check_links(artifacts: Iterable[Artifact]) -> None:
    for artifact in artifacts:
        for name, other in artifact.upstream().items():
            if other.digest != artifact.manifest.inputs[name]:
                raise UserError(
                    f"{artifact.path} was made from another {other.path} than the one that is here; run `snakemake {artifact.path}`"
                )
