"""A model, a training set and a recipe so small that a training run takes a second, and still real.

The model has learned to answer `A7=` with some repetitions of `7,` and then `\\boxed{7}` or, as often, `\\boxed{8}`: some
answers of a group are right and some are wrong, and lengths differ.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import torch

from verizero.artifacts.job import Job
from verizero.config.sources import Architecture
from verizero.config.spec import TrainSpec, read_spec
from verizero.policy.save import save_policy
from verizero.policy.scratch import scratch_policy
from verizero.problems.problem import Problem, write_problems

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


def make_inputs(results: Path) -> tuple[Path, Path]:
    """Publish the model and the training set; their manifests."""
    model = Job("model", "unsure", {}, results / "models" / "unsure" / "manifest.json")
    _fit(model.staging)
    model.publish()
    problems = Job("dataset", "digits", {}, results / "datasets" / "digits" / "manifest.json")
    rows = [Problem(id=f"p{digit}", problem=f"A{digit}=", answers=[str(digit)]) for digit in range(10)]
    rows.append(Problem(id="long", problem="A1A2A3A4A5=", answers=["1"]))
    write_problems(problems.staging / "problems.jsonl", rows)
    problems.publish()
    return model.out, problems.out


def _fit(folder: Path) -> None:
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
    save_policy(model, tokenizer, folder, "float32")
