"""Which files of its inputs a job will read, so that an absent payload is brought back only when somebody needs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.artifacts.events import CURVES_FILE
from verizero.artifacts.manifest import absent_files, read_manifest
from verizero.artifacts.members import same_definition
from verizero.config.expansion import parse_subject
from verizero.config.plan import PlannedJob, dataset_manifest
from verizero.reward.cut import graded_spec


@dataclass(frozen=True)
class Need:
    """Files of one artifact that a job reads.

    Attributes:
        manifest: of the artifact that holds them; a member of a suite is one of its own.
        output: the declared output of the job that makes it: its own manifest, or that of its suite.
        absent: those of the needed files that are not here.
        by: the job.
    """

    manifest: Path
    output: Path
    absent: tuple[str, ...]
    by: PlannedJob


def needs(job: PlannedJob) -> Iterator[Need]:
    """What a job that will run needs of artifacts whose manifests are here, as far as it is absent."""
    match job.stage:
        case "generate":
            yield from _generate(job)
        case "grade":
            yield from _grade(job)
        case "aggregate":
            for path in job.inputs:
                if path.is_file() and path.parts[1] == "runs":
                    yield from _absent(path, path, job, lambda file: file == CURVES_FILE)
                elif path.parts[1] == "overlaps":
                    yield from _absent(path, path, job, lambda file: file == "pairs.jsonl")
                else:
                    for member in _members(path):
                        yield from _absent(member, path, job)
        case _:
            for path in job.inputs:
                yield from _absent(path, path, job)


def kept_members(job: PlannedJob) -> Iterator[Need]:
    """The members of a suite whose definition did not change and whose payload is absent: to sample or grade them again
    is only needed where nothing brings them back.
    """
    for member in _own_members(job):
        if same_definition(member, *_definition(job, member)):
            yield from _absent(member, job.output, job)


def _generate(job: PlannedJob) -> Iterator[Need]:
    policy, *_ = job.inputs
    subject = parse_subject(job.name.partition("/")[0])
    changed = [member for member in _own_members(job) if _changed(job, member)]
    if changed:
        yield from _absent(
            policy, policy, job, (lambda file: file.startswith(f"step-{subject.step}/")) if subject.run else None
        )
    for benchmark in sorted({_definition(job, member)[1]["benchmark"] for member in changed}):
        yield from _absent(benchmark, benchmark, job)


def _grade(job: PlannedJob) -> Iterator[Need]:
    samples, *_ = job.inputs
    for member in _own_members(job):
        inputs = _definition(job, member)[1]
        if "benchmark" in inputs and _changed(job, member):
            yield from _absent(inputs["samples"], samples, job)
            yield from _absent(inputs["benchmark"], inputs["benchmark"], job)


def _changed(job: PlannedJob, member: Path) -> bool:
    """Whether the job will make a member: as `members.unchanged`, but without hashing what is here."""
    return not same_definition(member, *_definition(job, member)) or bool(absent_files(member))


def _definition(job: PlannedJob, member: Path) -> tuple[dict[str, Any], dict[str, Path], str]:
    """Spec, inputs and code of a member, as its job will have them."""
    spec = json.loads(job.spec)
    name = member.parent.name
    if job.stage == "generate":
        own = spec["members"][name]
        return own, {"policy": job.inputs[0], "benchmark": Path(dataset_manifest(own["benchmark"]))}, job.code
    cut = spec.get("cuts", {}).get(name)
    samples = job.inputs[0].parent / (cut["member"] if cut else name) / "manifest.json"
    inputs = {"samples": samples}
    if samples.is_file():
        inputs["benchmark"] = Path(dataset_manifest(read_manifest(samples).spec["benchmark"]))
    return graded_spec(spec["grader"], (cut["member"], cut["tokens"]) if cut else None), inputs, job.code


def _own_members(job: PlannedJob) -> list[Path]:
    """The manifests of a suite's members, here or not."""
    spec = json.loads(job.spec)
    return [job.output.parent / name / "manifest.json" for name in (*spec["members"], *spec.get("cuts", {}))]


def _members(suite: Path) -> list[Path]:
    if not suite.is_file():
        return []
    return [suite.parent / name / "manifest.json" for name in read_manifest(suite).parts]


def _absent(
    manifest: Path, output: Path, job: PlannedJob, needed: Callable[[str], bool] | None = None
) -> Iterator[Need]:
    if not manifest.is_file():
        if manifest != output and output.is_file():
            yield Need(manifest, output, ("manifest.json",), job)  # a member's whole folder is gone
        return
    if absent := absent_files(manifest, needed):
        yield Need(manifest, output, tuple(absent), job)
