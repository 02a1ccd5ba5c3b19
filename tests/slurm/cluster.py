"""A real Slurm on this machine: one node, two fake GPUs, accounting, preemption.

    python tests/slurm/cluster.py up        # prints the line that points Slurm's commands at it
    python tests/slurm/cluster.py status
    python tests/slurm/cluster.py down

Needs root, but no init system, no cgroups and no service of the machine's own: munge, MariaDB and Slurm's daemons run
from one directory under the temporary directory, on sockets and ports of their own. Missing Debian packages are
installed. Tests use it as `with SlurmCluster() as cluster:`; a cluster that was started by `up` serves them too and
then stays up.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cluster_files import Layout, cgroup_conf, gres_conf, slurm_conf, slurmdbd_conf
from daemons import ClusterFailed, Daemon, end_processes, wait_until

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")
PROGRAMS = (
    *("munged", "mungekey", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd"),
    *("sbatch", "srun", "scancel", "squeue", "sinfo", "sacct", "sacctmgr", "scontrol"),
)
#: The daemons' programs lie where an ordinary user's PATH does not look.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def user() -> str:
    """Who we are to Slurm; the environment's USER may say otherwise."""
    return pwd.getpwuid(os.geteuid()).pw_name


class ClusterUnavailable(RuntimeError):
    """This machine cannot have a Slurm; the message is one sentence, fit to be a test's reason to be skipped."""


def missing_programs() -> list[str]:
    """The programs of the cluster that this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]


def require_programs() -> None:
    """Install the Debian packages when a program of theirs is missing.

    Raises:
        ClusterUnavailable: we are not root, there is no apt, or apt failed.
    """
    if os.geteuid() != 0:
        raise ClusterUnavailable(f"Only root can start a Slurm, and this is user {user()}.")
    if not (missing := missing_programs()):
        return
    if shutil.which("apt-get") is None:
        raise ClusterUnavailable(f"Slurm needs the programs {', '.join(missing)}, and there is no apt to install them.")
    patient = ("-o", "DPkg::Lock::Timeout=120")
    for command in (
        ("apt-get", *patient, "update"),
        ("apt-get", *patient, "install", "-y", "--no-install-recommends", *PACKAGES),
    ):
        try:
            subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=600,
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip() or error.stdout.strip() or "no message").splitlines()[-1]
            raise ClusterUnavailable(f"Slurm is not installed, and `{' '.join(command)}` failed: {last}") from None
        except subprocess.TimeoutExpired:
            raise ClusterUnavailable(f"Slurm is not installed, and `{' '.join(command)}` took over 600 s.") from None
    if missing := missing_programs():
        raise ClusterUnavailable(f"The packages {', '.join(PACKAGES)} are installed but lack {', '.join(missing)}.")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens to, so that a Slurm of the machine's own is left alone."""
    with_port = [socket.socket() for _ in range(count)]
    try:
        for each in with_port:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in with_port]
    finally:
        for each in with_port:
            each.close()


def answers(address: Path | int) -> bool:
    """Whether somebody listens at a socket file or a local port."""
    family, where = (
        (socket.AF_UNIX, str(address)) if isinstance(address, Path) else (socket.AF_INET, ("127.0.0.1", address))
    )
    with socket.socket(family) as client:
        client.settimeout(1.0)
        return client.connect_ex(where) == 0


