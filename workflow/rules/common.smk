# Hands library functions to the rules. A rule's text says what it depends on: spec_of, code_of, and its inputs.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from verizero.artifacts.errors import UserError
from verizero.config.plan import Plan
from verizero.tracking.absence import Absence
from verizero.tracking.bringing import bring_back, look_for_absent

try:
    PLAN = Plan(Path(workflow.basedir), config)
    # A job's own process needs no plan: what it reads was brought before.
    ABSENT = look_for_absent(PLAN, Path("results")) if workflow.is_main_process else Absence()
except UserError as error:
    raise WorkflowError(str(error)) from None

# The jobs have an environment of their own; the Python that runs Snakemake has neither torch nor vLLM.
JOB_PYTHON = os.environ.get("VERIZERO_JOB_PYTHON") or next(
    (path for path in [".venv/jobs/bin/python"] if Path(path).is_file()), "python"
)


# Threads that wait for each other by spinning take the cores from the jobs beside them: ten times the time was measured.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def spec_of(stage, pattern):
    """The spec of a stage as a function of the wildcards in a pattern."""

    def spec(wildcards):
        try:
            return PLAN.stage_spec(stage, pattern.format(**wildcards))
        except (UserError, KeyError) as error:
            raise WorkflowError(f"no {stage} of {dict(wildcards)}: {error}") from None

    return spec


def code_of(stage):
    """The digest of a stage's program and of what it imports from here."""
    return PLAN.code(stage)


def knob(name):
    """A runtime knob: how a job is run, never what it results in."""
    return getattr(PLAN.config.runtime, name)


def placement(nodes):
    """What the Slurm plugin needs to know of a job on so many nodes beside its GPUs.

    Several GPUs without a number of nodes may be anywhere. On several nodes the job starts its own tasks, one on each.
    """
    if nodes > 1:
        each = f"--gpus-per-node={knob('gpus')}"  # a number for all nodes together may be dealt out unevenly
        return {"nodes": nodes, "mpi": "srun", "tasks": nodes, "tasks_per_gpu": 0, "slurm_extra": each}
    return {"nodes": 1} if knob("gpus") > 1 else {}


def vllm(stage):
    """What vLLM may take in a stage. Whole numbers: Snakemake rounds those of resources."""
    return {
        "vllm_memory_percent": knob(f"vllm_{stage}_memory_percent"),
        "vllm_tensor_parallel": knob("vllm_tensor_parallel"),
        "vllm_eager": int(knob("vllm_eager")),
        "vllm_cpu_cache_gib": knob("vllm_cpu_cache_gib"),
    }


def one_of(names):
    """A closed vocabulary: a typo in a target fails at once."""
    return "|".join(sorted(names)) or "(?!)"


wildcard_constraints:
    model="[a-z0-9-]+",
    dataset=one_of({**PLAN.registry.datasets, **PLAN.registry.benchmarks}),
    template=one_of(PLAN.registry.templates),
    optimizer=one_of(PLAN.registry.optimizers),
    seed="[0-9]+",
    subject="[a-z0-9-]+(\\.[a-z0-9-]+)*(@([0-9]+|best))?",
    suite=one_of(PLAN.registry.suites),
    study=PLAN.name,
