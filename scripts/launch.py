"""Start one of the programs on so many processes, each with a GPU of its own.

    python scripts/launch.py --processes 8 -- scripts/train.py --spec ...             # torchrun on this machine
    python scripts/launch.py --processes 8 --nodes 2 -- scripts/train.py --spec ...   # inside a Slurm job of two nodes
    python scripts/launch.py -- scripts/train.py --spec ...                           # plain Python

The rules call it; a result does not depend on how many processes there were. Where there are more GPUs than processes, and
outside Slurm always, they take the first ones that no other job of this user has taken, or wait until there are enough: each is
held by a lock that ends with the processes, however they end. CUDA_VISIBLE_DEVICES says which may be taken. A machine without
a GPU computes on its CPU.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time

from verizero.artifacts.errors import UserError, main_program
from verizero.rollout.devices import claim, devices_here, refuse_absent
from verizero.training.launcher import command_of


def main() -> None:
    """Take GPUs, then become the program or the launcher of its processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--processes", type=int, default=1, help="on each node, a GPU each; 0: one on the CPU (default %(default)s)"
    )
    parser.add_argument("--cores", type=int, help="of each node, where there are several nodes")
    parser.add_argument("--nodes", type=int, default=1, help="of the Slurm job (default %(default)s)")
    parser.add_argument("program", nargs=argparse.REMAINDER, help="behind `--`: the program and its arguments")
    options = parser.parse_args()
    program = options.program[1:] if options.program[:1] == ["--"] else options.program
    if not program:
        parser.error("behind `--` must stand a program, as in: launch.py --processes 2 -- scripts/train.py ...")
    if options.processes < 0 or options.nodes < 1:
        raise UserError(
            f"--processes is {options.processes} and --nodes {options.nodes}; they must be at least 0 and 1"
        )
    if options.nodes > 1 and "SLURM_JOB_ID" not in os.environ:
        raise UserError(
            f"--nodes is {options.nodes}, which only a Slurm job has; start it by `--profile slurm`, or use one node"
        )
    here: list[str] = []
    print(f"started on {socket.gethostname()} at {time.strftime('%Y-%m-%dT%H:%M:%S%z')}", file=sys.stderr, flush=True)
    if options.processes and options.nodes == 1:
        here = devices_here()
        refuse_absent(here, options.processes)
    if options.processes == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif len(here) > options.processes or (here and "SLURM_JOB_ID" not in os.environ):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(claim(here, options.processes))
    command = command_of(program, max(1, options.processes), options.nodes, os.environ, options.cores)
    sys.stdout.flush()
    os.execvp(command[0], command)


if __name__ == "__main__":
    main_program(main)()
