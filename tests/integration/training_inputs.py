"""A model, a training set and a recipe so small that a training run takes a second, and still real.

The model has learned to answer `A7=` with some repetitions of `7,` and then `\\boxed{7}` or, as often, `\\boxed{8}`: some
answers of a group are right and some are wrong, and lengths differ.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from verizero.artifacts.job import Job
from verizero.config.sources import Architecture
from verizero.config.spec import TrainSpec, read_spec
from verizero.policy.save import save_policy
from verizero.policy.scratch import scratch_policy
from verizero.problems.problem import Problem, read_problems, write_problems
from verizero.training.walltime import StopRequest

if TYPE_CHECKING:
    from verizero.training.world import World

ALPHABET = "0123456789A=,\\boxed{}"
ARCHITECTURE = {"hidden_size": 32, "intermediate_size": 64, "layers": 1, "heads": 2, "kv_heads": 1, "max_positions": 64}
RECIPE: dict[str, Any] = {
    "advantage": {"baseline": "group-mean", "scale": "group-std"},
    "weight": {"kind": "sequence"},
    "learning_rate": 1e-3,
    "rollout": {"prompts": 5, "samples": 4, "max_tokens": 24, "max_prompt_tokens": 8},
    "updates_per_rollout": 2,
    "steps": 6,
    "checkpoints": [2],
}


def recipe(**changes: Any) -> str:
    """The spec of a run, with some keys of the optimizer changed."""
    return json.dumps({"optimizer": {**RECIPE, **changes}, "template": {"text": "{question}"}, "seed": 1})


def typed_recipe(**changes: Any) -> TrainSpec:
    """The same, typed."""
    return read_spec(TrainSpec, recipe(**changes))[0]


class Interruption(StopRequest):
    """Stops a run at its n-th chance to save; None for the end of its first step."""

    def __init__(self, chances: int | None) -> None:
        super().__init__()
        self.left = chances

    def due(self, ahead: str) -> bool:
        """Whether this is the chance."""
        if self.left is None:
            return ahead == "step"
        self.left -= 1
        return self.left == 0


def run_of(
    inputs: tuple[Path, Path],
    scratch: Path,
    world: World,
    micro_batch_tokens: int = 512,
    interrupted: bool | str | Sequence[int] = False,
    validation: Any = None,
    ends: bool = True,
    **changes: Any,
) -> Any:
    """Train in this process: the events, and the kept weights of the last step.

    Args:
        interrupted: stop after the first step and go on from the saved state; `of two processes` as if two had saved it; numbers:
            stop and go on again and again, at so many chances to save each time; a chance comes after each update and each step.
        validation: what the run is measured on.
        ends: go on after the interruptions; else there is nothing to return.
    """
    from verizero.training import loop
    from verizero.training.checkpoint import Checkpoints
    from verizero.training.prompts import readable_prompts

    spec, folder = typed_recipe(**changes), inputs[0].parent / "payload"
    problems = read_problems(inputs[1].parent / "payload" / "problems.jsonl")
    prompts = readable_prompts(problems, spec.template, folder, spec.optimizer)
    checkpoints = Checkpoints(scratch, world)
    runtime = loop.Runtime(threads=1, micro_batch_tokens=micro_batch_tokens)
    given = (spec, folder, prompts, checkpoints, world)
    for chances in [None] if interrupted in (True, "of two processes") else interrupted or []:
        assert not loop.train(*given, Interruption(chances), runtime, validation=validation)
    if interrupted == "of two processes":  # a state of one says that it was saved by two
        file = scratch / "state" / "step-1" / "files.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "processes": 2}))
    if not ends:
        return None
    assert loop.train(*given, StopRequest(), runtime, validation=validation)
    return finished(scratch, spec.optimizer.steps)


def finished(scratch: Path, steps: int) -> Any:
    """What `run_of` returned, in whichever process it ran."""
    events = [json.loads(line) for line in (scratch / "events.jsonl").read_text().splitlines()]
    return events, load_file(scratch / "kept" / f"step-{steps}" / "model.safetensors")


def assert_alike(one: Any, other: Any) -> None:
    """Equal up to the order of float additions."""
    assert len(one[0]) == len(other[0])
    for event, partner in zip(one[0], other[0], strict=True):
        assert event["metrics"].keys() == partner["metrics"].keys()
        for name, value in event["metrics"].items():
            expected = value if value is None else pytest.approx(value, rel=2e-3, abs=2e-5)
            assert partner["metrics"][name] == expected, (event["step"], name)
    assert one[1].keys() == other[1].keys()
    for name, tensor in one[1].items():
        torch.testing.assert_close(other[1][name], tensor, atol=2e-4, rtol=0.0)


def make_inputs(results: Path) -> tuple[Path, Path]:
    """Publish the model and the training set; their manifests."""
    model = Job("model", "unsure", {}, results / "models" / "unsure" / "manifest.json")
    save_policy(*_fitted(), model.staging, "float32")
    model.publish()
    problems = Job("dataset", "digits", {}, results / "datasets" / "digits" / "manifest.json")
    rows = [Problem(id=f"p{digit}", problem=f"A{digit}=", answers=[str(digit)]) for digit in range(10)]
    rows.append(Problem(id="long", problem="A1A2A3A4A5=", answers=["1"]))
    write_problems(problems.staging / "problems.jsonl", rows)
    problems.publish()
    return model.out, problems.out


@cache
def _fitted() -> tuple[Any, Any]:
    """The model and its tokenizer, once for all files of tests in a process: half a minute, were each to fit its own."""
    model, tokenizer = scratch_policy(Architecture(**ARCHITECTURE), ALPHABET, seed=0)
    draw, adam = random.Random(0), torch.optim.Adam(model.parameters(), lr=8e-3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for _ in range(600):
        texts = []
        for _ in range(32):
            digit = draw.randrange(10)
            answer = digit if draw.random() < 0.5 else (digit + 1) % 10
            texts.append(f"A{digit}=" + f"{digit}," * draw.randrange(4) + f"\\boxed{{{answer}}}")
        rows = [tokenizer(text)["input_ids"] + [tokenizer.eos_token_id] for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows])
        labels = torch.tensor([[-100] * 3 + row[3:] + [-100] * (width - len(row)) for row in rows])
        model(input_ids=ids, labels=labels).loss.backward()
        adam.step()
        adam.zero_grad()
    torch.set_num_threads(threads)
    return model, tokenizer
