"""MLflow has each training run once, with its recipe, its curves and its data, however often it is synced."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from fabricated import NAME, Fabricated, fabricate

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import digest_of, read_manifest
from verizero.tracking.lineage import Artifact
from verizero.tracking.mlflow_runs import MANIFEST, RUN, SUPERSEDED, flattened, metric_name, sync
from verizero.tracking.mlflow_server import experiment, server
from verizero.tracking.scores import training_runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    with pytest.MonkeyPatch.context() as patch:
        return fabricate(tmp_path_factory.mktemp("whole") / "checkout", patch)


@pytest.fixture
def study(whole: Fabricated, tmp_path: Path) -> Fabricated:
    shutil.copytree(whole.root, tmp_path / "checkout")
    return Fabricated(tmp_path / "checkout")


def synced(study: Fabricated, uri: str) -> dict[str, str]:
    top = Artifact(study.manifest("studies", NAME), study.results)
    with server(uri) as client:
        return sync(client, experiment(client, NAME, uri), training_runs(study.plan.spec, top))


def snapshot(uri: str) -> dict[str, Any]:
    """All that MLflow holds, but for its own ids."""
    with server(uri) as client:
        runs = client.search_runs([experiment(client, NAME, uri)], max_results=1000)
        return {
            run.info.run_id: {
                "params": run.data.params,
                "tags": run.data.tags,
                "history": {
                    name: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run.info.run_id, name)]
                    for name in run.data.metrics
                },
                "inputs": sorted(
                    (one.dataset.name, one.dataset.digest, one.tags[0].value) for one in run.inputs.dataset_inputs
                ),
                "artifacts": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
                "status": (run.info.status, run.info.start_time, run.info.end_time),
            }
            for run in runs
        }


@pytest.fixture
def uri(study: Fabricated) -> str:
    return f"sqlite:///{study.results}/mlflow.db"


def test_one_mlflow_run_for_each_training_run(study: Fabricated, uri: str) -> None:
    assert set(synced(study, uri)) == set(study.run_ids())
    held = snapshot(uri)
    assert sorted(one["tags"][RUN] for one in held.values()) == sorted(study.run_ids())
    one = next(iter(held.values()))
    assert one["tags"][MANIFEST] == digest_of(study.manifest("runs", one["tags"][RUN]))
    assert one["params"]["optimizer.rollout.samples"] == str(study.plan.registry.optimizers["grpo-toy"].rollout.samples)
    assert one["artifacts"] == ["manifest.json", "record.json"]


def test_metrics_keep_their_steps_and_original_times(study: Fabricated, uri: str) -> None:
    synced(study, uri)
    one = next(iter(snapshot(uri).values()))
    events = [
        json.loads(line)
        for line in (study.results / "runs" / one["tags"][RUN] / "events.jsonl").read_text().splitlines()
    ]
    assert one["history"]["train/reward"] == [
        (event["step"], round(event["time"] * 1000), event["metrics"]["reward"]) for event in events
    ]
    assert "train/entropy" not in one["history"]


def test_the_table_estimates_are_named_as_over_seeds(study: Fabricated, uri: str) -> None:
    synced(study, uri)
    one = next(one for one in snapshot(uri).values() if ".dr-grpo-toy." in one["tags"][RUN])
    lines = [line.split(",") for line in study.table.read_text().replace('"1,2"', "1;2").splitlines()]
    row = next(line for line in lines if line[3] == "dr-grpo-toy" and line[5:8] == ["sums-id", "sampled-toy", "avg@8"])
    assert [point[2] for point in one["history"]["over_seeds/sums-id.plain.sampled-toy/avg_at_8"]] == [float(row[8])]


def test_data_sets_carry_the_dvc_digest(study: Fabricated, uri: str) -> None:
    synced(study, uri)
    digest = {
        name: read_manifest(study.manifest("datasets", name)).payload_md5 for name in ("sums", "sums-id", "sums-ood")
    }
    expected = [
        ("sums", digest["sums"], "training"),
        ("sums-id", digest["sums-id"], "evaluation"),
        ("sums-ood", digest["sums-ood"], "evaluation"),
    ]
    assert all(one["inputs"] == expected for one in snapshot(uri).values())


def test_syncing_twice_changes_nothing(study: Fabricated, uri: str) -> None:
    first = synced(study, uri)
    held = snapshot(uri)
    assert synced(study, uri) == first
    assert snapshot(uri) == held


def test_a_sync_that_was_cut_is_completed_without_duplicates(study: Fabricated, uri: str) -> None:
    first = synced(study, uri)
    held = snapshot(uri)
    with server(uri) as client:
        for run_id in first.values():
            client.delete_tag(run_id, "verizero.synced")
    assert synced(study, uri) == first
    assert snapshot(uri) == held


def test_a_retrained_run_is_a_new_one_and_the_old_is_superseded(
    study: Fabricated, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = synced(study, uri)
    fabricate(study.root, monkeypatch, salt="again")
    second = synced(study, uri)
    held = snapshot(uri)
    assert len(held) == 2 * len(first)
    for run_id, old in first.items():
        assert held[old]["tags"][SUPERSEDED] == digest_of(study.manifest("runs", run_id))
        assert SUPERSEDED not in held[second[run_id]]["tags"]


def test_names_that_mlflow_refuses_are_mended() -> None:
    assert metric_name("avg@8") == "avg_at_8"
    assert metric_name("share{right}") == "share_right_"


def test_long_values_are_cut_and_nesting_is_dotted() -> None:
    assert flattened({"a": {"b": "x" * 7000}, "c": [1]}) == {"a.b": "x" * 6000, "c": "[1]"}


def _open(uri: str) -> str:
    with server(uri) as client:
        return experiment(client, NAME, uri)


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/results/mlflow.db"
    with get_context("spawn").Pool(3) as pool:
        assert len(set(pool.map(_open, [uri] * 3))) == 1


def test_a_server_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        pytest.raises(UserError, match=r"tracking\.mlflow\.uri is http://127.0.0.1:9, which cannot be used"),
        server("http://127.0.0.1:9"),
    ):
        pass


def track(study: Fabricated, *arguments: str) -> subprocess.CompletedProcess[str]:
    out = study.manifest("studies", NAME, "tracking").relative_to(study.root)
    command = [sys.executable, "scripts/track.py", "--study", NAME, "--out", str(out), *arguments]
    return subprocess.run(command, cwd=study.root, capture_output=True, text=True, check=False)


def test_the_tracking_manifest_does_not_depend_on_where_things_go(study: Fabricated) -> None:
    out, config = study.manifest("studies", NAME, "tracking"), study.root / "config" / "config.yaml"
    done = track(study)
    assert done.returncode == 0, done.stderr
    assert "payloads are not under DVC" in done.stderr  # this copy has no repository
    first = out.read_bytes()
    config.write_text(config.read_text().replace("results/mlflow.db", "results/other.db"))
    assert track(study).returncode == 0
    assert out.read_bytes() == first
    assert (study.results / "other.db").is_file()


def test_a_damaged_chain_is_not_registered(study: Fabricated, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = study.manifest("datasets", "sums")
    manifest.write_text(manifest.read_text().replace('"source": 8', '"source": 9'))
    done = track(study)
    assert done.returncode == 2
    assert "datasets/sums/manifest.json than the one that is here" in done.stderr
