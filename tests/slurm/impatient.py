"""Snakemake, asking Slurm for its jobs' states every two seconds.

    python tests/slurm/impatient.py --profile slurm ...

The plugin (2.8.0) asks ever more rarely while nothing ends: 10 s are added to the interval each time, up to 180 s.
`--slurm-init-seconds-before-status-checks` sets where that begins and no option bounds it, so a test of a job that is
resubmitted would mostly sleep. Nothing else is changed, and the jobs themselves run plain Snakemake.
"""

from __future__ import annotations

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = 2

if __name__ == "__main__":
    RemoteExecutor.next_seconds_between_status_checks = property(lambda self: SECONDS, lambda self, asked: None)
    main()