class SlurmCluster:
    """A one-node Slurm in a directory of its own.

    Attributes:
        root: its directory. It has one fixed place, so that a new run finds, and ends, what a killed one left behind.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(tempfile.gettempdir()) / "verizero-slurm"
        self._use = ExitStack()

    # Life

    def __enter__(self) -> SlurmCluster:
        require_programs()
        with ExitStack() as beginning:
            beginning.enter_context(self._alone(timeout=900.0))
            if self.kept and self.healthy():
                self.cancel_all()
            else:
                self._up()
            self._use = beginning.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        with self._use:
            if self.kept:
                self.cancel_all()
            else:
                self._down()

    def up(self) -> None:
        """Start the cluster, unless it runs, and leave it running after this program.

        Raises:
            ClusterUnavailable: this machine cannot have one.
            ClusterFailed: a daemon did not come up, or the cluster is in use.
        """
        require_programs()
        with self._alone(timeout=10.0):
            if not (self.kept and self.healthy()):
                self._up()
                self._keep_mark.touch()

    def down(self) -> None:
        """End every job, every daemon and the directory, except its logs. Harmless when there is none."""
        with self._alone(timeout=10.0):
            self._down()

    def healthy(self) -> bool:
        """Whether every daemon lives and the node takes jobs."""
        return all(daemon.pid for daemon in self.daemons) and self._node_is_ready()

    @property
    def kept(self) -> bool:
        """Whether `up` started it, so that only `down` ends it."""
        return self._keep_mark.exists()

    # Use

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Slurm's commands speak to this cluster and to no other."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SBATCH_", "SRUN_", "SACCT_", "SQUEUE_"))
        }
        path = os.pathsep.join([str(self.root / "bin"), PATH])
        return {**clean, "PATH": path, "SLURM_CONF": str(self.root / "slurm.conf")}

    def call(self, *command: str, timeout: float = 60.0) -> str:
        """Run one of Slurm's commands; returns what it printed.

        Raises:
            ClusterFailed: it failed or took too long.
        """
        try:
            return subprocess.run(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
                timeout=timeout,
            ).stdout.strip()
        except subprocess.CalledProcessError as error:
            raise ClusterFailed(f"`{' '.join(command)}` failed: {error.stderr.strip()}") from None
        except subprocess.TimeoutExpired:
            raise ClusterFailed(f"`{' '.join(command)}` took over {timeout:g} s.") from None

    def submit(self, script: str, *options: str, output: Path | str = "/dev/null") -> int:
        """Submit a shell command as a batch job; returns its id."""
        return int(self.call("sbatch", "--parsable", f"--output={output}", *options, f"--wrap={script}"))

    def accounts(self, *fields: str, **filters: str) -> list[list[str]]:
        """What accounting knows: one row of `fields` for each time a job was started, the oldest first.

        `filters` are options of `sacct`: `accounts("State", jobs="7")`, `accounts("JobIDRaw", "State", name="sweep")`.
        """
        options = [f"--{name}={value}" for name, value in filters.items()]
        return [
            row.split("|")
            for row in self.call(
                # -X: the job alone, not its steps; --duplicates: also what a requeued job was before.
                *("sacct", "-X", "--duplicates", "--noheader", "--parsable2", f"--format={','.join(fields)}", *options)
            ).splitlines()
        ]

    def attempts(self, job: int) -> list[str]:
        """The states of a job, one for each time it was started, the present one last."""
        return [state.split()[0] for [state] in self.accounts("State", jobs=str(job))]  # `CANCELLED by 0` is CANCELLED

    def state(self, job: int) -> str:
        """A job's present state, `UNKNOWN` until accounting has heard of it."""
        return (self.attempts(job) or ["UNKNOWN"])[-1]

    def wait_for(self, job: int, *states: str, timeout: float = 60.0) -> None:
        """Return when a job is in one of `states`."""
        wait_until(
            lambda: self.state(job) in states,
            timeout,
            f"Job {job} did not become {' or '.join(states)}",
            every=0.5,
        )

    def cancel_all(self) -> None:
        """Cancel every job and return when none is left, so that one test's jobs are not another's queue."""
        self.call("scancel", "--quiet", f"--user={user()}")
        wait_until(lambda: not self.call("squeue", "--noheader"), 60.0, "Cancelled jobs did not leave the queue")

    def logs(self, lines: int = 40) -> dict[str, str]:
        """The last lines of each daemon's log."""
        return {
            log.name: "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
            for log in sorted((self.root / "logs").glob("*.log"))
        }

    # How

    @property
    def daemons(self) -> list[Daemon]:
        """The daemons in the order in which they need each other. Their commands do not depend on the ports."""
        database = (
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={self.root}/database"),
            *(f"--socket={self.root}/database.socket", "--skip-networking", f"--pid-file={self.root}/run/mariadbd.pid"),
            # Nothing here has to survive a power cut.
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"),
        )
        authentication = (
            *("munged", "--foreground", f"--socket={self.root}/munge.socket", f"--key-file={self.root}/munge.key"),
            *(f"--pid-file={self.root}/run/munged.pid", f"--seed-file={self.root}/munge.seed"),
        )
        # MYSQL_UNIX_PORT: Slurm's accounting has no option for the place of the database's socket.
        environment = {**self.environment, "MYSQL_UNIX_PORT": f"{self.root}/database.socket"}
        return [
            Daemon(name, command, self.root, environment)
            for name, command in (
                ("munged", authentication),
                ("mariadbd", database),
                ("slurmdbd", ("slurmdbd", "-D")),
                ("slurmctld", ("slurmctld", "-D", "-c", "-f", f"{self.root}/slurm.conf")),
                ("slurmd", ("slurmd", "-D", "-c", "-f", f"{self.root}/slurm.conf")),
            )
        ]

    @property
    def _keep_mark(self) -> Path:
        return self.root / "run" / "kept"

    @contextmanager
    def _alone(self, timeout: float) -> Iterator[None]:
        """Hold the cluster for this process: two test runs would take each other's GPUs, and down would end both."""
        with Path(f"{self.root}.lock").open("a+") as lock:

            def taken() -> bool:
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                return False

            wait_until(taken, timeout, "Another process uses the test cluster and did not leave it", every=0.5)
            yield  # closing the file gives the lock back, also when this process is killed

    def _up(self) -> None:
        self._down()
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(mode=0o755)  # munge insists that everybody may pass to its socket
        for folder in ("bin", "run", "logs", "state", "spool", "database"):
            (self.root / folder).mkdir(mode=0o700)
        node = socket.gethostname().partition(".")[0]
        layout = Layout(self.root, node, *free_ports(3))
        self._write_configuration(layout)
        try:
            self._start(layout)
        except BaseException as error:
            with suppress(ClusterFailed):
                self._down()
            if isinstance(error, ClusterFailed):
                raise ClusterFailed(f"{error} The daemons' logs are in {self.root}/logs.") from None
            raise

    def _write_configuration(self, layout: Layout) -> None:
        for name, text in {
            "slurm.conf": slurm_conf(layout),
            "gres.conf": gres_conf(layout),
            "cgroup.conf": cgroup_conf(),
            "slurmdbd.conf": slurmdbd_conf(layout),
        }.items():
            (self.root / name).write_text(text)
        (self.root / "slurmdbd.conf").chmod(0o600)  # slurmdbd refuses one that others can read
        # Snakemake's plugin clears SLURM_CONF, with most other SLURM_*, before it calls srun inside a job, and srun
        # would then look in /etc/slurm, which is not ours to write. So the srun that is found first says where to look.
        srun = self.root / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.root}/slurm.conf exec {shutil.which("srun", path=PATH)} "$@"\n')
        srun.chmod(0o755)

    def _start(self, layout: Layout) -> None:
        self.call("mungekey", "--create", f"--keyfile={self.root}/munge.key")
        self.call(
            *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={self.root}/database"),
            *("--auth-root-authentication-method=socket", "--skip-test-db"),
        )
        munged, mariadbd, slurmdbd, slurmctld, slurmd = self.daemons
        munged.start(lambda: answers(layout.munge_socket))
        mariadbd.start(lambda: answers(layout.database_socket))
        slurmdbd.start(lambda: answers(layout.accounting_port))
        self.call("sacctmgr", "-i", "add", "cluster", "verizero")
        self.call("sacctmgr", "-i", "add", "account", "study", "Cluster=verizero")
        self.call("sacctmgr", "-i", "add", "user", user(), "Account=study")
        slurmctld.start(lambda: answers(layout.controller_port))
        slurmd.start(self._node_is_ready)
        # A job that ends before the controller has registered would be in no account of `sacct`.
        wait_until(self._accounting_is_ready, 60.0, "The controller did not register with accounting")

    def _node_is_ready(self) -> bool:
        with suppress(ClusterFailed):
            states = self.call("sinfo", "--noheader", "--format=%T", timeout=10.0).split()
            return bool(states) and set(states) <= {"idle", "mixed", "allocated", "completing"}
        return False

    def _accounting_is_ready(self) -> bool:
        return self.call("sacctmgr", "-n", "-P", "show", "cluster", "format=ControlPort") not in ("", "0")

    def _down(self) -> None:
        if self.root.exists() and self.root.lstat().st_uid != os.geteuid():
            raise ClusterFailed(f"{self.root} belongs to another user; remove it, or set TMPDIR.")
        *services, node = self.daemons
        if all(daemon.pid for daemon in self.daemons):
            with suppress(ClusterFailed):
                self.cancel_all()
        node.stop()  # first, so that it starts no job while those left are ended
        end_processes(self._job_processes(), patience=5.0)
        for daemon in reversed(services):
            daemon.stop()
        if self.root.exists():
            for each in self.root.iterdir():
                if each.name != "logs":
                    shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()

    def _job_processes(self) -> list[int]:
        """Slurm's step daemons and their jobs' processes: they are detached from the node's daemon and outlive it.

        Told by the environment they were started with, which names this cluster's configuration and a job.
        """
        ours = f"SLURM_CONF={self.root}/slurm.conf".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                of_a_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
                if ours in variables and (of_a_job or (folder / "comm").read_text().startswith("slurmstepd")):
                    found.append(int(folder.name))
        return found


def main() -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("up", "down", "status"))
    action = parser.parse_args().action
    cluster = SlurmCluster()
    started = time.monotonic()
    try:
        if action == "up":
            cluster.up()
            print(f"# up in {time.monotonic() - started:.1f} s", file=sys.stderr)
            print(f"export SLURM_CONF={cluster.root}/slurm.conf PATH={cluster.root}/bin:$PATH")
        elif action == "down":
            cluster.down()
            print(f"# down in {time.monotonic() - started:.1f} s", file=sys.stderr)
    except (ClusterUnavailable, ClusterFailed) as error:
        print(error, file=sys.stderr)
        return 1
    if action == "status":
        for daemon in cluster.daemons:
            print(f"{daemon.name:10} {daemon.pid or 'down'}")
        if not cluster.healthy():
            return 1
        print(cluster.call("sinfo"))
        print(cluster.call("squeue"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
