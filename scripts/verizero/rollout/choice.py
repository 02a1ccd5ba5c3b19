"""Choosing the next token from logits and given uniform numbers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def choose(
    logits: Float[Tensor, "row vocabulary"], uniform: Float[Tensor, "row"], temperature: float, top_p: float
) -> tuple[Int[Tensor, "row"], Float[Tensor, "row"]]:
    """The next token of each row by inverse CDF, and its log-probability in nats under the distribution it was drawn from.

    A row's token depends on its own logits and its own uniform number alone. Sums are in float64: with float32 and a
    vocabulary of 150,000, rounding would shift the choice of rare tokens.

    Args:
        uniform: float64 numbers in [0, 1); not used when greedy.
        temperature: 0 takes the most likely token, with its log-probability at temperature 1.
        top_p: smallest set of most likely tokens whose probability reaches this, renormalised (Holtzman et al. 2020,
            arXiv 1904.09751); 1 is the whole vocabulary.
    """
    logprobs = torch.log_softmax(logits.float() / temperature if temperature > 0 else logits.float(), dim=-1)
    if temperature == 0:
        chosen = logprobs.argmax(dim=-1)
    elif top_p < 1:
        ordered, order = logprobs.sort(dim=-1, descending=True, stable=True)
        probability = ordered.double().exp()
        before = probability.cumsum(dim=-1) - probability
        probability = probability.masked_fill(before >= top_p, 0.0)
        place = _inverse_cdf(probability, uniform)
        chosen = order.gather(-1, place).squeeze(-1)
        taken = logprobs.gather(-1, chosen[:, None]).squeeze(-1)
        return chosen, taken - probability.sum(dim=-1).log().to(taken.dtype)
    else:
        chosen = _inverse_cdf(logprobs.double().exp_(), uniform).squeeze(-1)
    return chosen, logprobs.gather(-1, chosen[:, None]).squeeze(-1)


def _inverse_cdf(probability: Float[Tensor, "row vocabulary"], uniform: Float[Tensor, "row"]) -> Int[Tensor, "row 1"]:
    cumulative = probability.cumsum(dim=-1)
    # right=True: the first place whose sum exceeds the number, so a token of probability 0 is never taken
    place = torch.searchsorted(cumulative, uniform[:, None] * cumulative[:, -1:], right=True)
    return place.clamp_(max=probability.shape[-1] - 1)
