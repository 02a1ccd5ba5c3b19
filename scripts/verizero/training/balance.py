"""Who trains on which responses: each rank gets about as many sampled tokens, wherever they were sampled."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Bool, Int
from torch import Tensor

from verizero.training.refill import Round
from verizero.training.world import World


def owners(lengths: Int[Tensor, " response"], ranks: int) -> list[int]:
    """The rank of each response: parts that follow each other, of about equally many tokens.

    A group is cut between two ranks at most, so that its prompt is read twice at most. No part is more than half of a response
    away from its share at either end.
    """
    ends = lengths.double().cumsum(0)
    middles = ends - lengths.double() / 2
    return (middles * ranks / ends[-1]).long().clamp(max=ranks - 1).tolist()


def balanced(kept: Round, read: Bool[Tensor, " response"], world: World) -> Round:
    """The same step, its responses with the ranks that train on them; all ranks call this together.

    In each update the ranks wait for the one that has most to read.

    Args:
        read: whether an update reads each response; where none does, all count.
    """
    if world.size == 1:
        return kept
    lengths = kept.known.lengths * read
    owner = owners(lengths if bool(lengths.any()) else kept.known.lengths, world.size)
    given_away = world.gather([one for one in kept.responses if owner[one.number] != world.rank])
    mine = [one for one in (*kept.responses, *given_away) if owner[one.number] == world.rank]
    return replace(kept, responses=sorted(mine, key=lambda one: one.number))
