"""Is a published study whole, and is it all that its `bundle.json` says, no more and no less?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from verizero.artifacts.bundle import FILE
from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import digest_of
from verizero.tracking.lineage import Artifact
from verizero.tracking.open_bundle import OpenBundle
from verizero.tracking.study_verification import StudyVerification, verify_study
from verizero.tracking.verification import other_version, own


def verify_bundle(bundle: OpenBundle, workers: int = 1) -> StudyVerification:
    """Verify the study of a bundle, and that the bundle holds nothing else."""
    contents = bundle.contents
    found = verify_study(bundle.results, contents.study, workers)
    found.where = {one.sha256: one.where for one in contents.elsewhere}
    if found.links.broken is None:
        try:
            found.links.broken = next(_broken(bundle, found), None)
        except UserError as error:
            found.links.broken = str(error)
    found.tally.manifests, found.tally.files = found.links.artifacts, found.links.files
    return found


def tracking_of(results: Path, study: str) -> Artifact:
    """What says that a study was registered with DVC and MLflow."""
    return Artifact(results / "studies" / study / "tracking" / "manifest.json", results)


def _broken(bundle: OpenBundle, found: StudyVerification) -> Iterator[str]:
    contents, results = bundle.contents, bundle.results
    study = found.artifacts[0]
    if digest_of(study.path) != contents.manifest_sha256:
        yield f"{study.path} is not the manifest that {bundle.folder / FILE} names"
    known = {artifact.path for artifact in found.artifacts}
    tracking = tracking_of(results, contents.study)
    if tracking.path.is_file():
        yield from own(tracking, found.links)
        for name, other in tracking.upstream().items():
            if not other.path.is_file():
                yield f"{other.path} is missing; {tracking.path} was made from it"
            if digest_of(other.path) != tracking.manifest.inputs[name]:
                yield other_version(other, tracking)
        known.add(tracking.path)
    for file in sorted(results.rglob("manifest.json")):
        if file not in known:
            yield f"{file} is of nothing that the study `{contents.study}` was made from"
    listed = {one.path: one.sha256 for one in contents.elsewhere}
    gone = {one.file.relative_to(results).as_posix(): one.sha256 for one in found.links.gone}
    for path in sorted({*listed, *gone}):
        if listed.get(path) != gone.get(path):
            yield f"{bundle.folder / FILE} does not say rightly that {path} is elsewhere"
