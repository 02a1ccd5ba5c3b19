"""`--profile slurm` on a real Slurm: what a rule asks for is what it gets, and what is cut off is submitted again."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from cluster import SlurmCluster

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "workflow" / "profiles"
Snakemake = Callable[..., subprocess.CompletedProcess[str]]
Run = tuple[Path, subprocess.CompletedProcess[str]]

GPU_JOBS = """
rule table:
    input: expand("gpu/{name}", name=["one", "two"])
    output: "table"
    localrule: True
    shell: "cat {input} > {output}; echo local ${{SLURM_JOB_ID:-none}} >> {output}"

# Each job says which GPU it was given and goes on only when the other one runs too.
rule on_gpu:
    output: "gpu/{name}"
    threads: 2
    resources: gpu=1, runtime=7
    shell:
        "echo $CUDA_VISIBLE_DEVICES > met.{wildcards.name}; "
        "for i in $(seq 150); do [ -e met.one ] && [ -e met.two ] && break; sleep 0.2; done; "
        "cat met.one met.two > /dev/null; cp met.{wildcards.name} {output}"
"""

CUT_OFF_JOBS = """
rule all:
    input: "saved", "cut"

# As the trainer does: save before the time limit, exit 75, go on from what was saved.
rule saves:
    output: "saved"
    shell:
        "mkdir -p .scratch; echo $SLURM_JOB_ID >> .scratch/saves; "
        "[ $(wc -l < .scratch/saves) -ge 3 ] || exit 75; cp .scratch/saves {output}"

# One that could not: at its first attempt it is still at work when its minute is over.
rule is_cut:
    output: "cut"
    resources: runtime=1
    shell:
        "mkdir -p .scratch; echo $SLURM_JOB_ID >> .scratch/cut; "
        "[ $(wc -l < .scratch/cut) -ge 2 ] || sleep 600; cp .scratch/cut {output}"
"""


def checkout(folder: Path, snakefile: str) -> Path:
    """A folder like the root of a checkout: a Snakefile, the profiles, and the link to the one for Slurm."""
    (folder / "Snakefile").write_text(snakefile)
    (folder / "workflow").mkdir()
    (folder / "workflow" / "profiles").symlink_to(PROFILES)
    (folder / "slurm").symlink_to((ROOT / "slurm").readlink())
    return folder


def submissions(cluster: SlurmCluster, said: str, rule: str) -> list[dict[str, str]]:
    """What accounting knows of the jobs that one run of Snakemake submitted for a rule, oldest first."""
    run = re.search(r"SLURM run ID: (\S+)", said)
    assert run, said
    fields = ("JobIDRaw", "State", "Comment", "AllocTRES", "TimelimitRaw", "SubmitLine")
    rows = [dict(zip(fields, row, strict=False)) for row in cluster.accounts(*fields, name=run[1])]
    return [row for row in rows if row["Comment"].startswith(f"rule_{rule}")]


@pytest.fixture(scope="module")
def begun(snakemake: Snakemake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Run]]:
    """A run of a job that exits 75 twice and of one that reaches its time limit: minutes, which the other run uses."""
    folder = checkout(tmp_path_factory.mktemp("cut"), CUT_OFF_JOBS)
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(lambda: (folder, snakemake(folder, "--profile", "slurm", impatient=True)))


@pytest.fixture(scope="module")
def gpu_jobs(begun: Future[Run], snakemake: Snakemake, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of two GPU jobs and a local rule, by the very command a user types."""
    folder = checkout(tmp_path_factory.mktemp("gpu"), GPU_JOBS)
    return folder, snakemake(folder, "--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1")


@pytest.fixture(scope="module")
def cut_off_jobs(begun: Future[Run]) -> Run:
    """A finished run of a job that exits 75 twice and of one that reaches its time limit."""
    return begun.result()


def test_the_root_of_a_checkout_has_the_profile_that_the_manual_names() -> None:
    assert (ROOT / "slurm" / "profile.yaml").samefile(PROFILES / "slurm" / "profile.yaml")


def test_what_all_profiles_must_agree_on_they_agree_on() -> None:
    # Snakemake merges no profile into another, so what is common is written three times.
    profiles = [yaml.safe_load((PROFILES / name / "profile.yaml").read_text()) for name in ("slurm", "local", "ci")]
    common = [(each["rerun-incomplete"], each["printshellcmds"], each["resources"]["dvc_lock"]) for each in profiles]
    assert common == [(True, True, 1)] * 3
    # With fewer triggers than Snakemake's own a changed definition would not rerun what it defines.
    assert not any("rerun-triggers" in each for each in profiles)


def test_two_gpu_jobs_run_at_once_and_a_local_rule_outside_slurm(gpu_jobs: Run) -> None:
    folder, run = gpu_jobs
    assert run.returncode == 0, run.stdout
    first, second, local = (folder / "table").read_text().splitlines()
    assert {first, second} == {"0", "1"}
    assert local == "local none"


def test_a_rule_gets_the_gpu_cores_memory_and_minutes_it_asks_for(gpu_jobs: Run, cluster: SlurmCluster) -> None:
    jobs = submissions(cluster, gpu_jobs[1].stdout, "on_gpu")
    assert [job["State"] for job in jobs] == ["COMPLETED"] * 2
    for job in jobs:
        granted = dict(each.split("=") for each in job["AllocTRES"].split(","))
        assert (granted["gres/gpu"], granted["cpu"], granted["mem"], job["TimelimitRaw"]) == ("1", "2", "4000M", "7")
        assert "--requeue" in job["SubmitLine"].split()


def test_the_log_of_a_successful_job_is_kept(gpu_jobs: Run, cluster: SlurmCluster) -> None:
    folder, run = gpu_jobs
    kept = {log.stem for log in (folder / ".snakemake/slurm_logs/rule_on_gpu").rglob("*.log")}
    assert kept == {job["JobIDRaw"] for job in submissions(cluster, run.stdout, "on_gpu")}


@pytest.mark.slow
def test_a_job_that_exits_75_twice_is_submitted_three_times_and_goes_on(
    cut_off_jobs: Run, cluster: SlurmCluster
) -> None:
    folder, run = cut_off_jobs
    assert run.returncode == 0, run.stdout
    jobs = submissions(cluster, run.stdout, "saves")
    assert [job["State"] for job in jobs] == ["FAILED", "FAILED", "COMPLETED"]
    assert (folder / "saved").read_text().split() == [job["JobIDRaw"] for job in jobs], "each allocation is a new one"


@pytest.mark.slow
def test_a_job_cut_by_its_time_limit_is_submitted_again_and_completes(cut_off_jobs: Run, cluster: SlurmCluster) -> None:
    folder, run = cut_off_jobs
    assert run.returncode == 0, run.stdout
    jobs = submissions(cluster, run.stdout, "is_cut")
    assert [job["State"] for job in jobs] == ["TIMEOUT", "COMPLETED"]
    assert (folder / "cut").read_text().split() == [job["JobIDRaw"] for job in jobs]
