"""Training runs into MLflow: one MLflow run for each (run id, manifest), however often it is synced.

Jobs ran without a network; everything comes from manifests, records, event logs and the study's table. Points keep their
original time stamps, by which the store recognises a point that it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from verizero.artifacts.canonical import canonical_json, sha256_file, sha256_text
from verizero.artifacts.events import EVENTS_FILE, read_events
from verizero.artifacts.record import Record
from verizero.config.spec import TrainSpec, read_spec
from verizero.tracking.lineage import Artifact

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

T = TypeVar("T")
PARAMS_IN_A_CALL, METRICS_IN_A_CALL = 100, 1000
VALUE_LIMIT = 6000
LAYOUT = "1"
"""Of what is written for a run; a change makes every run be synced again."""

RUN, MANIFEST, SYNCED, SUPERSEDED = (
    "verizero.run",
    "verizero.manifest_sha256",
    "verizero.synced",
    "verizero.superseded_by",
)


@dataclass(frozen=True)
class Score:
    """A number about a checkpoint, under the name that MLflow shows."""

    name: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class TrainingRun:
    """A training run as MLflow will know it: its artifact, what it is evaluated on, and the numbers that came out."""

    artifact: Artifact
    benchmarks: tuple[Artifact, ...]
    scores: tuple[Score, ...]


def sync(client: MlflowClient, experiment_id: str, runs: Iterable[TrainingRun]) -> dict[str, str]:
    """Bring MLflow up to date; run id -> MLflow's id. What is there already is not written again."""
    known = _known(client, experiment_id)
    found = {}
    for run in runs:
        same_run = known.get(run.artifact.manifest.id, [])
        there = next((one for one in same_run if one.data.tags.get(MANIFEST) == run.artifact.digest), None)
        found[run.artifact.manifest.id] = _sync_one(client, experiment_id, run, there)
        for other in same_run:
            if other is not there and other.data.tags.get(SUPERSEDED) != run.artifact.digest:
                client.set_tag(other.info.run_id, SUPERSEDED, run.artifact.digest)
    return found


def metric_name(text: str) -> str:
    """A name that MLflow takes: letters, digits and `_ - . : / space`; `avg@8` reads `avg_at_8`."""
    return re.sub(r"[^A-Za-z0-9_\-.:/ ]", "_", text.replace("@", "_at_"))


