"""The check for a GPU runs on a CPU too, at a small size, and says the same lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

pytest.importorskip("torch")

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def lines() -> list[dict]:
    environment = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    command = ["bash", str(HERE / "run.sh"), "--small"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_every_part_says_what_it_found_and_on_what(lines):
    parts = Counter(line["part"] for line in lines)
    assert parts == {"machine": 1, "gradient": 9, "train": 4, "rollout": 1, "resume": 1, "summary": 1}
    assert all(line["device"] and line["torch"] for line in lines)
    assert lines[-1]["failed"] == []


def test_the_learner_is_compared_at_each_stage_precision_and_with_offload(lines):
    cases = {(line["dtype"], line["zero_stage"], line["offload"]) for line in lines if line["part"] == "gradient"}
    assert cases == {(dtype, stage, False) for dtype in ("float32", "bfloat16") for stage in (1, 2, 3)} | {
        ("bfloat16", stage, True) for stage in (1, 2, 3)
    }
    exact = [line for line in lines if line["part"] == "gradient" and line["dtype"] == "float32"]
    assert max(line["norm_error"] for line in exact) < 1e-5
    assert max(line["weights_apart"] for line in exact) < 1e-3


def test_a_killed_run_ends_bit_for_bit_like_the_other(lines):
    found = next(line for line in lines if line["part"] == "resume")
    assert found["bit_for_bit"] and 0 < found["killed_after_step"] < found["steps"]
    assert "peak memory" in found["last_line"]


def test_training_is_measured_in_four_ways(lines):
    found = {line["variant"]: line for line in lines if line["part"] == "train"}
    assert set(found) == {"checkpointing", "no checkpointing", "mixed lengths", "head in one piece"}
    # a processor without bfloat16 arithmetic multiplies large matrices slower than the learner computes, in float32
    assert all(line["tokens_per_second"] > 0 and line["share_of_gemm"] > 0 for line in found.values())
    assert {line["attention"] for line in found.values()} == {"tables"}
    assert found["checkpointing"]["responses"] == 16
    assert found["checkpointing"]["mfu"] is None, "no data sheet says what this processor can do"


FREED = """
import gc, sys, weakref
sys.path[:0] = [{here!r}, {scripts!r}]
from models import RECIPE, SMALL, policy, rows_of
from speed import OBJECTIVE, let_go
from verizero.config.optimizers import Optimizer
from verizero.training.learner import Learner
from verizero.training.world import start_world
learner = Learner(policy(SMALL), Optimizer(**RECIPE | {{"train_dtype": "bfloat16"}}), start_world(1), 256)
learner.update(rows_of(SMALL, 8, 4, 8), OBJECTIVE, 1e-3)
parameters = [weakref.ref(one) for one in learner.module.parameters()]
let_go(learner)
del learner
gc.collect()
sys.exit(sum(one() is not None for one in parameters))
"""


def test_a_learner_that_was_measured_leaves_no_memory_to_the_next():
    text = FREED.format(here=str(HERE), scripts=str(HERE.parents[1] / "scripts"))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.gpu
def test_the_whole_check_passes_on_a_gpu():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    environment = {**os.environ, "PYTHON": sys.executable}
    subprocess.run(["bash", str(HERE / "run.sh")], env=environment, timeout=590, check=True)
