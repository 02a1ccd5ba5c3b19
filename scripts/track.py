"""Register the artifacts of a study with DVC and MLflow; once or many times, the result is the same.

    python scripts/track.py --study demo --results results --config config/config.yaml --out results/studies/demo/tracking/manifest.json

DVC: a `.dvc` file beside each payload (commit it; `dvc pull results/runs/<run>/payload.dvc` brings a checkpoint back), under
the MD5 that the manifest states. MLflow: the study is an experiment, each training run a run, with its recipe, its metrics
over steps and its data sets. `tracking:` in config/config.yaml says which of both, and where to; nothing of that is part of
any result's identity. Runs in the orchestration environment; the jobs themselves need neither DVC, MLflow nor a network.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.artifacts.files import write_atomic
from verizero.artifacts.job import Job
from verizero.config.plan import Plan
from verizero.config.spec import StudySpec
from verizero.config.study import Tracking
from verizero.tracking import dvc
from verizero.tracking.lineage import Artifact
from verizero.tracking.mlflow_runs import sync
from verizero.tracking.mlflow_server import experiment, server
from verizero.tracking.scores import training_runs
from verizero.tracking.study import EVENTS, study_artifacts, tracked_payloads


def main() -> None:
    """Track one study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", required=True, help="a study of config/studies/")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder with all artifacts")
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="says what to track, and where")
    parser.add_argument("--out", type=Path, required=True, help="the manifest.json to write")
    arguments = parser.parse_args()

    plan = Plan(arguments.config.resolve().parents[1], {"study": arguments.study})
    artifacts = study_artifacts(plan.spec, arguments.results)
    spec = json.loads(plan.stage_spec("track", arguments.study))
    job = Job(
        "tracking",
        arguments.study,
        spec,
        arguments.out,
        inputs={artifact.name: artifact.path for artifact in artifacts},
    )
    links = _links(plan.spec, artifacts, plan.config.tracking, job)
    job.publish(counts=_counts(artifacts), beside={"links.json": links})


def _links(spec: StudySpec, artifacts: list[Artifact], tracking: Tracking, job: Job) -> Path:
    """Do what is switched on; a file that says where everything went."""
    found: dict[str, object] = {"dvc": None, "mlflow": None}
    if tracking.enabled and tracking.dvc.enabled:
        try:
            found["dvc"] = _to_dvc(artifacts, tracking.dvc.push)
        except dvc.NoRepository as error:
            job.warn(f"payloads are not under DVC: {error}")
    if tracking.enabled and tracking.mlflow.enabled:
        found["mlflow"] = _to_mlflow(spec, artifacts[0], tracking.mlflow.uri)
    file = job.scratch / "links.json"
    write_atomic(file, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return file


def _to_dvc(artifacts: list[Artifact], push: bool) -> dict[str, int | bool]:
    payloads = tracked_payloads(artifacts)
    added = dvc.track(payloads)
    print(f"DVC: {len(added)} added, {len(payloads) - len(added)} there already", file=sys.stderr)
    if push:
        dvc.push(payloads)
        print(f"DVC: {len(payloads)} at the default remote", file=sys.stderr)
    return {"tracked": len(payloads), "pushed": push}


def _to_mlflow(spec: StudySpec, study: Artifact, uri: str) -> dict[str, object]:
    runs = training_runs(spec, study)
    if quiet := [run.artifact.name for run in runs if not (run.artifact.path.parent / EVENTS).is_file()]:
        print(
            f"MLflow: {len(quiet)} of {len(runs)} runs have no {EVENTS} here (first: {quiet[0]}); "
            "their metrics over steps are left out",
            file=sys.stderr,
        )
    with server(uri) as client:
        experiment_id = experiment(client, spec.name, uri)
        ids = sync(client, experiment_id, runs)
    print(f"MLflow: {len(ids)} runs in experiment `{spec.name}` at {uri}", file=sys.stderr)
    return {"uri": uri, "experiment": spec.name, "experiment_id": experiment_id, "runs": ids}


def _counts(artifacts: list[Artifact]) -> dict[str, int | float | str | None]:
    sizes = [entry.size for artifact in artifacts for entry in artifact.manifest.files]
    return {"artifacts": len(artifacts), "files": len(sizes), "bytes": sum(sizes)}


if __name__ == "__main__":
    main_program(main)()
