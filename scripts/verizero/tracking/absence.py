"""What is to be done about payloads that are not here, before Snakemake plans.

Snakemake sees manifests only: to it, an artifact whose payload was deleted, or never came with a clone, is done. Here the
jobs that will run are found in the same way as Snakemake finds them (spec, code, inputs), and what they will read is looked
for. A payload that is needed and absent is pulled where DVC can bring it. Otherwise its own job runs again: always for the
cheap stages, for pretraining and training where `runtime.recompute` says so. What nobody needs stays absent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import PAYLOAD, absent_files
from verizero.config.plan import Plan, PlannedJob
from verizero.tracking.lineage import Artifact
from verizero.tracking.needs import Need, kept_members, needs
from verizero.tracking.remote import Obtainable, obtainable
from verizero.tracking.restoring import made_otherwise

EXPENSIVE = ("pretrain", "train")
Ask = Callable[[Sequence[Path], Mapping[Path, Collection[str]]], Obtainable]
"""Which `.dvc` files' contents DVC can bring, as far as they are needed; a test brings its own answer."""


@dataclass
class Absence:
    """The absent payloads that jobs of this study will read.

    Attributes:
        pulled: the `.dvc` files to pull from, with the needs that each is for.
        again: the manifests whose jobs run again, with the needs that it is for; each behind those that it needs itself.
        depth: how many others of these each of them rests on, one on the other.
        why_not: by manifest, why DVC does not bring what is not pulled.
        refusal: why nothing can begin: weights are needed that would have to be trained again, and `runtime.recompute` does
            not say so. A dry run only says it.
    """

    pulled: dict[Path, list[Need]] = field(default_factory=dict)
    again: dict[Path, list[Need]] = field(default_factory=dict)
    depth: dict[Path, int] = field(default_factory=dict)
    why_not: dict[Path, str] = field(default_factory=dict)
    refusal: str = ""

    def sentences(self) -> list[str]:
        """One line for each payload that is brought back, and why; or the refusal alone."""
        if self.refusal:
            return [self.refusal]
        said = [
            f"{needed[0].manifest.parent}: its payload is not here ({_names(self.files(file))}) and {_needed_by(needed[0])}; "
            "DVC brings it back"
            for file, needed in self.pulled.items()
        ]
        for output in itertools.chain.from_iterable(self.levels()):
            need = self.again[output][0]
            said.append(
                f"{output.parent}: its payload is not here ({_names(need.absent)}) and {_needed_by(need)}; its job makes it "
                f"again first{f' ({why})' if (why := self.why_not.get(need.manifest)) else ''}"
            )
        return said

    def files(self, dvc_file: Path) -> tuple[str, ...]:
        """What is needed of one `.dvc` file's payload, by the paths in it."""
        return tuple(dict.fromkeys(file for need in self.pulled[dvc_file] for file in need.absent))

    def levels(self) -> list[list[Path]]:
        """The manifests to make again, in rounds: none of a round rests on another of it."""
        rounds = sorted({self.depth[output] for output in self.again})
        return [[output for output in self.again if self.depth[output] == depth] for depth in rounds]


def absence(plan: Plan, results: Path, ask: Ask = obtainable) -> Absence:
    """What of the study's payloads is absent and needed."""
    found = Absence()
    jobs = {job.output: job for job in plan.jobs()}
    if not any(_is_hollow(output, results) for output in jobs):
        return found
    waiting = _will_run(jobs.values(), results)
    will_run = {job.output for job in waiting}
    refused: list[Need] = []
    while waiting:
        own = [need for job in waiting if job.stage in ("generate", "grade") for need in kept_members(job)]
        wanted = [need for job in waiting for need in needs(job) if need.output not in will_run]
        _ask(found, [*own, *wanted], ask)
        waiting = []
        for need in wanted:
            if need.manifest not in found.why_not:
                continue
            job = jobs.get(need.output)
            if job is None or (job.stage in EXPENSIVE and job.stage not in plan.config.runtime.recompute):
                refused.append(need)
            elif need.output not in found.again:
                found.again[need.output] = [need]
                waiting.append(job)
            elif need.manifest not in {other.manifest for other in found.again[need.output]}:
                found.again[need.output].append(need)
    if refused:
        found.refusal = _refusal(refused, jobs, results, found.why_not)
    for job in jobs.values():
        found.depth[job.output] = max(
            (found.depth.get(path, 0) + (path in found.again) for path in job.inputs), default=0
        )
    return found


