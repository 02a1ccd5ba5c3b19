"""The real workflow on a real Slurm: a study whose trainings have two processes completes, and one that is preempted, or cut by its
wall time, ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cluster import SlurmCluster
from test_profile import submissions

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from checkout import Checkout, copy_checkout, real_job_python

pytestmark = pytest.mark.slow
Snakemake = Callable[..., subprocess.CompletedProcess[str]]
RUN = "tiny.sums.plain.grpo-toy.s1"
OPTIONS = ("--profile", "slurm", "--config", "tracking={enabled: false}", "runtime={gpus: 2}")


@pytest.fixture(scope="module")
def study(snakemake: Snakemake, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    """The demo study, made small by its configuration and by nothing else, run with `--profile slurm`."""
    if not Path(real_job_python()).is_file():
        pytest.skip("There is no jobs' environment (.venv/jobs); `make envs` builds it.")
    checkout = copy_checkout(tmp_path_factory.mktemp("study") / "checkout")
    (checkout.root / ".venv").mkdir()
    (checkout.root / ".venv" / "jobs").symlink_to(Path(real_job_python()).parents[1])
    checkout.edit("config/studies/demo.yaml", "[1, 2, 3]", "[1]")
    checkout.edit("config/registry/models.yaml", "warmup_steps: 50", "warmup_steps: 20")
    small = {"    problems: 36000": "    problems: 4800", "    problems: 4000": "    problems: 400"}
    for before, after in small.items():
        checkout.edit("config/registry/datasets.yaml", before, after)
    checkout.edit("config/registry/benchmarks.yaml", "problems: 256", "problems: 16", count=2)
    models = (checkout.root / "config/registry/models.yaml").read_text(encoding="utf-8")
    steps = next(line for line in models.splitlines() if line.startswith("    steps: "))
    checkout.edit("config/registry/models.yaml", steps, "    steps: 200")
    checkout.edit("config/optimizers/grpo-toy.yaml", "steps: 120", "steps: 60")
    checkout.edit("config/optimizers/grpo-toy.yaml", "checkpoints: [60]", "checkpoints: [5]")
    done = snakemake(checkout.root, *OPTIONS, impatient=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-6000:]
    return checkout, done.stdout


@pytest.mark.timeout(1500)
def test_the_demo_study_completes_on_slurm(study: tuple[Checkout, str], cluster: SlurmCluster) -> None:
    checkout, said = study
    table = (checkout.root / "results/studies/demo/tables/main.csv").read_text(encoding="utf-8")
    assert "dr-grpo-toy" in table and "sums-ood" in table
    trained = submissions(cluster, said, "train")
    assert [job["State"] for job in trained] == ["COMPLETED"] * 2
    assert all("gres/gpu=2" in job["AllocTRES"] for job in trained)
    assert all("gres/gpu=2" in job["AllocTRES"] for job in submissions(cluster, said, "generate"))
    record = json.loads((checkout.root / f"results/runs/{RUN}/record.json").read_text(encoding="utf-8"))
    assert record["slurm"]["SLURM_JOB_ID"]
    events = (checkout.root / f"results/runs/{RUN}/events.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(event)["timing"]["processes"] for event in events} == {2}


def disturbed(
    study: tuple[Checkout, str], snakemake: Snakemake, disturb: Callable[[Path], None], *options: str
) -> tuple[bytes, str, list[str]]:
    """Train once more, and disturb it as soon as it has saved a state: its manifest, what was said, and how each start ended."""
    checkout, _ = study
    manifest = checkout.root / f"results/runs/{RUN}/manifest.json"
    manifest.unlink()
    happened, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if any((checkout.root / "results" / ".scratch").glob(f"run-{RUN}-*/state/step-*")):
                disturb(checkout.root)
                happened.set()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    target = str(manifest.relative_to(checkout.root))
    try:
        done = snakemake(checkout.root, *OPTIONS, *options, "--", target, impatient=True, timeout=600)
    finally:
        over.set()
        watcher.join()
    assert done.returncode == 0, done.stdout[-6000:]
    assert happened.is_set(), "the training ended before it could be disturbed"
    attempts = json.loads((manifest.parent / "record.json").read_text(encoding="utf-8"))["attempts"]
    return manifest.read_bytes(), done.stdout, [attempt["outcome"] for attempt in attempts]


@pytest.mark.timeout(1500)
def test_a_preempted_training_resumes_and_ends_with_the_same_weights(
    study: tuple[Checkout, str], snakemake: Snakemake, cluster: SlurmCluster
) -> None:
    undisturbed = (study[0].root / f"results/runs/{RUN}/manifest.json").read_bytes()

    def preempt(root: Path) -> None:
        """A job of higher priority takes both GPUs."""
        cluster.submit("sleep 5", "--partition=gpu", "--gres=gpu:2")

    manifest, _, attempts = disturbed(study, snakemake, preempt, "--set-resources", "train:slurm_partition=low")
    assert manifest == undisturbed
    assert len(attempts) >= 2 and attempts[-1] == "done"


@pytest.mark.timeout(1500)
def test_a_training_cut_by_its_wall_time_resumes_and_ends_with_the_same_weights(
    study: tuple[Checkout, str], snakemake: Snakemake, cluster: SlurmCluster
) -> None:
    """The hard way: its limit is shorter than it was told, and its processes stand still, so Slurm kills them when it is over."""
    undisturbed = (study[0].root / f"results/runs/{RUN}/manifest.json").read_bytes()

    def stop(root: Path) -> None:
        [job] = cluster.call("squeue", "--noheader", "--format=%i").split()
        cluster.call("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        for rank in ranks_in(root):
            os.kill(rank, signal.SIGSTOP)

    manifest, said, attempts = disturbed(study, snakemake, stop)
    assert manifest == undisturbed
    assert attempts == ["killed", "done"]
    assert [job["State"] for job in submissions(cluster, said, "train")] == ["TIMEOUT", "COMPLETED"]


def ranks_in(root: Path) -> list[int]:
    """The processes of a training that run in a folder, without their launcher."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            ours = (process / "cwd").resolve() == root.resolve() and b"RANK=" in (process / "environ").read_bytes()
            if (
                ours
                and len(command) > 2
                and b"scripts/train.py" in command[1:4]
                and b"torch.distributed.run" not in command
            ):
                found.append(int(process.name))
    return found
