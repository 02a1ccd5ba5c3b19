"""One background process: started, known by its process id, ended by it.

A daemon outlives the program that started it, so its identity is written down: the process id together with the
kernel's start time. A process id alone is not enough, because it is used again, and what a killed run left behind must
never end a stranger.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class ClusterFailed(RuntimeError):
    """The cluster could not do what was asked; the message is one sentence, the logs hold the rest."""


def wait_until(condition: Callable[[], bool], timeout: float, complaint: str, every: float = 0.1) -> None:
    """Return as soon as `condition()` holds.

    Raises:
        ClusterFailed: it did not hold within `timeout` seconds; the message is `complaint` and the time waited.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise ClusterFailed(f"{complaint} within {timeout:g} s.")
        time.sleep(every)


def start_time(pid: int) -> int | None:
    """The kernel's start time of a living process, in clock ticks since boot; None for a dead or defunct one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets and may hold spaces, so count from its closing bracket.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def end_processes(pids: Iterable[int], patience: float) -> None:
    """Ask each process to end, wait up to `patience` seconds for all of them, then kill what is left."""
    born = {pid: start_time(pid) for pid in pids}

    def alive() -> list[int]:
        for pid in born:
            with suppress(ChildProcessError):  # our own child stays defunct until it is waited for
                os.waitpid(pid, os.WNOHANG)
        return [pid for pid, born_at in born.items() if born_at is not None and start_time(pid) == born_at]

    for word, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        for pid in alive():
            with suppress(ProcessLookupError):
                os.kill(pid, word)
        with suppress(ClusterFailed):
            wait_until(lambda: not alive(), seconds, "Processes did not end")
    if left := alive():
        raise ClusterFailed(f"Processes {left} survived SIGKILL.")


@dataclass(frozen=True)
class Daemon:
    """A program that runs in the foreground of a session of its own, with its output in a file."""

    name: str
    command: tuple[str, ...]
    root: Path
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.root / "logs" / f"{self.name}.log"

    @property
    def identity(self) -> Path:
        """Where its process id and start time are written down."""
        return self.root / "run" / f"{self.name}.json"

    @property
    def pid(self) -> int | None:
        """Its process id while it lives, else None."""
        try:
            known = json.loads(self.identity.read_text())
        except (OSError, ValueError):
            return None
        return known["pid"] if start_time(known["pid"]) == known["started"] else None

    def start(self, ready: Callable[[], bool], timeout: float = 60.0) -> None:
        """Start it and return when `ready()` holds.

        Raises:
            ClusterFailed: it ended at once, or was not ready within `timeout` seconds.
        """
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                env=self.environment,
                start_new_session=True,  # an interrupt at the keyboard is for the tests, not for the daemons
            )
        self.identity.write_text(json.dumps({"pid": process.pid, "started": start_time(process.pid)}))

        def ready_or_dead() -> bool:
            return process.poll() is not None or ready()

        wait_until(ready_or_dead, timeout, f"{self.name} was not ready")
        if process.poll() is not None:
            raise ClusterFailed(f"{self.name} ended with exit status {process.returncode} instead of serving.")

    def stop(self, patience: float = 10.0) -> None:
        """End it, if it lives, and forget it."""
        if (pid := self.pid) is not None:
            end_processes([pid], patience)
        self.identity.unlink(missing_ok=True)
