"""A run that is measured while it trains: the same weights, a curve, and the checkpoint that was best."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.deepspeed

torch = pytest.importorskip("torch")

from training_inputs import make_inputs, recipe, run_of  # noqa: E402

from verizero.artifacts.errors import UserError  # noqa: E402
from verizero.artifacts.job import Job  # noqa: E402
from verizero.config.optimizers import Template  # noqa: E402
from verizero.config.sources import Protocol  # noqa: E402
from verizero.config.spec import ValidationSpec  # noqa: E402
from verizero.problems.problem import Problem, write_problems  # noqa: E402
from verizero.training.validation import ACCURACY, validation_of  # noqa: E402

PROGRAM = Path(__file__).parents[2] / "scripts" / "train.py"
PROBLEMS = [Problem(id=f"v{digit}", problem=f"A{digit}=", answers=[str(digit)]) for digit in range(10)]
HOW = {"benchmark": "held-out", "protocol": {"temperature": 1.0, "max_tokens": 24, "seed": 5}, "every": 2, "samples": 3}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs") / "results")


@pytest.fixture
def run(world, inputs, tmp_path):
    def train(name="run", validation=None, **changes):
        measured = None
        if validation:
            how = ValidationSpec(**{**validation, "protocol": Protocol(**validation["protocol"])})
            steps = changes.get("steps", 6)
            folder = inputs[0].parent / "payload"
            measured = validation_of(how, PROBLEMS, Template(text="{question}"), folder, steps)
        return run_of(inputs, tmp_path / name, world, validation=measured, **changes)

    return train


def published(results):
    """The manifest of a benchmark with other problems than the training set's."""
    job = Job("dataset", "held-out", {}, results / "datasets" / "held-out" / "manifest.json")
    rows = [Problem(id=f"v{digit}", problem=f"A{digit}A{digit}=", answers=[str(digit)]) for digit in range(5)]
    write_problems(job.staging / "problems.jsonl", rows)
    job.publish()
    return job.out


def curve(events):
    return {e["step"]: e["metrics"][ACCURACY] for e in events if e["metrics"][ACCURACY] is not None}


@pytest.mark.parametrize("changes", [{}, {"zero_stage": 3, "advantage": {"baseline": "greedy"}}])
def test_a_run_that_is_measured_has_the_same_weights_and_events(run, changes):
    plain, measured = run("plain", **changes), run("measured", HOW, **changes)
    assert all(torch.equal(measured[1][name], tensor) for name, tensor in plain[1].items())
    for event, partner in zip(plain[0], measured[0], strict=True):
        rest = {name: value for name, value in partner["metrics"].items() if not name.startswith("validation_")}
        assert rest == event["metrics"]
    assert curve(measured[0]).keys() == {2, 4, 6}
    assert measured[0][1]["metrics"]["validation_completions"] == 30


def test_the_last_step_is_measured_whatever_the_rhythm(run):
    events, _ = run(validation={**HOW, "every": 4})
    assert curve(events).keys() == {4, 6}


def test_a_resumed_run_has_the_curve_and_the_best_weights_of_the_whole_one(run, tmp_path):
    how = {**HOW, "every": 1, "keep_best": True}
    whole, resumed = run("whole", how, checkpoints=[]), run("resumed", how, interrupted=True, checkpoints=[])
    assert [event["metrics"] for event in resumed[0]] == [event["metrics"] for event in whole[0]]
    accuracy = curve(whole[0])
    best = min(accuracy, key=lambda step: (-accuracy[step], step))
    for name in ("whole", "resumed"):
        kept = sorted(path.name for path in (tmp_path / name / "kept").glob("step-*"))
        assert kept == sorted({f"step-{best}", "step-6"})
    weights = [
        (tmp_path / name / "kept" / f"step-{best}" / "model.safetensors").read_bytes() for name in ("whole", "resumed")
    ]
    assert weights[0] == weights[1]


def test_two_steps_are_measured_on_the_same_problems_with_the_same_seeds(run):
    events, _ = run(validation={**HOW, "every": 1}, learning_rate=1e-12, steps=3)
    assert len(set(curve(events).values())) == 1


def test_too_many_problems_or_too_long_completions_are_refused(inputs):
    folder, template = inputs[0].parent / "payload", Template(text="{question}")
    how = {**HOW, "protocol": Protocol(**HOW["protocol"])}
    with pytest.raises(UserError, match=r"validation\.problems is 11, but the benchmark has 10"):
        validation_of(ValidationSpec(**{**how, "problems": 11}), PROBLEMS, template, folder, 6)
    long = Protocol(temperature=1.0, max_tokens=62)
    with pytest.raises(UserError, match="has 65, but the model reads 64"):
        validation_of(ValidationSpec(**{**how, "protocol": long}), PROBLEMS, template, folder, 6)


def test_some_problems_are_those_that_come_first_whatever_their_order(inputs):
    how = ValidationSpec(**{**HOW, "protocol": Protocol(**HOW["protocol"]), "problems": 4})
    folder, template = inputs[0].parent / "payload", Template(text="{question}")
    chosen = [
        {problem.id for problem in validation_of(how, problems, template, folder, 6).problems}
        for problems in (PROBLEMS, PROBLEMS[::-1])
    ]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 4


def test_the_manifest_says_which_rule_kept_each_checkpoint(inputs, tmp_path):
    spec = json.loads(recipe(steps=4, checkpoints=[1], checkpoints_every=2))
    spec["validation"] = {**HOW, "keep_best": True}
    out = tmp_path / "results" / "runs" / "kept" / "manifest.json"
    held_out = published(tmp_path / "results")
    command = [sys.executable, str(PROGRAM), "--spec", json.dumps(spec), "--run", "kept", "--out", str(out)]
    command += ["--model", str(inputs[0]), "--dataset", str(inputs[1])]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--validation must name its benchmark's manifest" in refused.stderr
    seen = subprocess.run([*command, "--validation", str(inputs[1])], capture_output=True, text=True, check=False)
    assert seen.returncode == 2
    assert "11 of 11 problems of the validation's benchmark are training problems, `p0` is one" in seen.stderr
    done = subprocess.run([*command, "--validation", str(held_out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(out.read_text())
    counts = manifest["counts"]
    assert counts["step-1 kept by"] == "named"
    assert counts["step-2 kept by"] == "every 2"
    assert counts["step-4 kept by"] == "every 2, last"
    assert counts["step-best kept by"] == "best validation_accuracy"
    assert counts["best step"] in (2, 4)
    digests = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    best = digests["step-best/model.safetensors"]
    assert best == digests[f"step-{counts['best step']}/model.safetensors"]
    assert "validation" in manifest["inputs"]
