"""Prompts with their responses in one row without padding, where a prompt that several responses share stands once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from verizero.policy.packed_attention import Segment, Segments, segments_of

FILLER = 64
"""A row's length is a multiple of this: oneDNN prepares a kernel for each new shape, which takes longer than the tokens."""


@dataclass(frozen=True)
class Packed:
    """Responses to prompts, as a decoder reads them in one pass.

    The last token of a response is not read: nothing follows it.
    """

    input_ids: Int[Tensor, "one place"]
    position_ids: Int[Tensor, "one place"]
    """Of a token in its prompt plus response."""
    segments: Segments
    """Which places see which."""
    before: Int[Tensor, " token"]
    """The place before each response token, whose hidden state predicts it; the responses follow each other."""
    targets: Int[Tensor, " token"]
    """The response tokens."""
    mask: Bool[Tensor, "response longest"]
    """Where a table of responses, a row each, has tokens."""

    @property
    def places(self) -> int:
        """Tokens that the decoder reads."""
        return self.input_ids.shape[1]


def pack(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], device: torch.device | None = None) -> Packed:
    """Prompts with their responses in one row.

    Args:
        pairs: token ids of a prompt and of its response, neither empty.
    """
    ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    before: list[range | list[int]] = [[] for _ in pairs]
    for prompt, numbers in same_prompt(pairs).items():
        begin, end = len(ids), len(ids) + len(prompt)
        ids += prompt
        positions += range(len(prompt))
        segments.append(Segment(begin, end, begin, begin))
        for number in numbers:
            read, first = pairs[number][1][:-1], len(ids)
            ids += read
            positions += range(len(prompt), len(prompt) + len(read))
            before[number] = [end - 1, *range(first, len(ids))]
            if read:
                segments.append(Segment(first, len(ids), begin, end))
    filled = -(-len(ids) // FILLER) * FILLER
    if filled > len(ids):
        segments.append(Segment(len(ids), filled, filled, filled))
        positions += range(filled - len(ids))
        ids += [0] * (filled - len(ids))
    lengths = torch.tensor([len(response) for _, response in pairs])
    mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    return Packed(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        segments_of(segments, device),
        torch.tensor([place for places in before for place in places], device=device),
        torch.tensor([token for _, response in pairs for token in response], device=device),
        mask.to(device),
    )


def same_prompt(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> dict[tuple[int, ...], list[int]]:
    """The numbers of the pairs by their prompt, in the order in which prompts first occur."""
    found: dict[tuple[int, ...], list[int]] = {}
    for number, (prompt, _) in enumerate(pairs):
        found.setdefault(tuple(prompt), []).append(number)
    return found


def places_of(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
    """How many tokens a decoder would read, without the filler."""
    shared = {tuple(prompt) for prompt, _ in pairs}
    return sum(map(len, shared)) + sum(len(response) - 1 for _, response in pairs)
