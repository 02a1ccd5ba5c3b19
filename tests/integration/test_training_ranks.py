"""Two processes under torchrun give the run that one process gives, at every ZeRO stage, resume bit for bit, and hand over."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

torch = pytest.importorskip("torch")

import pyarrow.parquet as pq  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from training_inputs import assert_alike, finished, make_inputs, recipe, run_of  # noqa: E402

from verizero.training.launcher import TORCHRUN  # noqa: E402
from verizero.training.world import leave_world, start_world  # noqa: E402

PROGRAM = Path(__file__).parents[2] / "scripts" / "train.py"
FAULTY = Path(__file__).with_name("faulty_train.py")
LAUNCHER = [*TORCHRUN, "--standalone"]
SEVERAL = Path(__file__).with_name("several_runs.py")
SHARED = {
    "whitened returns": {
        "advantage": {"baseline": "greedy", "scale": "whiten", "shape": "returns", "discount": 0.9},
        "kl": {"coefficient": 0.01, "estimator": "k1", "where": "reward"},
        "weight": {"kind": "token", "entropy_quantile": 0.6},
        "correction": {"kind": "masked", "low": 0.5, "high": 5.0},
        "epochs_per_rollout": 2,
        "zero_stage": 3,
        "order": {"rule": "pass-rate", "floor": 0.1, "recent": 0.5},
    },
    "critic": {
        "advantage": {"baseline": "critic", "scale": "whiten", "shape": "gae", "length_adaptive": 0.2},
        "critic": {"learning_rate": 1e-3, "value_clip": 0.2, "updates_per_rollout": 4, "pretraining_steps": 1},
        "imitation_coefficient": 0.1,
        "zero_stage": 3,
    },
    "prefix tree": {
        "advantage": {"baseline": "group-mean", "scale": "group-std", "shape": "prefix-tree"},
        "weight": {"kind": "prompt"},
        "selection": {"zero_variance": "refilled", "max_rounds": 3, "truncated": "masked"},
        "surrogate": {"ratio": "sequence"},
    },
}
"""Objectives that read what no rank knows alone."""
STOPS = {"whitened returns": [1, 1, 5, 2], "critic": [1, 6]}
"""At how many chances to save each start of a run stops that is to end as one that never stops."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs") / "results")


def start(processes, *command, expected=0):
    """Run a program in this many processes; what it said."""
    launcher = [*LAUNCHER, f"--nproc-per-node={processes}", "--"] if processes > 1 else [sys.executable]
    done = subprocess.run(
        [*launcher, *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expected, done.stderr[-4000:]
    return done.stderr


def train(inputs, results, *options, processes, expected=0, **changes):
    command = [PROGRAM, *options_of(inputs, results, **changes), *options]
    return results / "runs" / "ranks" / "manifest.json", start(processes, *command, expected=expected)


def options_of(inputs, results, **changes):
    """The options of the command."""
    out = results / "runs" / "ranks" / "manifest.json"
    options = {"--spec": recipe(steps=4, **changes), "--run": "ranks", "--model": inputs[0], "--dataset": inputs[1]}
    return [word for pair in (options | {"--out": out}).items() for word in pair]


def trained(out):
    """The events and the last weights of a run of the command."""
    rows = [json.loads(line) for line in (out.parent / "payload" / "curves.jsonl").read_text().splitlines()]
    events = [{"step": row.pop("step"), "metrics": row} for row in rows]
    return events, load_file(out.parent / "payload" / "step-4" / "model.safetensors")


@pytest.fixture(scope="module")
def alone(inputs, tmp_path_factory):
    """What one process gives, by name: this one, since a start of its own takes longer than the run."""
    folder, world = tmp_path_factory.mktemp("alone"), start_world(threads=1)
    for name, changes in {"plain": {}, **SHARED}.items():
        run_of(inputs, folder / name, world, steps=4, kept_rollouts=[2], **changes)
    leave_world()
    return folder


@pytest.fixture(scope="module")
def pairs(inputs, tmp_path_factory):
    """The manifest of the command's run on two processes at a ZeRO stage, made when first asked for."""
    made = {}

    def of(stage):
        if stage not in made:
            made[stage] = train(inputs, tmp_path_factory.mktemp("pair") / "results", processes=2, zero_stage=stage)[0]
        return made[stage]

    return of


@pytest.fixture(scope="module")
def one_start(inputs, tmp_path_factory):
    """Runs that share one start of two processes, which takes longer than a run: a folder for each."""
    folder, cases = tmp_path_factory.mktemp("shared"), {"stage 2": {"zero_stage": 2}, **SHARED}
    cases |= {f"{name}, interrupted": SHARED[name] | {"interrupted": stops} for name, stops in STOPS.items()}
    cases |= {f"{name}, stopped": SHARED[name] | {"interrupted": [1], "ends": False} for name in SHARED}
    start(
        2,
        SEVERAL,
        *inputs,
        folder,
        json.dumps({name: {"steps": 4, "kept_rollouts": [2], **changes} for name, changes in cases.items()}),
    )
    return folder


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_two_processes_give_the_run_of_one(alone, pairs, one_start, stage):
    # five prompts: the ranks have unequal shares
    shared = finished(one_start / "stage 2", 4) if stage == 2 else trained(pairs(stage))
    assert_alike(finished(alone / "plain", 4), shared)


@pytest.fixture(scope="module", params=[1, 3])
def stopped(request, inputs, tmp_path_factory):
    """A ZeRO stage, and the results of a run of two processes that was cut off after its first update."""
    results = tmp_path_factory.mktemp("stopped") / "results"
    # torchrun reports a worker's exit code 75 as its own failure; the state is there all the same
    train(inputs, results, "--minutes", "0", processes=2, expected=1, zero_stage=request.param)
    return request.param, results


def test_two_processes_resume_bit_for_bit(inputs, pairs, stopped, tmp_path):
    stage, results = stopped
    shutil.copytree(results, tmp_path / "results")
    resumed, _ = train(inputs, tmp_path / "results", processes=2, zero_stage=stage)
    assert resumed.read_bytes() == pairs(stage).read_bytes()


def test_one_process_goes_on_from_the_state_of_two(inputs, alone, stopped, tmp_path, capsys):
    stage, results = stopped
    [state] = results.rglob("state")
    shutil.copytree(state.parent, tmp_path / "scratch")
    world = start_world(threads=1)
    events, weights = run_of(inputs, tmp_path / "scratch", world, steps=4, zero_stage=stage)
    leave_world()
    assert_alike(finished(alone / "plain", 4), (events, weights))
    assert "the state after update 1 of step 1 was saved by 2 processes and goes on with 1" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "scratch" / "state").iterdir()) == ["latest", "step-2", "step-4"]


