"""The weights of an update's tokens, from all its responses on all ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from verizero.config.axes import Weight
from verizero.objective.entropy_filter import entropy_threshold
from verizero.objective.weight import token_weights
from verizero.training.rollouts import Outcomes, Response
from verizero.training.scores import Scores
from verizero.training.world import World


def weights_of(
    part: Sequence[int],
    known: Outcomes,
    advantage: Float[Tensor, " response"],
    entering: Bool[Tensor, " response"],
    how: Weight,
    max_tokens: int,
) -> dict[int, float]:
    """The weight of each token of the responses of an update, by the response's number; it knows only its own part.

    Where no response of the part enters, all weights are 0.
    """
    rows = torch.tensor(part)
    lengths = known.lengths[rows] * entering[rows]
    if not bool(lengths.any()):
        return dict.fromkeys(part, 0.0)
    found = token_weights(lengths, how.kind, how.length or max_tokens, known.groups[rows], advantage[rows])
    return dict(zip(part, found.tolist(), strict=True))


def imitation_of(
    part: Sequence[int],
    known: Outcomes,
    entering: Bool[Tensor, " response"],
    coefficient: float,
    truncated: bool = True,
) -> dict[int, float]:
    """What -log p of each token of an update's responses counts besides: the coefficient over the tokens of all right ones.

    It is 0 for wrong responses, and for all where none is right. The mean over the right responses' tokens is VAPO's
    positive-example loss (arXiv 2504.05118).

    Args:
        truncated: a right response that met the token limit counts as right.
    """
    rows = {number: known.rows[number] for number in part if coefficient and bool(entering[number])}
    right = {number for number, row in rows.items() if row.correct and (truncated or not row.truncated)}
    tokens = sum(known.rows[number].length for number in right)
    return {number: coefficient / tokens if number in right else 0.0 for number in part}


def uncertain_tokens(
    how: Weight, responses: Sequence[Response], policy: Scores, world: World
) -> Mapping[int, Float[Tensor, " token"]]:
    """1 for the tokens that the entropy filter keeps, 0 for the others, by the response's number; all ranks call it together.

    Args:
        responses: of this rank, those that enter.
    """
    if how.entropy_quantile is None:
        return {response.number: torch.ones(len(response.tokens)) for response in responses}
    entropies = {number: score.entropies for number, score in policy.of(responses).items()}
    everyone = world.gather([entropy.numpy() for entropy in entropies.values()])
    threshold = entropy_threshold(everyone, how.entropy_quantile) if everyone else 0.0
    return {number: (entropy >= threshold).float() for number, entropy in entropies.items()}
