"""How a program gets its processes and its GPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.rollout.devices import HELD, _free, claim, devices_here, refuse_absent
from verizero.training import launcher
from verizero.training.launcher import command_of, first_node

LAUNCH = Path(__file__).parents[2] / "scripts" / "launch.py"
SLURM = {"SLURM_JOB_ID": "1234"}
HOLD = """
import sys; sys.path.insert(0, {scripts!r})
from pathlib import Path
from verizero.rollout.devices import claim
import os
print(",".join(claim({devices!r}, {count}, Path({folder!r}))), flush=True)
os.execvp("sleep", ["sleep", "60"])
"""


def holder(folder, devices, count):
    """A process that takes devices, becomes another program, and holds them; and what it took."""
    text = HOLD.format(scripts=str(LAUNCH.parent), devices=devices, count=count, folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, process.stdout.readline().strip().split(",")


def program(name, folder, said):
    """A command on the PATH that says something."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{said}\n")
    file.chmod(0o755)


@pytest.fixture(autouse=True)
def nothing_is_held_afterwards(monkeypatch):
    """`claim` says in the environment what it holds."""
    monkeypatch.setenv(HELD, "")


def test_one_process_is_plain_python():
    assert command_of(["train.py", "--run", "r"], 1, 1, {}) == [sys.executable, "train.py", "--run", "r"]


def test_several_processes_of_one_node_need_no_port():
    found = command_of(["train.py", "--run", "r"], 8, 1, {})
    assert found[3:5] == ["--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1", "--shutdown-timeout=55"]
    assert found[5:] == ["--standalone", "--nproc-per-node=8", "--", "train.py", "--run", "r"]


def test_several_nodes_have_a_torchrun_each_that_meet_at_the_first(monkeypatch):
    monkeypatch.setattr(launcher, "first_node", lambda job: f"node-of-{job}")
    found = command_of(["train.py"], 8, 2, SLURM)
    assert found[:6] == ["srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpu-bind=none", "--wait=60"]
    assert "--cpus-per-task=64" in command_of(["train.py"], 8, 2, SLURM, 64)
    assert "--nnodes=2" in found and "--nproc-per-node=8" in found and "--rdzv-id=1234" in found
    assert "--rdzv-endpoint=node-of-1234:21234" in found
    assert found[-2:] == ["--", "train.py"]


def test_slurm_says_which_node_is_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    program("scontrol", tmp_path, "echo JobId=$4 NodeList=gpu[07-08] BatchHost=gpu07 NumNodes=2")
    assert first_node("1234") == "gpu07"
    program("scontrol", tmp_path, "echo JobId=$4")
    with pytest.raises(UserError, match="names no BatchHost"):
        first_node("1234")
    program("scontrol", tmp_path, "exit 1")
    with pytest.raises(UserError, match="does not say which node is the first"):
        first_node("1234")


def test_two_jobs_never_hold_the_same_device(tmp_path):
    first, taken = holder(tmp_path, ["0", "1", "2"], 2)
    second, other = holder(tmp_path, ["0", "1", "2"], 1)
    try:
        assert (taken, other) == (["0", "1"], ["2"])
    finally:
        first.kill()
        first.wait()
    assert claim(["0", "1", "2"], 2, tmp_path) == ["0", "1"]  # a killed job holds nothing any more
    second.kill()
    second.wait()


def test_a_job_waits_for_all_its_devices_and_takes_none_meanwhile(tmp_path):
    first, _ = holder(tmp_path, ["0", "1"], 1)
    waiting = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD.format(scripts=str(LAUNCH.parent), devices=["0", "1"], count=2, folder=str(tmp_path)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    third, other = holder(tmp_path, ["1"], 1)
    assert other == ["1"]
    for process in (first, third):
        process.kill()
        process.wait()
    assert waiting.stdout and waiting.stdout.readline().strip() == "0,1"
    waiting.kill()
    waiting.wait()


def test_more_devices_than_there_are_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="8 GPUs are asked for, but there are 2 here"):
        claim(["0", "1"], 8, tmp_path)


def test_a_slurm_job_without_the_gpus_that_it_asked_for_does_not_compute_on_the_cpu(monkeypatch):
    refuse_absent([], 8)  # a machine without a scheduler
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    refuse_absent(["0", "1"], 2)
    with pytest.raises(UserError, match=r"asks for 2 GPUs and can use 1: .* or set VERIZERO_WITHOUT_GPUS=1"):
        refuse_absent(["0"], 2)
    monkeypatch.setenv("VERIZERO_WITHOUT_GPUS", "1")
    refuse_absent([], 2)