@pytest.mark.parametrize("stopped", [3], indirect=True)  # once is enough: four processes take a minute to start
def test_four_processes_go_on_from_the_state_of_two(inputs, alone, stopped, tmp_path):
    stage, results = stopped
    shutil.copytree(results, tmp_path / "results")
    out, said = train(inputs, tmp_path / "results", processes=4, zero_stage=stage)
    assert_alike(finished(alone / "plain", 4), trained(out))
    assert "was saved by 2 processes and goes on with 4" in said


@pytest.mark.parametrize("name", SHARED)
def test_an_objective_over_all_ranks_is_that_of_one_process(alone, one_start, name):
    assert_alike(finished(alone / name, 4), finished(one_start / name, 4))


@pytest.mark.parametrize("name", SHARED)
def test_two_processes_keep_the_completions_that_one_keeps(alone, one_start, name):
    one, two = (
        pq.read_table(folder / name / "kept" / "rollouts" / "step-2.parquet").to_pylist()
        for folder in (alone, one_start)
    )
    for row, partner in zip(one, two, strict=True):
        for column, value in row.items():
            rounded = column == "advantage" or column.startswith(("token_advantages", "engine_", "learner_"))
            wanted = pytest.approx(value, rel=2e-3, abs=1e-4) if rounded and value is not None else value
            assert partner[column] == wanted, (row["place"], row["sample"], column)


@pytest.mark.parametrize("name", STOPS)
def test_two_processes_that_stop_between_updates_end_bit_for_bit_as_two_that_do_not(one_start, name):
    events, weights = finished(one_start / name, 4)
    resumed_events, resumed = finished(one_start / f"{name}, interrupted", 4)
    assert [event["metrics"] for event in resumed_events] == [event["metrics"] for event in events]
    assert all(torch.equal(resumed[key], tensor) for key, tensor in weights.items())


@pytest.mark.parametrize("name", SHARED)
def test_one_process_goes_on_between_the_updates_of_two(inputs, alone, one_start, tmp_path, name, capsys):
    shutil.copytree(one_start / f"{name}, stopped", tmp_path / "scratch")
    world = start_world(threads=1)
    resumed = run_of(inputs, tmp_path / "scratch", world, steps=4, kept_rollouts=[2], **SHARED[name])
    leave_world()
    assert_alike(finished(alone / name, 4), resumed)
    assert "of step 1 was saved by 2 processes and goes on with 1" in capsys.readouterr().out


def until_end(inputs, results, program, happened, *options):
    """Run the command on two processes and kill the second one, with SIGKILL, as soon as something is to be seen in scratch; the exit
    code, what was said, and the seconds from the kill to the end of all."""
    command = [
        *LAUNCHER,
        "--nproc-per-node=2",
        "--",
        *program,
        *map(str, options_of(inputs, results, zero_stage=3)),
        *options,
    ]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
    begin = time.monotonic()
    while happened and process.poll() is None:
        if any(results.glob(f".scratch/*/{happened}")):
            for rank in ranks_below(process.pid, "1"):
                os.kill(rank, signal.SIGKILL)
            begin = time.monotonic()
            break
        time.sleep(0.001)
    said = process.communicate(timeout=300)[1]
    return process.returncode, said, time.monotonic() - begin


def ranks_below(launcher, rank):
    """The processes of a rank that a launcher has started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [
        int(pid)
        for pid in children
        if f"RANK={rank}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ]


def test_a_rank_that_is_killed_ends_the_others_and_the_next_start_goes_on(inputs, pairs, tmp_path):
    results = tmp_path / "results"
    code, said, seconds = until_end(inputs, results, [PROGRAM], "state/step-1*", "--save-seconds", "0")
    assert code != 0
    assert seconds < 60
    assert "error: rank 0 ends because another process of this run has ended" in said
    cause = said.partition("Root Cause")[2]
    assert re.search(r"rank +: 1 ", cause) and "Signal 9 (SIGKILL)" in cause, said
    resumed, _ = train(inputs, results, processes=2, zero_stage=3)
    assert resumed.read_bytes() == pairs(3).read_bytes()


def test_what_one_rank_finds_wrong_ends_all_with_its_sentence(inputs, tmp_path):
    code, said, seconds = until_end(inputs, tmp_path / "results", [FAULTY, "rank 1 refuses step 2"], None)
    assert code != 0
    assert "error: this rank does not go on with step 2; ask it why" in said
    cause = said.partition("Root Cause")[2]
    assert re.search(r"rank +: 1 ", cause) and "ask it why" in cause, said
    assert seconds < 90, "its start included"
