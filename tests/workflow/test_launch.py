"""What training and generating ask Slurm for, and what they start, by `runtime`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import Checkout, copy_checkout, fake_job_python
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

RUN = "results/runs/tiny.sums.plain.grpo-toy.s1/manifest.json"
SAMPLES = "results/samples/tiny.plain/toy/manifest.json"
PARAMS = {"run_uuid": "r", "slurm_logfile": "l", "comment_str": "c", "account": "", "partition": "", "workdir": "w"}


class Resources(dict[str, object]):
    """As the plugin reads a job's."""

    __getattr__ = dict.__getitem__


class Job:
    """As far as the plugin reads one."""

    def __init__(self, said: str) -> None:
        [line] = re.findall(r"^    resources: (.*)$", said, re.MULTILINE)
        pairs = (pair.split("=", 1) for pair in line.split(", "))
        self.resources = Resources({name: int(value) if value.isdigit() else value for name, value in pairs})
        self.threads = int(next(iter(re.findall(r"^    threads: (\d+)$", said, re.MULTILINE)), 1))

    def is_group(self) -> bool:
        return False


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The demo study, of which only one training and the samples of its base model are left to do."""
    folder = tmp_path_factory.mktemp("launch")
    checkout = copy_checkout(folder / "checkout", fake_job_python(folder))
    made = ("models/tiny", "datasets/sums", "datasets/sums-id", "datasets/sums-ood")
    checkout.snakemake(
        "--cores", "2", "--config", "tracking={enabled: false}", "--", *(f"results/{one}/manifest.json" for one in made)
    )
    for name in ("train", "evaluate"):  # Snakemake shows a job's resources or its message
        rules = checkout.root / "workflow" / "rules" / f"{name}.smk"
        rules.write_text(re.sub(r"    message:\n.*\n", "", rules.read_text(encoding="utf-8")), encoding="utf-8")
    return checkout


def asked_for(checkout: Checkout, runtime: str, target: str) -> tuple[set[str], str]:
    """What of a job's sbatch line says where it runs, and what Snakemake says of it."""
    done = checkout.snakemake(
        "-n", "-p", "--cores", "64", "--config", "tracking={enabled: false}", f"runtime={runtime}", "--", target
    )
    job = Job(done.stdout)
    line = f"{get_submit_command(job, PARAMS)} {set_gres_string(job)}".split()
    return {word for word in line if word.startswith(("--gpus", "--nodes", "--ntasks", "--cpus-per-task"))}, done.stdout


@pytest.mark.parametrize(
    ("runtime", "asked", "started"),
    [
        ("{gpus: 0}", set(), "--processes 0 --nodes 1 --cores 1"),
        ("{gpus: 1}", {"--gpus=1"}, "--processes 1 --nodes 1 --cores 1"),
        (
            "{gpus: 8, train_threads: 4}",
            {"--gpus=8", "--nodes=1", "--cpus-per-task=32"},
            "--processes 8 --nodes 1 --cores 32",
        ),
        (
            "{gpus: 8, nodes: 2}",
            {"--gpus=16", "--gpus-per-node=8", "--nodes=2", "--ntasks=2"},
            "--processes 8 --nodes 2 --cores 8",
        ),
    ],
)
def test_gpus_and_nodes_are_what_slurm_is_asked_for_and_what_is_started(
    checkout: Checkout, runtime: str, asked: set[str], started: str
) -> None:
    words, said = asked_for(checkout, runtime, RUN)
    assert asked <= words
    assert (
        not {word.split("=")[0] for word in words}
        - {word.split("=")[0] for word in asked}
        - {"--cpus-per-task", "--ntasks"}
    )
    assert f"scripts/launch.py {started} -- scripts/train.py" in said
    assert Path(RUN).parent.name in said


@pytest.mark.parametrize(
    ("runtime", "asked", "started"),
    [
        ("{gpus: 0}", set(), "--processes 0"),
        ("{gpus: 1, generate_threads: 4}", {"--gpus=1", "--cpus-per-task=4"}, "--processes 1"),
        ("{gpus: 8, nodes: 2}", {"--gpus=8", "--nodes=1", "--cpus-per-task=8"}, "--processes 8"),
    ],
)
def test_generating_takes_the_gpus_of_one_node(checkout: Checkout, runtime: str, asked: set[str], started: str) -> None:
    words, said = asked_for(checkout, runtime, SAMPLES)
    assert asked <= words
    assert {word for word in words if word.startswith(("--gpus", "--nodes"))} <= asked
    assert f"scripts/launch.py {started} -- scripts/generate.py" in said


def test_what_vllm_may_take_reaches_training_and_generating(checkout: Checkout) -> None:
    runtime = "{gpus: 4, vllm_train_memory_percent: 35, vllm_tensor_parallel: 2, vllm_eager: true}"
    common = "--vllm-tensor-parallel 2 --vllm-eager 1 --vllm-cpu-cache-gib 2"
    assert f"--vllm-memory-percent 35 {common}" in asked_for(checkout, runtime, RUN)[1]
    assert f"--vllm-memory-percent 90 {common}" in asked_for(checkout, runtime, SAMPLES)[1]
