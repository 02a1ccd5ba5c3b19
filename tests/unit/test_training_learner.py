"""An update's gradient is that of plain autograd over all its rows, at each ZeRO stage, precision and micro-batch."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

torch = pytest.importorskip("torch")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from policy_small import small_policy  # noqa: E402

from verizero.config.optimizers import Advantage, Optimizer, Rollout, Weight  # noqa: E402
from verizero.objective.loss import Objective, loss_sums  # noqa: E402
from verizero.training import learner as learner_file  # noqa: E402
from verizero.training.learner import Learner, TrainRow, gathered_together, placed  # noqa: E402

OBJECTIVE = Objective(surrogate="clip", clip_low=0.2, clip_high=0.2)
ROWS = 16


def rows():
    """Responses of one length, so that a micro-batch of 64 positions holds four of the sixteen."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 20, (ROWS, 2, 8), generator=generator).tolist()
    return [
        TrainRow(
            prompt,
            response,
            None,
            None,
            torch.full((8,), 1.0 if number % 2 else -0.5),
            torch.full((8,), 1 / (8 * ROWS)),
        )
        for number, (prompt, response) in enumerate(ids)
    ]


def policy():
    torch.manual_seed(0)
    return small_policy()[0]


def plain_gradient_norm():
    """Of whole rows side by side, through all logits."""
    model, some = policy().float().eval(), rows()
    ids = torch.tensor([row.prompt + row.response for row in some])
    everything = model(input_ids=ids).logits[:, 7:-1].log_softmax(-1)
    logprob = everything.gather(-1, ids[:, 8:, None]).squeeze(-1)
    entropy, mask = torch.zeros_like(logprob), torch.ones_like(logprob, dtype=torch.bool)
    advantage, weight = (placed([getattr(row, name) for row in some], mask) for name in ("advantage", "weight"))
    loss_sums(OBJECTIVE, logprob, entropy, logprob.detach(), None, advantage, weight, mask).loss.backward()
    return float(torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]))


@pytest.mark.parametrize("micro_batch_tokens", [4096, 64, 1])
@pytest.mark.parametrize("train_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_the_gradient_is_that_of_plain_autograd(world, zero_stage, train_dtype, micro_batch_tokens):
    settings = Optimizer(
        advantage=Advantage(baseline="group-mean"),
        weight=Weight(kind="sequence"),
        learning_rate=1e-3,
        rollout=Rollout(prompts=8, samples=2, max_tokens=8),
        steps=1,
        train_dtype=train_dtype,
        zero_stage=zero_stage,
        max_grad_norm=1e9,
    )
    learner = Learner(policy(), settings, world, micro_batch_tokens)
    tolerance = 1e-5 if train_dtype == "float32" else 1e-2
    assert learner.update(rows(), OBJECTIVE, 0.0).grad_norm == pytest.approx(plain_gradient_norm(), rel=tolerance)
    # and again: nothing of the first update is left in the second
    assert learner.update(rows(), OBJECTIVE, 0.0).grad_norm == pytest.approx(plain_gradient_norm(), rel=tolerance)


def test_weights_are_gathered_by_their_whole_size():
    sizes = (10, 20, 5, 100, 1, 1)
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in sizes]
    for parameter, size in zip(parameters, sizes, strict=True):
        parameter.ds_numel = size  # what ZeRO 3 leaves of a weight on a rank says nothing of it
    found = [[each.ds_numel for each in bucket] for bucket in gathered_together(parameters, most=4 * 32)]
    assert found == [[10, 20], [5], [100], [1, 1]]


@pytest.mark.parametrize("most", [1, 3000, 1 << 30])
def test_every_weight_comes_whole_under_each_of_its_names(world, monkeypatch, most):
    monkeypatch.setattr(learner_file, "SYNC_BYTES", most)
    settings = Optimizer(
        advantage=Advantage(baseline="group-mean"),
        weight=Weight(kind="sequence"),
        learning_rate=1e-3,
        rollout=Rollout(prompts=8, samples=2, max_tokens=8),
        steps=1,
        zero_stage=3,
    )
    expected = dict(policy().named_parameters(remove_duplicate=False))
    learner = Learner(policy(), settings, world, 4096)
    found = dict(learner.named_weights())
    assert found.keys() == expected.keys() and "lm_head.weight" in found
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert "lm_head.weight" not in dict(learner.named_weights(aliases=False))
