"""The test cluster behaves like a cluster: GPUs are counted, time limits cut, a stronger partition preempts."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import SlurmCluster
from daemons import start_time

# Two jobs that must meet: each says which GPU it was given and goes on only when the other has said so too.
MEETING = (
    'echo "$CUDA_VISIBLE_DEVICES" > {me}; for i in $(seq 100); do [ -e {other} ] && exit 0; sleep 0.2; done; exit 1'
)


@pytest.fixture(scope="module")
def overdue(cluster: SlurmCluster) -> int:
    """A job over its limit. It needs more than a minute to be so, which the other tests use."""
    return cluster.submit("sleep 600", "--time=1", "--cpus-per-task=1")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A short path for a cluster of a test's own: a socket's name may have 107 characters, `tmp_path` has that many."""
    short = Path(tempfile.mkdtemp(prefix="verizero-"))
    short.chmod(0o755)  # munge refuses a socket that not everybody may reach
    yield short
    shutil.rmtree(short)


def pids(cluster: SlurmCluster) -> dict[str, int]:
    """The process of each daemon that lives."""
    return {daemon.name: daemon.pid for daemon in cluster.daemons if daemon.pid}


def test_two_gpu_jobs_run_at_once_on_a_gpu_each(cluster: SlurmCluster, overdue: int, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    jobs = [
        cluster.submit(MEETING.format(me=me, other=other), "--gres=gpu:1") for me, other in ((one, two), (two, one))
    ]
    for job in jobs:
        cluster.wait_for(job, "COMPLETED", "FAILED")
    assert [cluster.state(job) for job in jobs] == ["COMPLETED", "COMPLETED"]
    assert {one.read_text().strip(), two.read_text().strip()} == {"0", "1"}


def test_a_third_gpu_job_waits_for_a_gpu(cluster: SlurmCluster) -> None:
    first, second, third = (cluster.submit("sleep 60", "--gres=gpu:1") for _ in range(3))
    cluster.wait_for(second, "RUNNING")
    assert cluster.state(third) == "PENDING"
    cluster.call("scancel", str(first))
    cluster.wait_for(third, "RUNNING")
    cluster.call("scancel", str(second), str(third))


def test_a_job_in_low_is_preempted_by_one_in_gpu_and_starts_again(cluster: SlurmCluster, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    weak = cluster.submit(
        # The first start is still at work when the strong job comes; the second one ends.
        f'echo "${{SLURM_RESTART_COUNT:-0}}" >> {starts}; [ "$(wc -l < {starts})" -ge 2 ] || sleep 60',
        *("--partition=low", "--gres=gpu:2"),
    )
    cluster.wait_for(weak, "RUNNING")
    strong = cluster.submit("true", "--partition=gpu", "--gres=gpu:1")
    cluster.wait_for(strong, "COMPLETED")
    cluster.wait_for(weak, "COMPLETED")
    assert cluster.attempts(weak) == ["PREEMPTED", "COMPLETED"]
    assert starts.read_text().split() == ["0", "1"]


def test_a_killed_run_is_no_obstacle_to_the_next(folder: Path, cluster: SlurmCluster) -> None:
    killed = SlurmCluster(folder / "slurm")
    killed.up()
    try:
        job = killed.submit(f"echo $$ > {folder}/pid; exec sleep 600")
        killed.wait_for(job, "RUNNING")
        pid = int((folder / "pid").read_text())
        before = pids(killed)
        killed.up()
        assert pids(killed) == before, "up of a healthy cluster does nothing"
        os.kill(before["slurmctld"], signal.SIGKILL)
        with SlurmCluster(folder / "slurm") as following:
            assert start_time(pid) is None, "the killed run's job ended with it"
            following.wait_for(following.submit("true"), "COMPLETED")
            during = pids(following)
    finally:
        killed.down()
    assert len(during) == 5
    assert not any(start_time(pid) for pid in during.values())
    assert [left.name for left in (folder / "slurm").iterdir()] == ["logs"]


@pytest.mark.slow
def test_a_job_over_its_time_limit_is_cut(cluster: SlurmCluster, overdue: int) -> None:
    cluster.wait_for(overdue, "TIMEOUT", timeout=150)
