"""`scripts/train.py` as a command: killed, cut by a time limit, stopped by a signal, and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

pytest.importorskip("torch")

from training_inputs import make_inputs, recipe  # noqa: E402

from verizero.artifacts.manifest import broken_files  # noqa: E402
from verizero.training.saved_state import read_saved, states_below  # noqa: E402

PROGRAM = Path(__file__).parents[2] / "scripts" / "train.py"
FAULTY = Path(__file__).with_name("faulty_train.py")
STEPS = 8


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs") / "results")


class Run:
    """One run of the command in its own results folder."""

    def __init__(self, inputs, results, **changes):
        self.out = results / "runs" / "unsure.digits.plain.test.s1" / "manifest.json"
        options = {
            "--spec": recipe(steps=STEPS, checkpoints=[3], kept_rollouts=[2, STEPS], **changes),
            "--run": "unsure.digits.plain.test.s1",
        }
        options |= {"--model": inputs[0], "--dataset": inputs[1], "--out": self.out}
        self.options = [str(word) for pair in options.items() for word in pair]
        self.scratch = results / ".scratch"

    def start(self, *options, fault=None):
        program = [str(FAULTY), fault] if fault else [str(PROGRAM)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *program, *self.options, *options]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def finish(self, *options, fault=None):
        """The exit code, and what was said."""
        process = self.start(*options, fault=fault)
        said = process.communicate(timeout=300)[1]
        return process.returncode, said

    def kill_when(self, happened, *options):
        """Start, and send SIGKILL as soon as something is to be seen in scratch; whether it came to that.

        What an earlier start has left there counts once this start has been noted: one that is killed before is no attempt.
        """
        before = self.lines("attempts.jsonl")
        process = self.start(*options)
        while process.poll() is None:
            if self.lines("attempts.jsonl") > before and happened(self):
                process.kill()
                break
            time.sleep(0.0005)
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def lines(self, name):
        return sum(log.read_text().count("\n") for log in self.scratch.glob(f"*/{name}"))

    def steps_logged(self):
        return self.lines("events.jsonl")

    def found(self, pattern):
        return any(self.scratch.glob(pattern))


@pytest.fixture(scope="module")
def uninterrupted(inputs, tmp_path_factory):
    run = Run(inputs, tmp_path_factory.mktemp("whole") / "results")
    code, said = run.finish()
    assert code == 0, said
    return run.out


def test_the_payload_is_the_kept_steps_and_the_curves(uninterrupted):
    payload, manifest = uninterrupted.parent / "payload", json.loads(uninterrupted.read_text())
    assert sorted(path.name for path in payload.iterdir()) == [
        "curves.jsonl",
        "history.jsonl",
        "rollouts",
        "step-3",
        f"step-{STEPS}",
    ]
    assert sorted(path.name for path in (payload / "rollouts").iterdir()) == ["step-2.parquet", f"step-{STEPS}.parquet"]
    curves = [json.loads(line) for line in (payload / "curves.jsonl").read_text().splitlines()]
    assert [row["step"] for row in curves] == list(range(1, STEPS + 1))
    assert not any(name.startswith("seconds") for row in curves for name in row)
    events = [json.loads(line) for line in (uninterrupted.parent / "events.jsonl").read_text().splitlines()]
    assert [{"step": event["step"], **event["metrics"]} for event in events] == curves
    assert manifest["seeds"] == [1]
    assert manifest["counts"] == {
        "steps": 8,
        "prompts": 10,
        "prompts_too_long": 1,
        "completions": 160,
        "tokens": sum(row["tokens"] for row in curves),
        "step-3 kept by": "named",
        f"step-{STEPS} kept by": "last",
    }
    assert broken_files(uninterrupted) == []


def test_killed_at_several_moments_ends_with_the_same_weights_and_curves(inputs, uninterrupted, tmp_path):
    run = Run(inputs, tmp_path / "results")
    often = ("--save-seconds", "0")
    moments = {
        "before the first state": lambda run: run.steps_logged() >= 1,
        "while completions are written": lambda run: run.found("*/kept/rollouts/*"),
        "during the save of a state": lambda run: run.found("*/state/.partial/learner"),
        "during the export of kept weights": lambda run: run.found("*/kept/.partial/*"),
        "between two updates of a rollout": lambda run: run.found("*/state/step-4.1"),
        "in the middle of a step": lambda run: run.steps_logged() >= 6,
        "at the very end": lambda run: run.steps_logged() >= STEPS,
    }
    killed = [name for name, happened in moments.items() if run.kill_when(happened, *often)]
    assert len(killed) >= 4, killed
    assert not run.out.exists()
    code, said = run.finish()
    assert code == 0, said
    assert run.out.read_bytes() == uninterrupted.read_bytes(), "equal manifests: every file has the same SHA-256"
    attempts = json.loads((run.out.parent / "record.json").read_text())["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["killed"] * len(killed) + ["done"]
    assert not run.scratch.exists() or not any(run.scratch.iterdir())


def test_a_run_that_meets_its_time_limit_goes_on_where_it_stopped(inputs, uninterrupted, tmp_path):
    run = Run(inputs, tmp_path / "results")
    code, said = run.finish("--minutes", "0")
    assert code == 75, said
    assert "the state is saved" in said
    assert run.found("*/state/step-0.1"), "one update is always made, so that restarts come to an end"
    assert run.steps_logged() == 0
    assert run.finish()[0] == 0
    assert run.out.read_bytes() == uninterrupted.read_bytes()
    attempts = json.loads((run.out.parent / "record.json").read_text())["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["paused", "done"]


def test_a_signal_saves_and_asks_to_be_started_again(inputs, uninterrupted, tmp_path):
    run = Run(inputs, tmp_path / "results")
    process = run.start()
    while run.steps_logged() < 2 and process.poll() is None:
        time.sleep(0.0005)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 75, said
    assert "SIGTERM" in said
    assert 2 <= run.steps_logged() < STEPS
    assert run.finish()[0] == 0
    assert run.out.read_bytes() == uninterrupted.read_bytes()


def test_a_spec_that_is_wrong_is_one_sentence(inputs, tmp_path):
    run = Run(inputs, tmp_path / "results", learning_rate=-1.0)
    code, said = run.finish()
    assert code == 2
    assert said.startswith("error: ")
    assert "learning_rate" in said
    assert "Traceback" not in said


def test_a_run_that_hangs_ends_with_a_sentence_and_goes_on(inputs, uninterrupted, tmp_path):
    run = Run(inputs, tmp_path / "results")
    begin = time.monotonic()
    code, said = run.finish("--save-seconds", "0", "--stall-minutes", "0.1", fault="the engine hangs in step 2")
    assert code == 70, said
    assert (
        "error: rank 0 has made no progress for 0.1 minutes (runtime.stall_minutes) in phase `generate` of step 2"
        in said
    )
    assert "faulty_train.py" in said and "in hangs" in said, "the stack says where"
    assert time.monotonic() - begin < 90
    code, said = run.finish()
    assert code == 0, said
    assert run.out.read_bytes() == uninterrupted.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_a_sentence_and_the_run_goes_on_when_there_is_room(inputs, uninterrupted, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", results], check=False).returncode:
        pytest.skip("this machine mounts nothing, not even for root")
    try:
        run, filler = Run(inputs, results), results / "filler"
        process = run.start("--save-seconds", "0")
        while not run.found("*/state/step-1") and process.poll() is None:
            time.sleep(0.0005)
        with suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(1 << 14))
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 2, said
        [sentence] = [line for line in said.splitlines() if line.startswith("error: ")]
        assert re.search(
            r"cannot be written below \S+: the disk is full; 0\.\d MB are free there.*; make room, then start", sentence
        )
        assert "Traceback" not in said
        filler.unlink()
        code, said = run.finish()
        assert code == 0, said
        assert run.out.read_bytes() == uninterrupted.read_bytes()
    finally:
        subprocess.run(["umount", "--lazy", results], check=True)


def test_a_broken_state_is_said_and_the_run_goes_on_from_the_one_before(inputs, uninterrupted, tmp_path):
    run = Run(inputs, tmp_path / "results")
    process = run.start("--save-seconds", "0")
    while not run.found("*/state/step-2*") and process.poll() is None:
        time.sleep(0.0005)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 75
    newest, before = (read_saved(folder) for folder in states_below(next(run.scratch.glob("*/state"))))
    [shard] = run.scratch.glob(f"*/state/{newest.name}/learner/*optim_states.pt")
    with shard.open("r+b") as stream:
        stream.seek(-2000, os.SEEK_END)
        stream.write(b"?")
    code, said = run.finish()
    assert code == 0, said
    why = f"learner/{shard.name} does not have the checksum that it was saved with"
    assert f"warning: the state {newest.moment} is broken ({why}); the run goes on from the one {before.moment}" in said
    assert run.out.read_bytes() == uninterrupted.read_bytes()
    assert json.loads((run.out.parent / "record.json").read_text())["warnings"]


def test_the_history_of_a_run_chooses_the_example_of_the_next_set(inputs, uninterrupted, tmp_path):
    rows = [json.loads(line) for line in (uninterrupted.parent / "payload" / "history.jsonl").read_text().splitlines()]
    assert {row["problem"] for row in rows} == {f"p{digit}" for digit in range(10)}
    drawn = sum(len(row["steps"]) for row in rows)
    assert drawn == STEPS * 5, "40 draws of ten problems, four of each; no step has one twice"
    run = "unsure.digits.plain.test.s1"
    spec = {
        "source": {"kind": "sets", "names": ["digits"]},
        "select": {"rule": "historical-variance", "run": run, "n": 1},
    }
    out = tmp_path / "results" / "datasets" / "best-digit" / "manifest.json"
    words = ["--spec", json.dumps({"problems": spec}), "--name", "best-digit", "--out", str(out)]
    words += ["--set", str(inputs[1]), "--history", str(uninterrupted)]
    program = PROGRAM.with_name("prepare_dataset.py")
    done = subprocess.run([sys.executable, str(program), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [problem] = (out.parent / "payload" / "problems.jsonl").read_text().splitlines()
    expected = max(rows, key=lambda row: statistics.pstdev(row["accuracy"]))["problem"]
    assert json.loads(problem)["id"] == expected
    assert set(json.loads(out.read_text())["inputs"]) == {"digits", run}