def test_the_devices_are_those_that_the_user_leaves(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert devices_here() == ["3", "5"]
    for nothing in ("", "-1", "-1,0", "none"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert devices_here() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8f,1,-1,2")
    assert devices_here() == ["GPU-8f", "1"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices_here() == []
    program("nvidia-smi", tmp_path, "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'; echo 'GPU 1: NVIDIA H100 (UUID: GPU-2)'")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert devices_here() == ["0", "1"]


def launched(*words, **environment):
    own = {**os.environ, **environment}
    own.pop("SLURM_JOB_ID", None)
    return subprocess.run(
        [sys.executable, LAUNCH, *words], env=own | environment, capture_output=True, text=True, check=False
    )


def test_the_program_sees_its_arguments_and_its_devices(tmp_path):
    script = tmp_path / "say.py"
    script.write_text("import os, sys; print(sys.argv[1:], os.environ['CUDA_VISIBLE_DEVICES'])")
    environment = {"CUDA_VISIBLE_DEVICES": "4,7", "TMPDIR": str(tmp_path)}
    done = launched("--", str(script), "--run", "a b", **environment)
    assert done.stdout == "['--run', 'a b'] 4\n", done.stderr


@pytest.mark.parametrize(
    ("processes", "slurm", "seen"),
    [("1", {"SLURM_JOB_ID": "1"}, "4"), ("0", {}, ""), ("0", {"SLURM_JOB_ID": "1"}, "")],
    ids=["fewer processes than Slurm gave GPUs", "none", "none under Slurm"],
)
def test_a_job_sees_no_more_devices_than_it_has_processes(tmp_path, processes, slurm, seen):
    script = tmp_path / "say.py"
    script.write_text("import os; print(os.environ['CUDA_VISIBLE_DEVICES'])")
    environment = {"CUDA_VISIBLE_DEVICES": "4,7", "TMPDIR": str(tmp_path), **slurm}
    assert launched("--processes", processes, "--", str(script), **environment).stdout == f"{seen}\n"


WORKER = """
import os, signal, sys, time
sys.path.insert(0, {scripts!r})
from verizero.rollout.devices import hold
hold()
rank = os.environ["RANK"]
def note(number, frame):
    open({folder!r} + "/signal-" + rank, "w").write(signal.Signals(number).name)
    raise SystemExit(75)
signal.signal(signal.SIGUSR1, note)
signal.signal(signal.SIGTERM, note)
open({folder!r} + "/there-" + rank, "w").close()
time.sleep(120)
"""


def until(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


def free(locks):
    """How many of two devices nobody holds."""
    held = _free(["0", "1"], 2, locks)
    for descriptor in held.values():
        os.close(descriptor)
    return len(held)


@pytest.mark.slow
def test_a_signal_reaches_each_process_and_the_devices_are_held_until_they_end(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(scripts=str(LAUNCH.parent), folder=str(tmp_path)))
    own = {key: value for key, value in os.environ.items() if key != "SLURM_JOB_ID"}
    environment = own | {"CUDA_VISIBLE_DEVICES": "0,1", "TMPDIR": str(tmp_path)}
    locks = tmp_path / f"verizero-gpus-{os.getuid()}"
    for number, word in ((signal.SIGUSR1, "SIGUSR1"), (signal.SIGKILL, None)):
        for file in [*tmp_path.glob("there-*"), *tmp_path.glob("signal-*")]:
            file.unlink()
        process = subprocess.Popen([sys.executable, LAUNCH, "--processes", "2", "--", str(script)], env=environment)
        until(lambda: len(list(tmp_path.glob("there-*"))) == 2)
        process.send_signal(number)
        assert process.wait(60) != 0
        if word:
            assert [file.read_text() for file in sorted(tmp_path.glob("signal-*"))] == [word] * 2
        else:  # nobody told them, so they go on, and nobody else gets their devices
            assert free(locks) == 0
            subprocess.run(["pkill", "-KILL", "-f", str(script)], check=True)
        until(lambda: free(locks) == 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--processes", "2"), "behind `--` must stand a program"),
        (("--processes", "-1", "--", "x.py"), "they must be at least 0 and 1"),
        (("--nodes", "2", "--", "x.py"), "which only a Slurm job has"),
    ],
)
def test_a_mistake_is_one_sentence(words, said):
    done = launched(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
