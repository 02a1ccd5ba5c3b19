"""Would an artifact be made the same way today? Stale: another spec or other code; behind: another environment."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

from verizero.artifacts.code import code_digest
from verizero.artifacts.errors import UserError
from verizero.config.plan import Plan
from verizero.tracking.lineage import Artifact, spec_difference


def drift(artifact: Artifact, plan: Plan) -> list[str]:
    """What is different now, one sentence each; information, no failure."""
    said = []
    try:
        wanted = present_spec(artifact, plan)
    except (UserError, KeyError, ValueError):
        said.append(f"stale: {artifact.name} is not defined in the present config")
    else:
        if keys := spec_difference(artifact.manifest.spec, wanted) if wanted is not None else []:
            said.append(f"stale: {artifact.name} was made with another {', '.join(keys)}")
    program = plan.root / "scripts" / artifact.record.program
    if program.is_file() and code_digest(program) != artifact.record.code_sha256:
        said.append(f"stale: {artifact.name} was made by another version of {artifact.record.program}")
    return said + _behind(artifact)


def present_spec(artifact: Artifact, plan: Plan) -> Any:
    """The spec that the present config gives an artifact; None where it has none of its own (the grades of one member).

    Raises:
        UserError, KeyError, ValueError: the config does not define it.
    """
    place = artifact.path.parent.relative_to(artifact.results).parts
    match artifact.manifest.kind, place:
        case "model", (_, name):
            return json.loads(plan.stage_spec("prepare_model", name))
        case "dataset", (_, name):
            return json.loads(plan.stage_spec("prepare_dataset", name))
        case "overlap", (_, study, name):
            return json.loads(plan.stage_spec("overlap", f"{study}/{name}"))
        case "run", (_, run):
            return json.loads(plan.stage_spec("train", run))
        case "samples", (_, subject, suite, member):
            return json.loads(plan.stage_spec("generate", f"{subject}/{suite}"))["members"][member]
        case "suite-samples", (_, subject, suite):
            return json.loads(plan.stage_spec("generate", f"{subject}/{suite}"))
        case "suite-grades", (_, subject, suite):
            return json.loads(plan.stage_spec("grade", f"{subject}/{suite}"))
        case (("study" | "tracking"), (_, study, *_)):
            return json.loads(plan.stage_spec("aggregate", study))
    return None


def plan_of(results: Path, study: str) -> Plan | None:
    """The plan of the checkout that the results lie in; None where there is no config, or none that is valid."""
    try:
        return Plan(results.resolve().parent, {"study": study})
    except UserError:
        return None


def _behind(artifact: Artifact) -> list[str]:
    """Only the jobs' own environment can be compared: the orchestration's has other versions on purpose."""
    here = {name: _version(name) for name in artifact.record.packages}
    if here.get("torch") is None:
        return []
    other = [
        f"{name} {then}, now {here[name]}"
        for name, then in artifact.record.packages.items()
        if here[name] not in (None, then)
    ]
    return [f"behind: {artifact.name} was made with {', '.join(other)}"] if other else []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
