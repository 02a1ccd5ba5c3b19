"""With the optimizer in the CPU's memory an update is the same, at each ZeRO stage and precision."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

pytestmark = [pytest.mark.deepspeed]

torch = pytest.importorskip("torch")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from policy_small import small_policy  # noqa: E402

from verizero.config.optimizers import Advantage, Optimizer, Rollout, Weight  # noqa: E402
from verizero.objective.loss import Objective  # noqa: E402
from verizero.training.learner import Learner, TrainRow  # noqa: E402
from verizero.training.trained_module import engine_config  # noqa: E402

OBJECTIVE = Objective(surrogate="clip", clip_low=0.2, clip_high=0.2)
ROWS = 16


def rows() -> list[TrainRow]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 20, (ROWS, 2, 8), generator=generator).tolist()
    weight = torch.full((8,), 1 / (8 * ROWS))
    return [
        TrainRow(prompt, response, None, None, torch.full((8,), 1.0 if number % 2 else -0.5), weight)
        for number, (prompt, response) in enumerate(ids)
    ]


def settings(zero_stage: int, train_dtype: str) -> Optimizer:
    return Optimizer(
        advantage=Advantage(baseline="group-mean"),
        weight=Weight(kind="sequence"),
        learning_rate=1e-2,
        rollout=Rollout(prompts=8, samples=2, max_tokens=8),
        steps=1,
        train_dtype=train_dtype,
        zero_stage=zero_stage,
    )


def policy():
    torch.manual_seed(0)
    return small_policy()[0]


def after_updates(world, zero_stage: int, train_dtype: str, offloads: list[bool], folder):
    """Norms of the gradients, over several micro-batches, and the weights; saved after each update, and loaded anew."""
    norms = []
    for place, offload in enumerate(offloads):
        learner = Learner(policy(), settings(zero_stage, train_dtype), world, 64, offload_optimizer=offload)
        if place:
            learner.load(folder)
        norms.append(learner.update(rows(), OBJECTIVE, 1e-2).grad_norm)
        learner.save(folder)
    return norms, {name: tensor.detach().float().clone() for name, tensor in learner.named_weights()}


@pytest.mark.parametrize("train_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_a_run_is_the_same_when_offload_is_switched_on_and_off(world, zero_stage, train_dtype, tmp_path):
    norms, weights = after_updates(world, zero_stage, train_dtype, [False] * 4, tmp_path / "plain")
    switched = after_updates(world, zero_stage, train_dtype, [False, True, True, False], tmp_path / "switched")
    tolerance = 1e-5 if train_dtype == "float32" else 1e-2
    assert switched[0] == pytest.approx(norms, rel=tolerance)
    dtype = getattr(torch, train_dtype)
    began = {name: tensor.detach().to(dtype).float() for name, tensor in policy().named_parameters()}
    assert distance(weights, switched[1]) < tolerance * distance(weights, began)


def distance(one, other) -> float:
    return sum(float((one[name] - tensor).square().sum()) for name, tensor in other.items()) ** 0.5


def test_a_gpu_gets_pinned_memory(world):
    on_gpu = replace(world, device=torch.device("cuda", 0))
    zero = engine_config(settings(2, "bfloat16"), 100, on_gpu, offload_optimizer=True)["zero_optimization"]
    assert zero["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert "offload_optimizer" not in engine_config(settings(2, "bfloat16"), 100, on_gpu)["zero_optimization"]
