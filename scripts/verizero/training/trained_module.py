"""A module that DeepSpeed trains: it accumulates gradients, takes optimizer updates, saves and resumes.

One code path for CPU (gloo) and GPUs (NCCL), for ZeRO stages 1 to 3. The number of micro-batches of an update is free
(`managed_gradient_accumulation: false`): `backward` only accumulates, `step` is the boundary.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from verizero.config.optimizers import Optimizer
from verizero.training.batches import micro_batches
from verizero.training.world import World, deepspeed

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class MicroBatch:
    """What some rows contribute to an update."""

    loss: Float[Tensor, ""]
    """Carries the gradient."""
    sums: Sequence[Float[Tensor, ""]]
    """What was measured, the loss first; over micro-batches and ranks they add up."""
    finite: Sequence[bool]
    """Whose loss is a number, row by row."""


@dataclass(frozen=True)
class Taken:
    """One optimizer update."""

    sums: list[float]
    """Over all ranks."""
    grad_norm: float
    """Before clipping."""
    broken: tuple[int, ...]
    """Which of this rank's rows have a loss that is no number."""


class TrainedModule:
    """One DeepSpeed engine.

    Args:
        module: its forward pass is what DeepSpeed sees; it has been through `made_ready`.
        settings: the run's recipe.
        learning_rate: the first one; each update names its own.
        micro_batch_tokens: positions of a micro-batch, padding included; changes the order of float additions only.
        tag: a name for its files in a saved state.
    """

    def __init__(
        self,
        module: nn.Module,
        settings: Optimizer,
        learning_rate: float,
        world: World,
        micro_batch_tokens: int,
        tag: str,
    ) -> None:
        logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
        self.settings, self.world, self.micro_batch_tokens, self.tag = settings, world, micro_batch_tokens, tag
        betas = (settings.adam_betas[0], settings.adam_betas[1])
        adam = torch.optim.AdamW(  # fused: a twentieth of the time of the plain one on a CPU
            module.parameters(), lr=learning_rate, betas=betas, weight_decay=settings.weight_decay, fused=True
        )
        config = engine_config(settings, sum(parameter.numel() for parameter in module.parameters()), world)
        self.engine, *_ = deepspeed.initialize(model=module, optimizer=adam, config=config, dist_init_required=False)
        self.engine.module.eval()

    def forward(self, *arguments: Any) -> Any:
        """The module's forward pass, through DeepSpeed.

        A backward pass counts once only if its forward pass went through DeepSpeed's engine, which tidies up there after the
        micro-batch before. With the module called on its own, ZeRO 1 in bfloat16 added earlier micro-batches again and ZeRO 3
        kept only the last (version 0.19.8).
        """
        return self.engine(*arguments)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Cut this rank's rows into micro-batches, as many as the rank with most of them has; the rows by their place.

        Forward and backward passes are collective where ZeRO shards, so a rank with fewer has empty ones at the end.

        Args:
            lengths: of each row, in tokens.
        """
        batches = micro_batches(lengths, self.micro_batch_tokens)
        most = int(self.world.maxima([len(batches)])[0])
        return batches + [[] for _ in range(most - len(batches))]

    def update(
        self, lengths: Sequence[int], micro_batch: Callable[[list[int]], MicroBatch], learning_rate: float
    ) -> Taken:
        """One optimizer update on this rank's rows; all ranks call this together.

        The loss is multiplied by the number of ranks, because DeepSpeed averages gradients over them. One that is no number
        reaches no weight; a gradient that is none does, and the caller must not go on from there.

        Args:
            micro_batch: what the rows at some places contribute; of none, a loss that is zero and reaches every weight.
        """
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate
        if self.settings.gradient_checkpointing:
            self.engine.module.train()
        total, broken = torch.zeros(0, dtype=torch.float64), list[int]()
        for numbers in self.batches(lengths) or [[]]:
            found = micro_batch(numbers)
            broken += [number for number, sound in zip(numbers, found.finite, strict=True) if not sound]
            self.engine.backward(found.loss * self.world.size)
            measured = torch.stack([value.detach().double().cpu() for value in found.sums])
            total = measured if not len(total) else total + measured
        sums, norm = self.world.sums(total.tolist()), math.nan
        if math.isfinite(sums[0]):
            self.engine.step()
            norm = float(self.engine.get_global_grad_norm())
        self.engine.module.eval()
        return Taken(
            sums, norm if norm >= 0 else math.nan, tuple(broken)
        )  # DeepSpeed says -1 of a norm that is no number

    @property
    def updates(self) -> int:
        """How many it has had, since the run began."""
        return int(self.engine.global_steps)

    def save(self, folder: Path) -> None:
        """Write weights and optimizer state of this rank under `folder`; all ranks call it together."""
        self.engine.save_checkpoint(str(folder), tag=self.tag, save_latest=False)

    def load(self, folder: Path, universal: bool = False) -> None:
        """Continue from what `save` wrote; all ranks call it together.

        Args:
            universal: the folder went through `universal_state.rewrite`, because another number of ranks saved it.
        """
        self.engine._config.load_universal_checkpoint = universal  # read at each load; from the file, once for all
        path, _ = self.engine.load_checkpoint(str(folder), tag=self.tag)
        if path is None:
            raise FileNotFoundError(f"{folder}/{self.tag}")


def made_ready(model: Any, settings: Optimizer, world: World) -> Any:
    """A model on its device, in the precision of training, without dropout; the same object.

    Args:
        model: with float32 or bfloat16 weights; DeepSpeed keeps float32 master weights.
    """
    _without_dropout(model)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.to(device=world.device, dtype=DTYPES[settings.train_dtype])


def engine_config(settings: Optimizer, parameters: int, world: World) -> dict[str, Any]:
    """DeepSpeed's configuration.

    Gradients add up in float32 also where the weights are bfloat16 (DeepSpeed's default is the weights' type).
    """
    stage = settings.zero_stage
    zero = {
        "stage": stage,
        "overlap_comm": stage == 2 and world.device.type == "cuda",
        "contiguous_gradients": True,
        "reduce_bucket_size": min(parameters, 500_000_000),
    }
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": settings.max_grad_norm,
        "bf16": {"enabled": settings.train_dtype == "bfloat16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
    }


def _without_dropout(model: nn.Module) -> None:
    """Dropout would make a score depend on a random state, and a resumed run differ."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
