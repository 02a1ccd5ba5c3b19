"""`make test` is several pytests and one verdict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WITH_STAND_IN = """
import sys
from pathlib import Path
import everything
everything.JOBS = everything.ORCHESTRATE = Path(sys.argv.pop(1))
sys.exit(everything.main())
"""


def everything(folder: Path, shell: str, *options: str) -> subprocess.Popen[str]:
    """Run it with a shell script in place of pytest: its `$part` is unit, workflow or slurm, its `$folder` ours."""
    stand_in = folder / "python"
    words = 'for last; do :; done; case "$*" in *tests/unit*) part=unit;; *) part=${last#tests/};; esac'
    stand_in.write_text(f"#!/bin/sh\nfolder={folder}\n{words}\n{shell}\n", encoding="utf-8")
    stand_in.chmod(0o755)
    return subprocess.Popen(
        [sys.executable, "-c", WITH_STAND_IN, str(stand_in), *options],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if line and not line.startswith("=====")]


def test_the_tests_on_slurm_run_beside_the_others_and_are_shown_last(tmp_path: Path) -> None:
    # The first of the others waits until Slurm's have begun.
    shell = """
    [ $part = slurm ] && touch $folder/begun
    for i in $(seq 300); do [ -e $folder/begun ] && break; sleep 0.1; done
    [ -e $folder/begun ] && echo "$part passed"
    """
    run = everything(tmp_path, shell)
    assert lines(run.communicate(timeout=60)[0]) == ["unit passed", "workflow passed", "slurm passed"]
    assert run.returncode == 0


@pytest.mark.parametrize("part", ["unit", "workflow", "slurm"])
def test_a_part_that_fails_stops_no_other_and_is_named(tmp_path: Path, part: str) -> None:
    run = everything(tmp_path, f"echo $part; [ $part != {part} ]")
    name = {"unit": "unit and integration"}.get(part, part)
    expected = ["unit", "workflow", "slurm", f"Failed: {name} (exit status 1)"]
    assert lines(run.communicate(timeout=60)[0]) == expected
    assert run.returncode == 1


def test_tests_asked_for_by_name_may_be_in_one_part_alone(tmp_path: Path) -> None:
    found = "case $part in workflow) exit 0;; *) exit 5;; esac"
    assert everything(tmp_path, found, "--", "-k", "restored").wait(60) == 0
    assert everything(tmp_path, found).wait(60) == 1
    assert everything(tmp_path, "exit 5", "--", "-k", "restord").wait(60) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_lets_each_part_end_what_it_started_and_leaves_no_process(tmp_path: Path, sent: int) -> None:
    shell = """
    sleep 600 &  # a shell's background process does not hear an interrupt
    trap 'touch $folder/$part.ended; exit 2' INT
    echo $! > $folder/$part.new && mv $folder/$part.new $folder/$part.sleeps
    wait
    """
    run = everything(tmp_path, shell)
    sleeps = [tmp_path / f"{part}.sleeps" for part in ("unit", "slurm")]
    while not all(path.exists() for path in sleeps):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(sent)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert [(tmp_path / f"{part}.ended").exists() for part in ("unit", "slurm", "workflow")] == [True, True, False]
    for path in sleeps:
        stat = Path(f"/proc/{path.read_text().strip()}/stat")
        assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