def _is_hollow(output: Path, results: Path) -> bool:
    """Whether anything of an artifact, or of a suite's members, is absent."""
    if not output.is_file():
        return False
    try:
        members = Artifact(output, results).members().values()
        return any(not one.path.is_file() or absent_files(one.path) for one in members) or bool(absent_files(output))
    except UserError:
        return False  # damaged; whoever reads it says so


def _will_run(jobs: Iterable[PlannedJob], results: Path) -> list[PlannedJob]:
    """The jobs that Snakemake will find to be due: not here, or made otherwise, or behind such a one."""
    due: dict[Path, PlannedJob] = {}
    for job in jobs:
        if any(path in due for path in job.inputs) or _is_due(job, Artifact(job.output, results)):
            due[job.output] = job
    return list(due.values())


def _is_due(job: PlannedJob, artifact: Artifact) -> bool:
    if not artifact.path.is_file():
        return True
    try:
        return made_otherwise(artifact, job.spec, job.code, job.inputs) is not None
    except UserError:
        return True


def _ask(found: Absence, needs_now: Sequence[Need], ask: Ask) -> None:
    """Sort needs into what DVC brings and what it does not, asking it once for all of them."""
    wanted: dict[Path, list[Need]] = {}
    for need in needs_now:
        file = need.manifest.parent / f"{PAYLOAD}.dvc"
        if file.is_file():
            wanted.setdefault(file, []).append(need)
        else:
            found.why_not[need.manifest] = "no `.dvc` file says where it could be pulled from"
    if not wanted:
        return
    files = {file: {name for need in needed for name in need.absent} for file, needed in wanted.items()}
    answer = ask(list(wanted), files)
    for file, needed in wanted.items():
        if file in answer.files:
            found.pulled.setdefault(file, []).extend(needed)
        else:
            found.why_not |= {need.manifest: answer.reason or "" for need in needed}


def _names(files: Sequence[str]) -> str:
    return files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "")


def _needed_by(need: Need) -> str:
    return f"`{need.by.stage}` of {need.by.name} needs it"


def _refusal(refused: Sequence[Need], jobs: dict[Path, PlannedJob], results: Path, why_not: Mapping[Path, str]) -> str:
    """The sentence about weights that would have to be trained again: what, for whom, at what cost, and what to do."""
    first = refused[0]
    others = len({need.manifest for need in refused}) - 1
    stages = sorted({jobs[need.output].stage for need in refused if need.output in jobs})
    also = f" (and the payloads of {others} more)" if others else ""
    why = f"; {why_not[first.manifest]}" if why_not.get(first.manifest) else ""
    return (
        f"{first.manifest.parent / PAYLOAD / first.absent[0]}{also} is not here and {_needed_by(first)}{why}. "
        f"Making it again cost {_cost({need.output for need in refused}, results)} the last time: "
        f"`--config 'runtime={{recompute: [{', '.join(stages)}]}}'` allows it; or put the files back"
    )


def _cost(outputs: Iterable[Path], results: Path) -> str:
    """Hours and hardware that these artifacts took when they were made, by their records."""
    seconds, machines = 0.0, set()
    for output in sorted(outputs):
        try:
            record = Artifact(output, results).record
        except UserError:
            return "nobody knows what (no record)"
        for attempt in record.attempts:
            if attempt.ended:
                seconds += (
                    datetime.fromisoformat(attempt.ended) - datetime.fromisoformat(attempt.started)
                ).total_seconds()
        machines.add(f"{len(record.gpus)} x {record.gpus[0]}" if record.gpus else f"{record.cpus} CPUs")
    return f"{_duration(seconds)} on {' and '.join(sorted(machines))}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
