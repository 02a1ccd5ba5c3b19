"""`scripts/train.py` on this device: a run that is killed by SIGKILL and goes on ends like one that was left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from lines import Lines
from safetensors.torch import load_file

from verizero.artifacts.job import Job
from verizero.config.sources import Architecture
from verizero.policy.save import save_policy
from verizero.policy.scratch import scratch_policy
from verizero.problems.problem import Problem, write_problems

ROOT = Path(__file__).resolve().parents[2]
ALPHABET = "0123456789A=,\\boxed{}"
SHAPE = {"hidden_size": 64, "intermediate_size": 128, "layers": 2, "heads": 4, "kv_heads": 2, "max_positions": 64}
STEPS, KILLED_AFTER = 12, 4
RUN = "unsure.digits.plain.check.s1"
SPEC = {
    "optimizer": {
        "advantage": {"baseline": "group-mean", "scale": "group-std"},
        "weight": {"kind": "sequence"},
        "reward": {"rule": "random", "probability": 0.5, "truncated": "graded"},
        "learning_rate": 1e-3,
        "rollout": {"prompts": 8, "samples": 4, "max_tokens": 24, "max_prompt_tokens": 8},
        "updates_per_rollout": 2,
        "steps": STEPS,
    },
    "template": {"text": "{question}"},
    "seed": 1,
}
"""A coin decides the reward: an untrained model has nothing to be right about, and every group has a signal."""


def check(lines: Lines, folder: Path) -> None:
    """Train twice, kill one of the runs, compare the weights."""
    model, problems = _inputs(folder / "results")
    began = time.monotonic()
    whole = _start(model, problems, folder / "whole" / "results")
    said = whole.communicate()[1]
    if whole.returncode:
        lines.say("resume", False, reason=said[-2000:])
        return
    once = time.monotonic() - began
    killed = _start(model, problems, folder / "killed" / "results", "--save-seconds", "0")
    while killed.poll() is None and _steps(folder / "killed" / "results") < KILLED_AFTER:
        time.sleep(0.001)
    killed.kill()
    killed.communicate()
    if killed.returncode != -signal.SIGKILL:
        lines.say("resume", False, reason=f"the run ended with {killed.returncode} before it was killed")
        return
    steps = _steps(folder / "killed" / "results")
    again = _start(model, problems, folder / "killed" / "results")
    said = again.communicate()[1]
    if again.returncode:
        lines.say("resume", False, reason=said[-2000:])
        return
    apart, words = _apart(folder, "whole", "killed"), {}
    passed: bool | None = apart == 0.0
    if not passed and torch.cuda.is_available():  # does the device add up in the same order each time?
        _start(model, problems, folder / "twin" / "results").communicate()
        words = {"two_undisturbed_runs_apart": _apart(folder, "whole", "twin")}
        passed = None if words["two_undisturbed_runs_apart"] else False
    lines.say(
        "resume",
        passed,
        **words,
        killed_after_step=steps,
        steps=STEPS,
        weights_apart=apart,
        bit_for_bit=apart == 0.0,
        seconds_of_a_run=round(once, 1),
        last_line=said.strip().splitlines()[-1],
    )


def _apart(folder: Path, one: str, other: str) -> float:
    first, second = _weights(folder / one / "results"), _weights(folder / other / "results")
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def _inputs(results: Path) -> tuple[Path, Path]:
    model = Job("model", "unsure", {}, results / "models" / "unsure" / "manifest.json")
    save_policy(*scratch_policy(Architecture(**SHAPE), ALPHABET, seed=0), model.staging, "float32")
    model.publish()
    problems = Job("dataset", "digits", {}, results / "datasets" / "digits" / "manifest.json")
    rows = [Problem(id=f"p{digit}", problem=f"A{digit}=", answers=[str(digit)]) for digit in range(10)]
    write_problems(problems.staging / "problems.jsonl", rows)
    problems.publish()
    return model.out, problems.out


def _start(model: Path, problems: Path, results: Path, *more: str) -> subprocess.Popen[str]:
    options = ["--spec", json.dumps(SPEC), "--run", RUN, "--model", str(model), "--dataset", str(problems)]
    options += ["--out", str(results / "runs" / RUN / "manifest.json"), *more]
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _steps(results: Path) -> int:
    return sum(log.read_text().count("\n") for log in results.glob(".scratch/*/events.jsonl"))


def _weights(results: Path) -> dict[str, torch.Tensor]:
    return load_file(results / "runs" / RUN / "payload" / f"step-{STEPS}" / "model.safetensors")
