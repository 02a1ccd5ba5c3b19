"""A process that fails or hangs says why, also where it is one of several."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.training import faults
from verizero.training.faults import as_one

SCRIPTS = Path(__file__).parents[2] / "scripts"
HANGS = {
    "while others may run": "clock.phase('generate'); time.sleep(60)",
    "with Python's lock held": "import ctypes; ctypes.PyDLL(None).sleep(60)",
}


def failing(error):
    @as_one
    def main():
        raise error

    return main


@pytest.fixture
def left(tmp_path, monkeypatch):
    """Where torchrun looks for the reason of a failure."""
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    monkeypatch.setattr(faults, "LATER_SECONDS", 0.2)
    return file


@pytest.mark.parametrize(
    ("error", "message"), [(UserError("the disk is full"), "the disk is full"), (KeyError("x"), "KeyError: 'x'")]
)
def test_what_a_rank_finds_wrong_is_left_for_the_launcher(left, error, message):
    with pytest.raises(type(error)):
        failing(error)()
    assert json.loads(left.read_text())["message"] == message


def test_a_rank_that_lost_its_partner_leaves_the_reason_to_it_and_ends_later(left, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:31000")
    begin = time.monotonic()
    with pytest.raises(UserError, match="rank 3 ends because another process of this run has ended"):
        failing(lost)()
    assert time.monotonic() - begin >= 0.2
    assert not left.exists()


def test_a_full_disk_is_a_sentence_wherever_it_is_met(left):
    with pytest.raises(UserError, match=r"^/scratch/run/curves.jsonl cannot be written: the disk is full; make room"):
        failing(OSError(errno.ENOSPC, "No space left on device", "/scratch/run/curves.jsonl"))()
    assert "cannot be written" in left.read_text()


def test_what_a_program_returns_is_returned():
    assert as_one(lambda: 75)() == 75


def watched(work, minutes=0.02):
    """Run some lines under a watchdog; the exit code, what was said, and the seconds it took."""
    lines = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from verizero.training.clock import Clock
from verizero.training.watchdog import Watchdog
dog, clock = Watchdog({minutes}).start(), Clock()
dog.follow(7, clock)
{work}
"""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stderr, time.monotonic() - begin


@pytest.mark.parametrize("work", HANGS.values(), ids=HANGS)
def test_a_process_that_hangs_is_ended_with_its_stack(work):
    code, said, seconds = watched(work)
    assert code != 0
    assert 'File "<string>"' in said
    assert seconds < 40


def test_the_sentence_names_phase_and_step():
    code, said, _ = watched(HANGS["while others may run"])
    assert code == 70
    assert (
        "error: rank 0 has made no progress for 0.02 minutes (runtime.stall_minutes) in phase `generate` of step 7"
        in said
    )


def test_progress_of_another_process_keeps_one_alive_that_waits_for_it(tmp_path):
    shared = f"""
from pathlib import Path
import os
dog.share(Path({str(tmp_path / "run" / "progress")!r}))
"""
    waits = "for _ in range(10): time.sleep(0.4); os.utime(dog._shared)"
    assert watched(shared + waits, minutes=0.05)[:2] == (0, "")
    assert watched(shared + "time.sleep(30)")[0] == 70


def test_progress_of_each_kind_keeps_a_process_alive():
    code, said, seconds = watched(
        "for _ in range(10): time.sleep(0.2); dog.beat(); time.sleep(0.2); clock.phase('train')", minutes=0.05
    )
    assert (code, said) == (0, "")
    assert seconds > 4
