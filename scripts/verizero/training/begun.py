"""A step that has begun: what the rest of it needs and cannot compute again once the weights have changed.

What was sampled, earned and scored, and what the updates so far have measured. Everything else of a step (which responses enter,
advantages, weights, the parts of the updates) is a function of these, so a run that goes on between two updates computes it anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from verizero.rollout.engine import Completion
from verizero.training.critic import ValueUpdate
from verizero.training.learner import Score, Update
from verizero.training.logprob_check import LogprobGap
from verizero.training.refill import Round
from verizero.training.rollouts import Outcome, Outcomes, Response
from verizero.training.saved_state import Saved
from verizero.training.world import World


@dataclass
class Begun:
    """What of a step is done, as this rank knows it."""

    step: int
    rounds: list[Round] = field(default_factory=list)
    gap: LogprobGap = field(default_factory=lambda: LogprobGap(math.nan, math.nan, math.nan))
    """Of the last round."""
    policy: dict[int, Score] = field(default_factory=dict)
    """The learner's scores before the step's updates, by a response's number, as far as they were asked for."""
    reference: dict[int, Score] = field(default_factory=dict)
    values: Mapping[int, Float[Tensor, " token"]] | None = None
    """The critic's before the step's updates; None until they were asked for."""
    updates: list[Update] = field(default_factory=list)
    fits: list[ValueUpdate] = field(default_factory=list)
    """The critic's updates."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each phase so far."""

    @property
    def taken(self) -> int:
        """Updates, of the policy and of the critic."""
        return len(self.updates) + len(self.fits)

    def save(self, folder: Path, world: World) -> None:
        """Write this rank's part into a state's folder."""
        torch.save(self, folder / part_of(world.rank))


READ = [Begun, Round, Response, Completion, Outcome, Outcomes, LogprobGap, Score, Update, ValueUpdate]
"""What a file may hold beside tensors and plain values; torch refuses anything else."""


def part_of(rank: int) -> str:
    """The name of a rank's file."""
    return f"begun-{rank}.pt"


def load_begun(saved: Saved, states: Path, world: World) -> Begun | None:
    """What this rank knew of a step that had begun when a state was saved; None where none had.

    Where another number of processes saved it, each rank takes the groups that it would have sampled, and the scores of all.

    Args:
        states: the folder of all states.
    """
    if not saved.updates:
        return None
    folder, processes = states / saved.name, saved.processes
    with torch.serialization.safe_globals(READ):
        if processes == world.size:
            return torch.load(folder / part_of(world.rank), weights_only=True)
        parts: list[Begun] = [torch.load(folder / part_of(rank), weights_only=True) for rank in range(processes)]
    whole = parts[0]
    for part in parts[1:]:
        whole.policy |= part.policy
        whole.reference |= part.reference
        whole.values = None if whole.values is None else {**whole.values, **(part.values or {})}
    whole.updates = [replace(update, broken=()) for update in whole.updates]
    whole.fits = [replace(fit, broken=()) for fit in whole.fits]
    whole.rounds = [_share([part.rounds[at] for part in parts], world) for at in range(len(whole.rounds))]
    return whole


def _share(parts: list[Round], world: World) -> Round:
    """The share of this rank of a round whose responses other ranks had sampled."""
    known = parts[0].known
    places = world.share(len(known.rows) // known.samples)
    everyone = sorted((one for part in parts for one in part.responses), key=lambda one: one.number)
    return Round([one for one in everyone if one.number // known.samples in places], known)