def flattened(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted key -> text, cut at what MLflow takes."""
    found: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            found.update(flattened(item, f"{prefix}{key}."))
        else:
            found[metric_name(f"{prefix}{key}")] = (item if isinstance(item, str) else json.dumps(item))[:VALUE_LIMIT]
    return found


def milliseconds(time: str | None) -> int:
    """An ISO 8601 time as MLflow counts: milliseconds since 1970."""
    return int(datetime.fromisoformat(time).timestamp() * 1000) if time else 0


def _sync_one(client: MlflowClient, experiment_id: str, run: TrainingRun, there: Run | None) -> str:
    record, state = run.artifact.record, _state(run)
    if there is not None and there.data.tags.get(SYNCED) == state:
        if SUPERSEDED in there.data.tags:
            client.delete_tag(there.info.run_id, SUPERSEDED)
        return str(there.info.run_id)
    if there is None:
        there = client.create_run(
            experiment_id,
            start_time=milliseconds(record.attempts[0].started),
            tags=_tags(run),
            run_name=run.artifact.manifest.id,
        )
    elif SUPERSEDED in there.data.tags:
        client.delete_tag(there.info.run_id, SUPERSEDED)
    run_id = there.info.run_id
    _write_params(client, run, there)
    for points in _parts(_points(run, there), METRICS_IN_A_CALL):
        client.log_batch(run_id, metrics=points)
    _write_inputs(client, run, there)
    for file in (run.artifact.path, run.artifact.path.parent / "record.json"):
        client.log_artifact(run_id, str(file))
    client.set_terminated(run_id, "FINISHED", end_time=milliseconds(record.attempts[-1].ended))
    client.set_tag(run_id, SYNCED, state)  # last: a sync that was cut is done again
    return str(run_id)


def _known(client: MlflowClient, experiment_id: str) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=1000, page_token=token)
        for run in page:
            found.setdefault(run.data.tags.get(RUN, ""), []).append(run)
        token = page.token
        if not token:
            return found


def _state(run: TrainingRun) -> str:
    events = run.artifact.path.parent / EVENTS_FILE
    return sha256_text(
        canonical_json(
            {
                "layout": LAYOUT,
                "manifest": run.artifact.digest,
                "record": sha256_file(run.artifact.path.parent / "record.json"),
                "events": sha256_file(events) if events.is_file() else None,
                "benchmarks": sorted(one.digest for one in run.benchmarks),
                "scores": sorted([one.name, one.value, one.step] for one in run.scores),
            }
        )
    )


def _tags(run: TrainingRun) -> dict[str, str]:
    manifest, record = run.artifact.manifest, run.artifact.record
    slurm = [attempt.slurm_job_id for attempt in record.attempts if attempt.slurm_job_id]
    return {
        RUN: manifest.id,
        MANIFEST: run.artifact.digest,
        "verizero.spec_sha256": sha256_text(canonical_json(manifest.spec)),
        "verizero.code_sha256": record.code_sha256,
        "verizero.seed": ",".join(map(str, manifest.seeds)),
        "verizero.attempts": str(len(record.attempts)),
        "verizero.unpinned": "; ".join(manifest.unpinned) or "none",
        "verizero.dirty_sha256": record.dirty_sha256 or "none",
        "slurm.job_ids": ",".join(slurm) or "none",
        **_commit(record),
    }


def _commit(record: Record) -> dict[str, str]:
    return {"mlflow.source.git.commit": record.commit} if record.commit else {}


def _write_params(client: MlflowClient, run: TrainingRun, there: Run) -> None:
    from mlflow.entities import Param

    spec, _ = read_spec(
        TrainSpec, canonical_json(run.artifact.manifest.spec)
    )  # defaults filled in: a reader compares whole recipes
    missing = {
        name: value for name, value in flattened(spec.model_dump(mode="json")).items() if name not in there.data.params
    }
    for part in _parts(missing.items(), PARAMS_IN_A_CALL):
        client.log_batch(there.info.run_id, params=[Param(name, value) for name, value in part])


def _points(run: TrainingRun, there: Run) -> Iterator[Any]:
    from mlflow.entities import Metric

    events = run.artifact.path.parent / EVENTS_FILE
    for event in read_events(events) if events.is_file() else []:
        for prefix in ("metrics", "timing"):
            for name, value in event.get(prefix, {}).items():
                if value is not None:
                    shown = f"{'train' if prefix == 'metrics' else prefix}/{metric_name(name)}"
                    yield Metric(shown, float(value), round(event["time"] * 1000), event["step"])
    for score in run.scores:
        if there.data.metrics.get(score.name) != score.value:
            yield Metric(score.name, score.value, score.time, score.step)


def _write_inputs(client: MlflowClient, run: TrainingRun, there: Run) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    training = run.artifact.upstream()["dataset"]
    known = {(one.dataset.name, one.dataset.digest) for one in there.inputs.dataset_inputs} if there.inputs else set()
    inputs = []
    for context, one in (("training", training), *(("evaluation", benchmark) for benchmark in run.benchmarks)):
        digest = str(
            one.manifest.payload_md5
        )  # 36 characters with `.dir`: all that MLflow takes, and DVC's own name for it
        if (one.manifest.id, digest) not in known:
            dataset = Dataset(
                one.manifest.id,
                digest,
                "dvc",
                json.dumps({"dvc": f"{one.path.parent.as_posix()}/payload.dvc", "manifest_sha256": one.digest}),
            )
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    if inputs:
        client.log_inputs(there.info.run_id, inputs)


def _parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """What `itertools.batched` does from Python 3.12 on."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
