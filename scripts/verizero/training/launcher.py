"""The command that starts a program on many processes: torchrun on one node, srun and a torchrun on each of several."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

from verizero.artifacts.errors import UserError

FIRST_PORT, PORTS = 20_000, 20_000
"""Ports of rendezvous; which one is a function of the job's number, so that two jobs on a node seldom meet."""
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run"),
    # Each is passed on to the processes, which save and end. Without SIGUSR1 in the list it would end torchrun alone.
    "--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",
    # Then they are killed. As long for those that wait for a process that has died.
    "--shutdown-timeout=55",
)


def command_of(
    program: Sequence[str], processes: int, nodes: int, environment: Mapping[str, str], cores: int | None = None
) -> list[str]:
    """Plain Python for one process, `torchrun --standalone` for several, one torchrun a node under srun for several nodes.

    torchrun's exit code is 1 where its processes end with 75 because their state is saved. The `--` keeps it from reading the
    program's own options (`--run` is a prefix of `--run-path`).

    Args:
        processes: on each node.
        environment: of a Slurm job, where there are several nodes.
        cores: of each node that the processes may use; srun takes one where it is not told, whatever the job has.

    Raises:
        UserError: Slurm does not say which node is the first.
    """
    if processes * nodes == 1:
        return [sys.executable, *program]
    if nodes == 1:
        return [*TORCHRUN, "--standalone", f"--nproc-per-node={processes}", "--", *program]
    job = environment["SLURM_JOB_ID"]
    port = FIRST_PORT + int(job) % PORTS
    return [
        *("srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"),
        *([f"--cpus-per-task={cores}"] if cores else []),
        "--cpu-bind=none",  # the processes of a node share its cores
        "--wait=60",  # after one node has ended the others may still save what they have, and no longer
        *TORCHRUN,
        *(f"--nnodes={nodes}", f"--nproc-per-node={processes}", "--rdzv-backend=c10d", f"--rdzv-id={job}"),
        *(f"--rdzv-endpoint={first_node(job)}:{port}", "--", *program),
    ]


def first_node(job: str) -> str:
    """The node that runs a Slurm job's script. Slurm is asked: Snakemake's job step takes most of its variables away.

    Raises:
        UserError: Slurm does not know.
    """
    try:
        done = subprocess.run(
            ["scontrol", "--oneliner", "show", "job", job], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"`scontrol show job {job}` does not say which node is the first: {error}") from None
    if not (found := re.search(r"\bBatchHost=(\S+)", done.stdout)):
        raise UserError(f"`scontrol show job {job}` names no BatchHost, so the nodes cannot find each other")
    return found[1]
