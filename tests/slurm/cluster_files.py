"""The configuration files of the test cluster: one node, two fake GPUs, two partitions.

What is unusual here, against a site's Slurm, is said at the line: everything lies in one directory, nothing is
measured or confined, and every interval is as short as it may be, because tests wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Character devices that every machine has: Slurm only asks that a GPU's file be one.
FAKE_GPUS = ("/dev/null", "/dev/zero")


@dataclass(frozen=True)
class Layout:
    """Where the cluster lives and what it listens to."""

    root: Path
    node: str
    controller_port: int
    node_port: int
    accounting_port: int
    cpus: int = 6
    memory_mb: int = 32_000

    @property
    def munge_socket(self) -> Path:
        """The authentication daemon's socket: a private one, so that a munge of the machine's own is left alone."""
        return self.root / "munge.socket"

    @property
    def database_socket(self) -> Path:
        """The database's only door; it admits the user that started it, so there is no password."""
        return self.root / "database.socket"


def slurm_conf(at: Layout) -> str:
    """The cluster: scheduler, node and partitions."""
    return f"""\
ClusterName=verizero
SlurmctldHost={at.node}(127.0.0.1)
SlurmctldPort={at.controller_port}
SlurmdPort={at.node_port}
SlurmUser=root
SlurmdUser=root
SlurmctldPidFile={at.root}/run/slurmctld.pid
SlurmdPidFile={at.root}/run/slurmd.pid
StateSaveLocation={at.root}/state
SlurmdSpoolDir={at.root}/spool
# slurmd says here again what it says on its own output, but the steps it starts say it only here: a job that could
# not start has its reason in this file.
SlurmdLogFile={at.root}/logs/steps.log
MailProg=/bin/true

# cred_expire is also how long a requeued job waits before it starts again: 120 s by default.
AuthType=auth/munge
AuthInfo=socket={at.munge_socket},cred_expire=10

# No cgroups and no init system: follow processes by parentage, confine nothing.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5
ReturnToService=2

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={at.accounting_port}
# The name misleads: it is the socket that proves who we are to the accounting daemon.
AccountingStoragePass={at.munge_socket}
AccountingStorageTRES=gres/gpu
# Snakemake names the rule in a job's comment.
AccountingStoreFlags=job_comment

# Tests wait for these: schedule at once, end an overdue job at its limit and kill it 5 s later.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
OverTimeLimit=0
KillWait=5
MessageTimeout=30

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Without it a job that names no memory takes the whole node's.
DefMemPerCPU=500
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE

# The node's size is declared, not measured, so that the tests see the same cluster on every machine.
SlurmdParameters=config_overrides
NodeName={at.node} NodeAddr=127.0.0.1 CPUs={at.cpus} RealMemory={at.memory_mb} Gres=gpu:{len(FAKE_GPUS)} State=UNKNOWN
PartitionName=gpu Nodes={at.node} Default=YES PriorityTier=10 PreemptMode=OFF DefaultTime=10 MaxTime=INFINITE State=UP
PartitionName=low Nodes={at.node} PriorityTier=1 PreemptMode=REQUEUE DefaultTime=10 MaxTime=INFINITE State=UP
"""


def gres_conf(at: Layout) -> str:
    """The fake GPUs: a job that is granted one sees its index in CUDA_VISIBLE_DEVICES."""
    return "".join(f"NodeName={at.node} Name=gpu File={device} Count=1\n" for device in FAKE_GPUS)


def cgroup_conf() -> str:
    """No cgroups: a container's root may not mount them."""
    return "CgroupAutomount=no\n"


def slurmdbd_conf(at: Layout) -> str:
    """Accounting, without which `sacct` has nothing to say. `localhost` makes the client use the database's socket."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={at.munge_socket}
DbdHost=localhost
DbdPort={at.accounting_port}
SlurmUser=root
PidFile={at.root}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
"""
