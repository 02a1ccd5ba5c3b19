"""Threads: what the job was given, unless the environment says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def threads_of_torch(**environment):
    # not this process's own environment: an engine that a test before started here has left its settings in it
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    code = (
        "from verizero.rollout.threads import set_threads; set_threads(1);"
        "import os, torch; print(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'])"
    )
    command = [sys.executable, "-c", code]
    environment = {**inherited, "PYTHONPATH": str(SCRIPTS), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


def test_torch_uses_the_threads_of_the_job_and_lets_them_sleep():
    assert threads_of_torch() == ["1", "passive"]


def test_the_environments_own_settings_are_kept():
    assert threads_of_torch(OMP_NUM_THREADS="2", OMP_WAIT_POLICY="active") == ["2", "active"]


def test_too_late_is_an_error():
    code = "import torch; from verizero.rollout.threads import set_threads; set_threads(1)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    assert done.returncode == 1 and "before torch is imported" in done.stderr


def test_large_tensors_get_the_memory_of_earlier_ones():
    """Without that, each new one of 64 MiB has 16,384 pages that the system has to fill with zeros."""
    code = (
        "from verizero.rollout.threads import set_threads; set_threads(1)\n"
        "import resource, torch\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "given = torch.ones(1 << 24); before = faults()\n"
        "for _ in range(20): one = given * 2; other = one.exp(); del one; third = other + given; del other, third\n"
        "print((faults() - before) / (20 * 3 * 16_384))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert float(done.stdout) < 0.5
