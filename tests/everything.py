"""Run every test: those on Slurm beside the others, and one verdict over all.

    python tests/everything.py                    # as `make test`
    python tests/everything.py --workers 0 -- -k preempted

Each part is a pytest of its own, because the trainer's tests and the workflow's need different environments. The tests on
Slurm wait for Slurm most of their time, so they run in the background; what they print is shown when the others have
ended. A part that fails stops no other, and Ctrl-C ends them all. What stands behind `--` goes to each pytest.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
JOBS = ROOT / ".venv" / "jobs" / "bin" / "python"
ORCHESTRATE = ROOT / ".venv" / "orchestrate" / "bin" / "python"
NO_TESTS = 5
"""pytest's exit status when it was asked for tests that are not there."""
PATIENCE = 60
"""Seconds for an interrupted pytest to end what it started; a cluster needs about ten."""


@dataclass(frozen=True)
class Part:
    """Tests that one pytest runs.

    Attributes:
        python: the interpreter whose environment they need.
        options: pytest's.
    """

    name: str
    python: Path
    folders: tuple[str, ...]
    options: tuple[str, ...] = ()

    def start(
        self, more: Sequence[str], output: IO[str] | None = None, at_the_terminal: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start it in the background, if it has an output.

        Args:
            more: further words for pytest.
            at_the_terminal: leave it in the terminal's process group, without which a debugger reads nothing. Else it has a
                group of its own, which can be ended whole.
        """
        command = [self.python, "-m", "pytest", "--durations=10", *self.options, *more, *self.folders]
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            # One thread for each test process: two that spin on two cores each are slower than one.
            env={**os.environ, "OMP_NUM_THREADS": "1"} if self.python == JOBS else None,
            stdin=subprocess.DEVNULL if output else None,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            process_group=None if at_the_terminal else 0,
        )


def parts(workers: int) -> tuple[list[Part], Part]:
    """Those that follow each other, and the one beside them."""
    # By file: a file's tests share an engine, which takes most of a minute to start. In the order of collection, in which
    # conftest.py puts the long files first; xdist would begin with the files that have the most tests.
    spread = ("-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder")
    others = [
        Part("unit and integration", JOBS, ("tests/unit", "tests/integration", "tests/gpu"), spread),
        Part("workflow", ORCHESTRATE, ("tests/workflow",), spread),
    ]
    # In one process: its tests share one cluster, and a second process would wait for it until it times out.
    return others, Part("slurm", ORCHESTRATE, ("tests/slurm",))


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt each pytest once, as Ctrl-C does, so that it ends what it started; then kill what is left of its group."""
    for process in processes:
        if process.poll() is None:
            with suppress(ProcessLookupError):  # it leads no group: the terminal's Ctrl-C went to it as well
                os.killpg(process.pid, signal.SIGINT)
    late = time.monotonic() + PATIENCE
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, late - time.monotonic()))
        process.kill()
        process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def ending_with_us() -> Iterator[list[subprocess.Popen[bytes]]]:
    """A list of processes that end when this one is asked to."""

    def interrupted(number: int, frame: object) -> None:
        for each in asks:  # once is enough: a second one would cut short what the first one ends
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    asks = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for each in asks:
        signal.signal(each, interrupted)
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield started
    finally:
        end(started)


def show(log: IO[str], process: subprocess.Popen[bytes]) -> None:
    """Print what a process has written, and go on until it ends."""
    ended = False
    while not ended:
        ended = process.poll() is not None
        print(log.read(), end="", flush=True)
        if not ended:
            time.sleep(0.2)


def run(workers: int, more: Sequence[str]) -> dict[str, int]:
    """Run every part; each one's exit status by its name."""
    others, beside = parts(workers)
    status: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder, ending_with_us() as started:
        path = Path(folder) / "slurm.log"
        background = workers > 0  # else somebody may be at a debugger
        if background:
            colour = ("--color=yes",) if sys.stdout.isatty() else ()
            with path.open("w", encoding="utf-8") as output:
                started.append(beside.start((*colour, *more), output))
        for part in others if background else [*others, beside]:
            print(f"\n===== Tests: {part.name}", flush=True)
            started.append(part.start(more, at_the_terminal=not background))
            status[part.name] = started[-1].wait()
        if background:
            print(f"\n===== Tests: {beside.name}, which ran beside the others", flush=True)
            with path.open(encoding="utf-8", errors="replace") as log:
                show(log, started[0])
            status[beside.name] = started[0].returncode
    return status


def main() -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="test processes at once; 0 runs all in one")
    parser.add_argument("more", nargs="*", metavar="ARGUMENT", help="of pytest, behind --")
    arguments = parser.parse_args()
    try:
        status = run(arguments.workers, arguments.more)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    # Who asks for some tests by name may find them in one part alone.
    if arguments.more and set(status.values()) != {NO_TESTS}:
        status = {name: 0 if code == NO_TESTS else code for name, code in status.items()}
    if failed := [f"{name} (exit status {code})" for name, code in status.items() if code != 0]:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
