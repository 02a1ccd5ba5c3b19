"""The policy being trained, held by DeepSpeed: it scores responses, takes optimizer updates, saves and resumes.

One code path for CPU (gloo) and GPUs (NCCL), for ZeRO stages 1 to 3. The number of micro-batches of an update is free
(`managed_gradient_accumulation: false`): `backward` only accumulates, `step` is the boundary.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from verizero.config.optimizers import Optimizer
from verizero.objective.loss import Objective, loss_sums
from verizero.policy.logprobs import token_logprobs
from verizero.training.batches import PaddedRows, micro_batches, padded
from verizero.training.world import World, deepspeed

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
MEASURED = 7
"""Sums of a micro-batch, in the order of `Update`."""


@dataclass(frozen=True)
class TrainRow:
    """A response as an update sees it: token ids, log-probabilities in nats, and what it counts."""

    prompt: list[int]
    response: list[int]
    old: Float[Tensor, " token"] | None
    """Under the policy that sampled it; None where that is the policy of this very update. All rows of an update alike."""
    reference: Float[Tensor, " token"] | None
    advantage: Float[Tensor, " token"]
    weight: Float[Tensor, " token"]
    """Over the whole update."""
    sampled: Float[Tensor, " token"] | None = None
    """What the engine said of its tokens; None where no correction reads it. All rows alike."""


@dataclass(frozen=True)
class Score:
    """A policy's view of a response, token by token, in nats; on the CPU, in float32."""

    logprobs: Float[Tensor, " token"]
    entropies: Float[Tensor, " token"]


@dataclass(frozen=True)
class Update:
    """What one optimizer update measured, over all ranks."""

    loss: float
    grad_norm: float
    """Before clipping."""
    learning_rate: float
    clipped: float
    """Tokens that the clip changed."""
    kl_old: float
    """Sum over `tokens` of k3 between the sampling policy and the one being trained, in nats."""
    kl_reference: float
    entropy: float
    """Sum over `tokens`, in nats."""
    tokens: float
    """Response tokens in the forward pass."""
    correction: float = 0.0
    """Sum over `tokens` of the factor for the mismatch between engine and learner."""
    broken: tuple[int, ...] = field(default=(), kw_only=True)
    """Which of this rank's rows have a loss that is no number."""


class ScoredPolicy(nn.Module):
    """The policy as DeepSpeed sees it: its forward pass gives log-probabilities, see `token_logprobs`.

    A backward pass counts once only if its forward pass went through DeepSpeed's engine, which tidies up there after the
    micro-batch before. With the policy called on its own, ZeRO 1 in bfloat16 added earlier micro-batches again and ZeRO 3
    kept only the last (version 0.19.8).
    """

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(
        self, batch: PaddedRows, temperature: float
    ) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
        """Log-probability and entropy of each response token, in nats."""
        policy: Any = self.policy
        return token_logprobs(policy, batch.input_ids, batch.attention_mask, batch.response_mask, temperature)


