"""A run that stops between the updates of one rollout, again and again, ends bit for bit as one that never stopped."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

torch = pytest.importorskip("torch")

from training_inputs import make_inputs, run_of  # noqa: E402

from verizero.training.world import leave_world, start_world  # noqa: E402

STEPS = 3
CRITIC = {
    "advantage": {"baseline": "critic", "shape": "gae", "gae_lambda": 0.95, "scale": "whiten"},
    "critic": {"learning_rate": 3e-3, "value_clip": 0.2, "target_lambda": 0.95, "updates_per_rollout": 4},
    "kl": {"coefficient": 0.01, "estimator": "k1", "where": "reward"},
}
RICH = {
    "advantage": {"baseline": "greedy", "scale": "whiten", "shape": "returns", "discount": 0.9},
    "kl": {"coefficient": 0.01, "estimator": "k3", "where": "loss"},
    "selection": {"zero_variance": "refilled", "max_rounds": 3, "truncated": "masked"},
    "weight": {"kind": "token", "entropy_quantile": 0.5},
    "correction": {"kind": "masked", "low": 0.5, "high": 5.0},
    "epochs_per_rollout": 2,
    "schedule": "cosine",
    "warmup_steps": 3,
}
"""Everything that a step remembers: rounds, greedy completions, scores of policy and reference, the engine's log-probabilities."""
CASES = {
    **{
        f"ZeRO {stage} {dtype}": ({"zero_stage": stage, "train_dtype": dtype}, [1, 3, 2])
        for stage in (1, 2, 3)
        for dtype in ("float32", "bfloat16")
    },
    "every chance": ({}, [1] * 8),
    "rich": (RICH, [2, 1, 3, 6]),
    "critic": (CRITIC, [1, 2, 1, 1, 8]),
    "critic sharded bfloat16": (CRITIC | {"zero_stage": 3, "train_dtype": "bfloat16"}, [3, 9]),
    "critic alone at first": (CRITIC | {"critic": CRITIC["critic"] | {"pretraining_steps": 2}}, [1, 1, 2, 3, 5]),
}
"""What is changed of the recipe, and after how many chances to save each start of the run stops. A step of the plain recipe has three
chances: two after its updates and one at its end."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs") / "results")


@pytest.fixture(scope="module")
def world():
    world = start_world(threads=1)
    yield world
    leave_world()


@pytest.mark.parametrize(("changes", "chances"), CASES.values(), ids=CASES)
def test_a_run_that_stops_between_updates_ends_bit_for_bit_as_one_that_does_not(
    inputs, world, tmp_path, changes, chances
):
    changes = {"steps": STEPS, "checkpoints": [], "kept_rollouts": [1, 2], **changes}
    events, weights = run_of(inputs, tmp_path / "whole", world, **changes)
    resumed_events, resumed = run_of(inputs, tmp_path / "resumed", world, interrupted=chances, **changes)
    assert [event["metrics"] for event in resumed_events] == [event["metrics"] for event in events]
    assert all(torch.equal(resumed[name], tensor) for name, tensor in weights.items())
    for step in (1, 2):
        first, second = (
            tmp_path / name / "kept" / "rollouts" / f"step-{step}.parquet" for name in ("whole", "resumed")
        )
        assert first.read_bytes() == second.read_bytes()


def test_a_rollout_is_not_sampled_again(inputs, world, tmp_path, monkeypatch):
    """The state holds what was sampled: a start that goes on between two updates asks the engine for nothing until its next step."""
    from verizero.rollout.transformers_engine import TransformersEngine

    asked, generate = [], TransformersEngine.generate

    def counted(self, prompts, *arguments):
        asked.append(len(prompts))
        return generate(self, prompts, *arguments)

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    run_of(inputs, tmp_path, world, interrupted=[1, 1, 1, 1, 1], steps=2, checkpoints=[])
    assert asked == [5, 5]
