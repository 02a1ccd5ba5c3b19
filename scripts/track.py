"""Register the artifacts of a study with DVC and MLflow; once or many times, the result is the same.

    python scripts/track.py --study demo --results results --config config/config.yaml --out results/studies/demo/tracking/manifest.json
    python scripts/track.py --check      # exit code 1 if git holds a `.dvc` file whose content the default remote does not hold

DVC: a `.dvc` file beside each payload that is here, under the MD5 that the manifest states; with `tracking.dvc.push` its
content goes to the default remote, and only then is the file worth a commit (docs/reruns.md). MLflow: the study is an
experiment, each training run a run, with its recipe, its metrics over steps and its data sets. `tracking:` in
config/config.yaml says which of both, and where to; nothing of that is part of any result's identity. Runs in the
orchestration environment; the jobs themselves need neither DVC, MLflow nor a network.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.artifacts.events import EVENTS_FILE
from verizero.artifacts.files import write_atomic
from verizero.artifacts.job import Job
from verizero.config.plan import Plan
from verizero.config.spec import StudySpec
from verizero.config.study import Tracking
from verizero.tracking import dvc
from verizero.tracking.committed import committed_dvc_files
from verizero.tracking.dvc_repository import NoRepository
from verizero.tracking.lineage import Artifact
from verizero.tracking.mlflow_runs import sync
from verizero.tracking.mlflow_server import experiment, server
from verizero.tracking.remote import obtainable
from verizero.tracking.scores import training_runs
from verizero.tracking.study import study_artifacts, tracked_payloads


def main() -> int:
    """Track one study, or check what git holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", help="a study of config/studies/")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder with all artifacts")
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="says what to track, and where")
    parser.add_argument("--out", type=Path, help="the manifest.json to write")
    parser.add_argument("--check", action="store_true", help="only compare the `.dvc` files in git with the remote")
    arguments = parser.parse_args()
    if arguments.check:
        return _check(arguments.results)
    if not (arguments.study and arguments.out):
        parser.error("--study and --out are needed, or --check alone")

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
    return 0


def _check(results: Path) -> int:
    files = committed_dvc_files(results)
    answer = obtainable(files, cache=False)
    if missing := [file for file in files if file not in answer.files]:
        print(
            f"{len(missing)} of {len(files)} `.dvc` files in git cannot be pulled, first {missing[0]}: {answer.reason}; "
            "`dvc push` where their content is, or `git rm --cached` them",
            file=sys.stderr,
        )
        return 1
    print(f"{len(files)} `.dvc` files in git; the default remote holds the content of each")
    return 0


def _links(spec: StudySpec, artifacts: list[Artifact], tracking: Tracking, job: Job) -> Path:
    """Do what is switched on; a file that says where everything went."""
    found: dict[str, object] = {"dvc": None, "mlflow": None}
    if tracking.enabled and tracking.dvc.enabled:
        try:
            found["dvc"] = _to_dvc(artifacts, tracking.dvc.push)
        except NoRepository as error:
            job.warn(f"payloads are not under DVC: {error}")
    if tracking.enabled and tracking.mlflow.enabled:
        found["mlflow"] = _to_mlflow(spec, artifacts[0], tracking.mlflow.uri)
    file = job.scratch / "links.json"
    write_atomic(file, json.dumps(found, indent=1, sort_keys=True) + "\n")
    return file


def _to_dvc(artifacts: list[Artifact], push: bool) -> dict[str, int]:
    outcome = dvc.track(tracked_payloads(artifacts))
    print(f"DVC: {len(outcome.added)} added, {len(outcome.kept)} there already", file=sys.stderr)
    if left_out := outcome.left_out:
        print(
            f"DVC: {len(left_out)} left out, first {left_out[0].path}: neither whole here nor under DVC",
            file=sys.stderr,
        )
    pushed = dvc.push([*outcome.added, *outcome.kept]) if push else 0
    if push:
        print(f"DVC: {pushed} pushed to the default remote", file=sys.stderr)
    return {"tracked": len(outcome.added) + len(outcome.kept), "left_out": len(left_out), "pushed": pushed}


def _to_mlflow(spec: StudySpec, study: Artifact, uri: str) -> dict[str, object]:
    runs = training_runs(spec, study)
    if quiet := [run.artifact.name for run in runs if not (run.artifact.path.parent / EVENTS_FILE).is_file()]:
        print(
            f"MLflow: {len(quiet)} of {len(runs)} runs have no {EVENTS_FILE} here (first: {quiet[0]}); "
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
