"""The learner against plain autograd, on this device, at each ZeRO stage and precision, with the optimizer here and offloaded."""

from __future__ import annotations

import gc
from typing import Any

import torch
from lines import Lines
from models import RECIPE, Sizes, policy, rows_of

from verizero.config.optimizers import Optimizer
from verizero.objective.loss import Objective
from verizero.training.learner import Learner, TrainRow
from verizero.training.world import World

OBJECTIVE = Objective(surrogate="clip", clip_low=0.2, clip_high=0.2)
RATE = 1e-3
LIMITS = {"float32": (1e-4, 2e-2), "bfloat16": (2e-2, 0.5)}
"""Of the gradient's norm, and of the distance between the weights in shares of the way that they went. Adam's first step has the same size
where the gradient is all rounding, so in bfloat16 the second is a coarse one."""


def check(lines: Lines, world: World, sizes: Sizes) -> None:
    """Say how far each learner is from plain autograd."""
    rows = rows_of(sizes, count=24, prompt=16, response=48)
    cases = [(dtype, stage, False) for dtype in LIMITS for stage in (1, 2, 3)]
    cases += [("bfloat16", stage, True) for stage in (1, 2, 3)]
    expected = {dtype: _plain(world, sizes, rows, dtype) for dtype in LIMITS}
    for dtype, stage, offload in cases:
        began, norm, after = expected[dtype]
        how = Optimizer(**RECIPE | {"zero_stage": stage, "train_dtype": dtype, "max_grad_norm": 1e9})
        learner = Learner(policy(sizes), how, world, 256, offload_optimizer=offload)
        found = learner.update(rows, OBJECTIVE, RATE).grad_norm
        weights = {name: tensor.float().cpu() for name, tensor in learner.named_weights(aliases=False)}
        norm_error = abs(found - norm) / norm
        apart = _distance(weights, after) / _distance(began, after)
        passed = norm_error < LIMITS[dtype][0] and apart < LIMITS[dtype][1]
        lines.say(
            "gradient",
            passed,
            dtype=dtype,
            zero_stage=stage,
            offload=offload,
            norm_error=norm_error,
            weights_apart=apart,
        )
        del learner
        gc.collect()


def _plain(world: World, sizes: Sizes, rows: list[TrainRow], dtype: str) -> tuple[Any, float, Any]:
    """Weights before and after one AdamW update by torch alone, and the gradient's norm; row by row, without padding.

    In bfloat16 the model is the rounded one, computed in float32, so that what is compared is the learner's arithmetic.
    """
    model = policy(sizes).to(getattr(torch, dtype)).float().to(world.device).eval()
    began = {name: tensor.detach().float().cpu().clone() for name, tensor in model.named_parameters()}
    for row in rows:
        ids = torch.tensor([row.prompt + row.response], device=world.device)
        logits = model(input_ids=ids).logits[0, len(row.prompt) - 1 : -1].float()
        chosen = torch.log_softmax(logits, -1).gather(-1, ids[0, len(row.prompt) :, None]).squeeze(-1)
        ratio = (chosen - chosen.detach()).exp()
        (-(row.weight.to(world.device) * row.advantage.to(world.device) * ratio)).sum().backward()
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    norm = float(torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters]))
    torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0).step()
    rounded = getattr(torch, dtype)
    after = {name: tensor.detach().to(rounded).float().cpu() for name, tensor in model.named_parameters()}
    return began, norm, after


def _distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return sum(float((one[name] - tensor).square().sum()) for name, tensor in other.items()) ** 0.5
