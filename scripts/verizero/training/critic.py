"""The critic: a second model, held by DeepSpeed like the policy, that learns what is still to be earned before each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verizero.config.axes import Critic as CriticSettings
from verizero.config.optimizers import Optimizer
from verizero.objective.value_loss import value_loss
from verizero.policy.load import load_policy
from verizero.policy.packed_attention import reads_packed
from verizero.policy.value_model import ValueModel
from verizero.training.batches import updates_of_step
from verizero.training.learner import packed_rows, placed, tabled
from verizero.training.rollouts import Outcomes, Response
from verizero.training.schedule import critic_learning_rate_at
from verizero.training.trained_module import MicroBatch, TrainedModule, made_ready
from verizero.training.weights import weights_of
from verizero.training.world import World

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MEASURED = 4
"""Sums of a micro-batch, in the order of `ValueUpdate`."""


@dataclass(frozen=True)
class ValueRow:
    """A response as an update of the critic sees it; per token, in units of the reward."""

    prompt: list[int]
    response: list[int]
    before: Float[Tensor, " token"]
    """The values before the step's updates."""
    target: Float[Tensor, " token"]
    weight: float
    """Of each token, over the whole update."""


@dataclass(frozen=True)
class ValueUpdate:
    """What one update of the critic measured, over all ranks."""

    loss: float
    grad_norm: float
    """Before clipping."""
    learning_rate: float
    clipped: float
    """Tokens whose gradient the value clip took away."""
    value: float
    """Sum over `tokens`, in units of the reward."""
    tokens: float
    broken: tuple[int, ...] = field(default=(), kw_only=True)
    """Which of this rank's rows have a loss that is no number."""


class Critic:
    """The critic, in a DeepSpeed engine of its own.

    Args:
        policy: the model that it begins as; it is taken over.
        settings: the run's recipe, whose optimizer, precision and ZeRO stage hold for the critic too.
        how: its own part of the recipe.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        settings: Optimizer,
        how: CriticSettings,
        world: World,
        micro_batch_tokens: int,
        offload_optimizer: bool = False,
    ) -> None:
        self.how, self.world = how, world
        model = made_ready(ValueModel(reads_packed(policy)), settings, world)
        self.held = TrainedModule(
            model, settings, how.learning_rate, world, micro_batch_tokens, "critic", offload_optimizer
        )
        self.save, self.load = self.held.save, self.held.load

    def values(self, responses: Sequence[Response]) -> dict[int, Float[Tensor, " token"]]:
        """The value before each token of each response, by its number; without gradient. All ranks call it together."""
        found: dict[int, Float[Tensor, " token"]] = {}
        pairs = [(one.prompt, one.tokens) for one in responses]
        for numbers in self.held.batches(pairs):
            packed = packed_rows([pairs[number] for number in numbers], self.world.device)
            with torch.no_grad():
                values = self.held.engine.module(packed).cpu()
            parts = values.split([len(pairs[number][1]) for number in numbers]) if numbers else ()
            found |= {responses[number].number: part for number, part in zip(numbers, parts, strict=True)}
        return {one.number: found[one.number] for one in responses}

    def update(self, rows: Sequence[ValueRow], learning_rate: float) -> ValueUpdate:
        """One optimizer update on this rank's rows; their weights refer to all ranks' rows."""
        pairs = [(row.prompt, row.response) for row in rows]
        taken = self.held.update(
            pairs, lambda numbers: self._micro_batch([rows[number] for number in numbers]), learning_rate
        )
        return ValueUpdate(taken.sums[0], taken.grad_norm, learning_rate, *taken.sums[1:], broken=taken.broken)

    def _micro_batch(self, rows: Sequence[ValueRow]) -> MicroBatch:
        """Loss of some rows and what was measured on them, in the order of `ValueUpdate`."""
        packed = packed_rows([(row.prompt, row.response) for row in rows], self.world.device)
        mask, values = packed.mask, self.held.forward(packed)
        if not rows:
            return MicroBatch(values.sum() * 0.0, [torch.zeros(())] * MEASURED, [])
        value = tabled(values, mask)
        before, target = placed([row.before for row in rows], mask), placed([row.target for row in rows], mask)
        weight = placed([torch.full((len(row.response),), row.weight) for row in rows], mask)
        each, clipped = value_loss(value, before, target, self.how.value_clip)
        weighted = (weight * each).masked_fill(~mask, 0.0)
        measured = [weighted.sum(), (clipped & mask).sum(), value.sum(), mask.sum()]
        return MicroBatch(weighted.sum(), measured, weighted.detach().isfinite().all(-1).tolist())


def critic_of(
    folder: Path, settings: Optimizer, world: World, micro_batch_tokens: int, offload_optimizer: bool = False
) -> Critic | None:
    """The critic of a run that has one, as the model in a folder."""
    if settings.critic is None:
        return None
    policy, _ = load_policy(folder, settings.train_dtype)
    return Critic(policy, settings, settings.critic, world, micro_batch_tokens, offload_optimizer)


def critic_updates(
    critic: Critic,
    responses: Sequence[Response],
    known: Outcomes,
    entering: Bool[Tensor, " response"],
    before: Mapping[int, Float[Tensor, " token"]],
    targets: Mapping[int, Float[Tensor, " token"]],
    settings: Optimizer,
    seed: int,
    step: int,
) -> list[tuple[list[ValueRow], float]]:
    """The rows of this rank and the learning rate of each of the critic's updates in a step.

    Where the critic takes as many updates as the policy, their parts are the same.

    Args:
        entering: only these responses have a part in the loss, as for the policy.
        before, targets: of this rank's responses, by their number.
    """
    updates = critic.how.updates_per_rollout or settings.updates_per_rollout
    parts = updates_of_step(len(known.rows), updates, seed, step, settings.epochs_per_rollout)
    mine = {one.number: one for one in responses if entering[one.number]}
    found = []
    for place, part in enumerate(parts):
        weights = weights_of(part, known, known.rewards, entering, settings.weight, settings.rollout.max_tokens)
        rows = [ValueRow(mine[n].prompt, mine[n].tokens, before[n], targets[n], weights[n]) for n in part if n in mine]
        found.append((rows, critic_learning_rate_at((step - 1) * len(parts) + place, settings, critic.how)))
    return found