class Learner:
    """One DeepSpeed engine.

    Args:
        model: a causal language model with float32 or bfloat16 weights; DeepSpeed keeps float32 master weights.
        settings: the run's recipe.
        micro_batch_tokens: positions of a micro-batch, padding included; changes the order of float additions only.
    """

    def __init__(self, model: nn.Module, settings: Optimizer, world: World, micro_batch_tokens: int) -> None:
        logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
        self.settings, self.world, self.micro_batch_tokens = settings, world, micro_batch_tokens
        self.temperature = settings.rollout.temperature
        _without_dropout(model)
        if settings.gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.to(device=world.device, dtype=DTYPES[settings.train_dtype])
        betas = (settings.adam_betas[0], settings.adam_betas[1])
        adam = torch.optim.AdamW(  # fused: a twentieth of the time of the plain one on a CPU
            model.parameters(), lr=settings.learning_rate, betas=betas, weight_decay=settings.weight_decay, fused=True
        )
        config = engine_config(settings, sum(parameter.numel() for parameter in model.parameters()), world)
        self.engine, *_ = deepspeed.initialize(
            model=ScoredPolicy(model), optimizer=adam, config=config, dist_init_required=False
        )
        self.module: Any = self.engine.module.policy
        self.module.eval()

    def score(self, pairs: Sequence[tuple[list[int], list[int]]], model: nn.Module | None = None) -> list[Score]:
        """Log-probability and entropy of each response's tokens under the policy, or another model; without gradient.

        All ranks call this together (with any number of pairs), because ZeRO 3 gathers weights in each forward pass.

        Args:
            pairs: token ids of a prompt and of its response.
        """
        scores: list[Score | None] = [None] * len(pairs)
        for rows in self._equal_count(micro_batches([len(p) + len(r) for p, r in pairs], self.micro_batch_tokens)):
            chosen = [pairs[row] for row in rows] or [_FILLER]
            batch = padded([pair[0] for pair in chosen], [pair[1] for pair in chosen], device=self.world.device)
            with torch.no_grad():
                logprobs, entropies = token_logprobs(
                    model or self.module, batch.input_ids, batch.attention_mask, batch.response_mask, self.temperature
                )
            for place, row in enumerate(rows):
                begin = len(pairs[row][0])
                span = slice(begin, begin + len(pairs[row][1]))
                scores[row] = Score(logprobs[place, span].float().cpu(), entropies[place, span].float().cpu())
        return [score for score in scores if score is not None]

    def update(self, rows: Sequence[TrainRow], objective: Objective, learning_rate: float) -> Update:
        """One optimizer update on this rank's rows; their weights refer to all ranks' rows.

        The loss is multiplied by the number of ranks, because DeepSpeed averages gradients over them. One that is no number
        reaches no weight; a gradient that is none does, and the caller must not go on from there.
        """
        for group in self.engine.optimizer.param_groups:
            group["lr"] = learning_rate
        if self.settings.gradient_checkpointing:
            self.module.train()
        sums = torch.zeros(MEASURED, dtype=torch.float64)
        broken: list[int] = []
        lengths = [len(row.prompt) + len(row.response) for row in rows]
        for numbers in self._equal_count(micro_batches(lengths, self.micro_batch_tokens)) or [[]]:
            loss, measured, finite = self._micro_batch([rows[number] for number in numbers], objective)
            broken += [number for number, sound in zip(numbers, finite, strict=True) if not sound]
            self.engine.backward(loss * self.world.size)
            sums += measured
        total = self.world.sums(sums.tolist())
        norm = math.nan
        if math.isfinite(total[0]):
            self.engine.step()
            norm = float(self.engine.get_global_grad_norm())
        self.module.eval()
        norm = norm if norm >= 0 else math.nan  # DeepSpeed says -1 of a norm that is no number
        return Update(total[0], norm, learning_rate, *total[1:], broken=tuple(broken))

    def _micro_batch(
        self, rows: Sequence[TrainRow], objective: Objective
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " sums"], list[bool]]:
        """Loss of some rows, what was measured on them, and whose loss is a number.

        Without rows, a loss that is zero and reaches every weight.
        """
        if not rows:
            batch = padded([_FILLER[0]], [_FILLER[1]], device=self.world.device)
            logprob, _ = self.engine(batch, self.temperature)
            nothing = logprob.masked_fill(~batch.response_mask, 0.0).sum() * 0.0
            return nothing, torch.zeros(MEASURED, dtype=torch.float64), []
        batch = padded([row.prompt for row in rows], [row.response for row in rows], device=self.world.device)
        mask = batch.response_mask
        logprob, entropy = self.engine(batch, self.temperature)
        old = _placed_if_given([row.old for row in rows], mask)
        reference = _placed_if_given([row.reference for row in rows], mask)
        sampled = _placed_if_given([row.sampled for row in rows], mask)
        advantage = placed([row.advantage for row in rows], mask)
        weight = placed([row.weight for row in rows], mask)
        sums = loss_sums(
            objective,
            logprob,
            entropy,
            logprob.detach() if old is None else old,
            reference,
            advantage,
            weight,
            mask,
            sampled,
        )
        measured = [
            sums.loss.detach(),
            sums.clipped,
            sums.kl_old,
            torch.zeros(()) if sums.kl_reference is None else sums.kl_reference,
            entropy.detach().masked_fill(~mask, 0.0).sum(),
            mask.sum(),
            torch.zeros(()) if sums.correction is None else sums.correction,
        ]
        return sums.loss, torch.stack([value.double().cpu() for value in measured]), sums.finite.tolist()

    def _equal_count(self, batches: list[list[int]]) -> list[list[int]]:
        """As many micro-batches as the rank with most of them has: backward passes are collective where ZeRO shards."""
        most = int(self.world.maxima([len(batches)])[0])
        return batches + [[] for _ in range(most - len(batches))]

    def named_weights(self, aliases: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Every weight by its Hugging Face name, on every rank.

        Args:
            aliases: give a tied weight under each of its names. vLLM's CPU build keeps an output head of its own:
                without `lm_head.weight` it would stay stale, silently.
        """
        for name, parameter in self.module.named_parameters(remove_duplicate=not aliases):
            if self.settings.zero_stage == 3:
                with deepspeed.zero.GatheredParameters([parameter]):
                    whole = parameter.detach().clone()
                yield name, whole
            else:
                yield name, parameter.detach()

    def save(self, folder: Path) -> None:
        """Write weights and optimizer state of this rank under `folder`; all ranks call it together."""
        self.engine.save_checkpoint(str(folder), tag="learner", save_latest=False)

    def load(self, folder: Path) -> None:
        """Continue from what `save` wrote with the same number of ranks."""
        path, _ = self.engine.load_checkpoint(str(folder), tag="learner")
        if path is None:
            raise FileNotFoundError(f"{folder}/learner")


# A row with one response token, for a rank that has nothing to do while the others compute.
_FILLER: tuple[list[int], list[int]] = ([0], [0])


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


def placed(values: Sequence[Float[Tensor, " token"]], mask: Tensor) -> Float[Tensor, "row position"]:
    """Per-token values at the positions of their responses, zero elsewhere; in float32."""
    return torch.zeros(mask.shape, device=mask.device).masked_scatter(
        mask, torch.cat(list(values)).float().to(mask.device)
    )


def _placed_if_given(
    values: Sequence[Float[Tensor, " token"] | None], mask: Tensor
) -> Float[Tensor, "row position"] | None:
    """The same; None where there are none."""
    given = [value for value in values if value is not None]
    return placed(given, mask) if given else None


def _without_dropout(model: nn.Module) -> None:
    """Dropout would make a score depend on a random state, and a resumed run differ."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
