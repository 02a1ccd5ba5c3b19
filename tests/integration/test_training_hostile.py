"""A run in which one completion of twenty tries to stop the grader: the same rewards, and a count."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytestmark = pytest.mark.deepspeed

torch = pytest.importorskip("torch")

from training_inputs import make_inputs, typed_recipe  # noqa: E402

from verizero.policy.load import load_tokenizer  # noqa: E402
from verizero.problems.problem import read_problems  # noqa: E402
from verizero.training import loop  # noqa: E402
from verizero.training.checkpoint import Checkpoints  # noqa: E402
from verizero.training.prompts import readable_prompts  # noqa: E402
from verizero.training.walltime import StopRequest  # noqa: E402

STEPS, SHARE = 20, 0.05
HOSTILE = [
    r"\boxed{9^{9^{9^{9}}}}",
    r"\boxed{10^{10^{10}}!}",
    r"\boxed{" + "1" * 3000 + "}",
    r"\boxed{" + "(" * 500 + "1" + ")" * 500 + "}",
    r"\boxed{" + "1+" * 500 + "1}",
    r"\boxed{\sin(10^{30000})}",
    r"\boxed{" + r"\frac{1}{" * 60 + "2" + "}" * 60 + "}",
]
SLOW = r"\boxed{1\!00000000!}"
"""Past every limit, so that a worker computes it until it is ended."""


class Attack:
    """Stands before an engine and makes wrong completions hostile ones, which earn as little: the policy cannot tell."""

    def __init__(self, engine, tokenizer):
        self.engine, self.tokenizer, self.seen, self.made = engine, tokenizer, 0, 0

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def generate(self, prompts, samples, sampling, seeds):
        groups = self.engine.generate(prompts, samples, sampling, seeds)
        return [
            [self.spoiled(completion, self.tokenizer.decode(prompt)) for completion in group]
            for prompt, group in zip(prompts, groups, strict=True)
        ]

    def spoiled(self, completion, prompt):
        self.seen += 1
        right = completion.text.endswith(rf"\boxed{{{prompt.strip('A=')}}}")
        if right or self.made >= SHARE * self.seen:
            return completion
        self.made += 1
        return replace(completion, text=SLOW if self.made == 3 else HOSTILE[self.made % len(HOSTILE)])


def test_hostile_completions_change_no_reward_and_are_counted(world, tmp_path, monkeypatch):
    model, digits = make_inputs(tmp_path / "results")
    folder, spec = model.parent / "payload", typed_recipe(steps=STEPS, checkpoints=[])
    prompts = readable_prompts(
        read_problems(digits.parent / "payload" / "problems.jsonl"), spec.template, folder, spec.optimizer
    )
    attacks, start = [], loop.engine_of

    def train(name):
        checkpoints = Checkpoints(tmp_path / name, world)
        assert loop.train(spec, folder, prompts, checkpoints, world, StopRequest(), loop.Runtime(threads=1))
        return [json.loads(line)["metrics"] for line in checkpoints.events.read_text().splitlines()]

    honest = train("honest")
    monkeypatch.setattr(
        loop, "engine_of", lambda *given: attacks.append(Attack(start(*given), load_tokenizer(folder))) or attacks[0]
    )
    attacked = train("attacked")
    learned = ("reward_mean", "reward_std", "loss", "grad_norm", "entropy", "length_mean")
    assert [[step[key] for key in learned] for step in attacked] == [[step[key] for key in learned] for step in honest]
    [attack] = attacks
    assert attack.made >= 0.04 * attack.seen
    stopped = {key: sum(step[f"verdict_{key}"] for step in attacked) for key in ("limit", "timeout", "error")}
    assert stopped == {"limit": attack.made - 1, "timeout": 1, "error": 0}
    assert not any(step["verdict_limit"] for step in honest)
