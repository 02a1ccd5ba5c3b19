"""The policy being trained, held by DeepSpeed: it scores responses, takes optimizer updates, saves and resumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from verizero.config.optimizers import Optimizer
from verizero.objective.loss import Objective, loss_sums
from verizero.policy.logprobs import token_logprobs
from verizero.policy.packed_attention import reads_packed
from verizero.policy.packing import Packed, pack
from verizero.training.batches import Pair
from verizero.training.trained_module import MicroBatch, TrainedModule, made_ready
from verizero.training.world import World, deepspeed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
    imitation: float = 0.0
    """What -log p of each token counts besides, over the whole update."""


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
    """The policy as DeepSpeed sees it: its forward pass gives log-probabilities, see `token_logprobs`."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, packed: Packed, temperature: float) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
        """Log-probability and entropy of each response token, in nats."""
        policy: Any = self.policy
        return token_logprobs(policy, packed, temperature)


class Learner:
    """The policy, in one DeepSpeed engine.

    Args:
        model: a causal language model with float32 or bfloat16 weights.
        settings: the run's recipe.
        micro_batch_tokens: that the decoder reads in a micro-batch; changes the order of float additions only.
        offload_optimizer: see `TrainedModule`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        settings: Optimizer,
        world: World,
        micro_batch_tokens: int,
        offload_optimizer: bool = False,
    ) -> None:
        self.settings, self.world, self.temperature = settings, world, settings.rollout.temperature
        scored = ScoredPolicy(made_ready(reads_packed(model), settings, world))
        self.held = TrainedModule(
            scored, settings, settings.learning_rate, world, micro_batch_tokens, "learner", offload_optimizer
        )
        self.module: Any = scored.policy
        self.save, self.load = self.held.save, self.held.load

    def score(self, pairs: Sequence[Pair], model: nn.Module | None = None) -> list[Score]:
        """Log-probability and entropy of each response's tokens under the policy, or another model; without gradient.

        All ranks call this together (with any number of pairs), because ZeRO 3 gathers weights in each forward pass.

        Args:
            pairs: token ids of a prompt and of its response.
        """
        scores: dict[int, Score] = {}
        for numbers in self.held.batches(pairs):
            packed = packed_rows([pairs[number] for number in numbers], self.world.device)
            with torch.no_grad():
                found = token_logprobs(model or self.module, packed, self.temperature)
            lengths = [len(pairs[number][1]) for number in numbers]
            parts = [part.cpu().split(lengths) for part in found] if numbers else []
            scores |= {number: Score(*each) for number, *each in zip(numbers, *parts, strict=True)} if parts else {}
        return [scores[number] for number in range(len(pairs))]

    def update(self, rows: Sequence[TrainRow], objective: Objective, learning_rate: float) -> Update:
        """One optimizer update on this rank's rows; their weights refer to all ranks' rows.

        A loss that is no number reaches no weight; a gradient that is none does, and the caller must not go on from there.
        """
        pairs = [(row.prompt, row.response) for row in rows]
        taken = self.held.update(
            pairs, lambda numbers: self._micro_batch([rows[number] for number in numbers], objective), learning_rate
        )
        return Update(taken.sums[0], taken.grad_norm, learning_rate, *taken.sums[1:], broken=taken.broken)

    def _micro_batch(self, rows: Sequence[TrainRow], objective: Objective) -> MicroBatch:
        """Loss of some rows and what was measured on them, in the order of `Update`."""
        packed = packed_rows([(row.prompt, row.response) for row in rows], self.world.device)
        mask = packed.mask
        found = self.held.forward(packed, self.temperature)
        if not rows:
            return MicroBatch(found[0].sum() * 0.0, [torch.zeros(())] * MEASURED, [])
        logprob, entropy = (tabled(part, mask) for part in found)
        old = placed_if_given([row.old for row in rows], mask)
        sums = loss_sums(
            objective,
            logprob,
            entropy,
            logprob.detach() if old is None else old,
            placed_if_given([row.reference for row in rows], mask),
            placed([row.advantage for row in rows], mask),
            placed([row.weight for row in rows], mask),
            mask,
            placed_if_given([row.sampled for row in rows], mask),
            placed([torch.full((len(row.response),), row.imitation) for row in rows], mask)
            if objective.imitation_coefficient
            else None,
        )
        measured = [
            sums.loss,
            sums.clipped,
            sums.kl_old,
            torch.zeros(()) if sums.kl_reference is None else sums.kl_reference,
            entropy.masked_fill(~mask, 0.0).sum(),
            mask.sum(),
            torch.zeros(()) if sums.correction is None else sums.correction,
        ]
        return MicroBatch(sums.loss, measured, sums.finite.tolist())

    def named_weights(self, aliases: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Every weight by its Hugging Face name, on every rank, in the order of the model.

        Under ZeRO 3 all ranks call this together and read it to the end; a bucket of weights is gathered at a time, and those
        that were given stay as they are.

        Args:
            aliases: give a tied weight under each of its names, one behind the other. vLLM's CPU build keeps an output head of
                its own: without `lm_head.weight` it would stay stale, silently.
        """
        names: dict[nn.Parameter, list[str]] = {}
        for name, parameter in self.module.named_parameters(remove_duplicate=not aliases):
            names.setdefault(parameter, []).append(name)
        whole = self.settings.zero_stage < 3
        for bucket in gathered_together(list(names), SYNC_BYTES):
            with deepspeed.zero.GatheredParameters(bucket, enabled=not whole):
                values = [each.detach() if whole else each.detach().clone() for each in bucket]
            for parameter, value in zip(bucket, values, strict=True):
                yield from ((name, value) for name in names[parameter])


SYNC_BYTES = 512 << 20
"""Weights that are gathered at a time under ZeRO 3, so many bytes at most: enough that waiting for each other is nothing, and
little beside the model."""


def gathered_together(parameters: Sequence[nn.Parameter], most: int) -> Iterator[list[nn.Parameter]]:
    """Neighbours whose whole values take at most so many bytes; one that alone takes more is alone."""
    bucket: list[nn.Parameter] = []
    held = 0
    for parameter in parameters:
        size = getattr(parameter, "ds_numel", parameter.numel()) * parameter.element_size()
        if bucket and held + size > most:
            yield bucket
            bucket, held = [], 0
        bucket.append(parameter)
        held += size
    if bucket:
        yield bucket


FILLER: Pair = ([0], [0])
"""A row with one response token, for a rank that has nothing to do while the others compute."""


def packed_rows(pairs: Sequence[Pair], device: torch.device) -> Packed:
    """Prompts with their responses as the decoder reads them; the filler where there is none."""
    return pack(pairs or [FILLER], device)


def tabled(values: Float[Tensor, " token"], mask: Bool[Tensor, "row token"]) -> Float[Tensor, "row token"]:
    """Per-token values of rows that follow each other as a table, zero behind each row's end."""
    return torch.zeros(mask.shape, dtype=values.dtype, device=mask.device).masked_scatter(mask, values)


def placed(values: Sequence[Float[Tensor, " token"]], mask: Bool[Tensor, "row token"]) -> Float[Tensor, "row token"]:
    """Each row's per-token values as a table, zero behind each row's end; in float32."""
    return tabled(torch.cat(list(values)).float().to(mask.device), mask)


def placed_if_given(
    values: Sequence[Float[Tensor, " token"] | None], mask: Bool[Tensor, "row token"]
) -> Float[Tensor, "row token"] | None:
    """The same as `placed`; None where there are none."""
    given = [value for value in values if value is not None]
    return placed(given, mask) if given else None
