"""Which prompts a step takes, which responses an update takes, and how they are cut into micro-batches."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from verizero.artifacts.seeds import derive_seed


@functools.lru_cache(maxsize=4)
def permutation(count: int, seed: int) -> tuple[int, ...]:
    """The numbers below `count` in an order that is a function of the seed alone.

    Sorted by a hash of seed and number: unlike a library's shuffle, that is the same in every version of everything.
    """
    return tuple(sorted(range(count), key=lambda number: (derive_seed(seed, "order", number), number)))


def prompts_of_step(step: int, prompts: int, problems: int, seed: int) -> list[int]:
    """The problems of a step (steps count from 1), as indices.

    The run reads one endless sequence: the problems in a new order each epoch, a function of (seed, epoch). A step takes
    the next `prompts` of it; one that reaches over the end of an epoch goes on in the next, so every problem is used
    equally often. With fewer problems than prompts a problem occurs several times in a step (paper B: one, 128 times).
    """
    if problems < 1:
        raise ValueError("there is no problem to train on")
    start = (step - 1) * prompts
    taken: list[int] = []
    for epoch in range(start // problems, (start + prompts - 1) // problems + 1):
        order = permutation(problems, derive_seed(seed, "prompt order", epoch))
        taken += order[max(0, start - epoch * problems) : start + prompts - epoch * problems]
    return taken


def updates_of_step(responses: int, updates: int, seed: int, step: int, epochs: int = 1) -> list[list[int]]:
    """A step's responses, a part for each optimizer update: in each epoch a seeded permutation, cut into equal parts."""
    if updates == 1:
        return [list(range(responses))] * epochs
    size, parts = responses // updates, []
    for epoch in range(epochs):
        order = permutation(responses, derive_seed(seed, "updates", step, *([epoch] if epoch else [])))
        parts += [sorted(order[part * size : (part + 1) * size]) for part in range(updates)]
    return parts


def micro_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Cut rows into micro-batches of at most `tokens` positions, padding included.

    Rows are sorted by length (longest first), so that little is padding. A row longer than the budget is alone.

    Args:
        lengths: of each row, prompt and response, in tokens.

    Returns:
        Indices into `lengths`; each row once.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    cut: list[list[int]] = []
    for row in order:
        if cut and (len(cut[-1]) + 1) * lengths[cut[-1][0]] <= tokens:
            cut[-1].append(row)
        else:
            cut.append([row])
    return cut


@dataclass(frozen=True)
class PaddedRows:
    """Prompts with their responses, padded on the right to the longest row."""

    input_ids: Int[Tensor, "row position"]
    attention_mask: Int[Tensor, "row position"]
    response_mask: Bool[Tensor, "row position"]


def padded(
    prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], device: torch.device | None = None
) -> PaddedRows:
    """One row for each prompt and its response."""
    width = max(len(prompt) + len(response) for prompt, response in zip(prompts, responses, strict=True))
    ids = np.zeros((len(prompts), width), dtype=np.int64)
    attention = np.zeros((len(prompts), width), dtype=np.int64)
    response_mask = np.zeros((len(prompts), width), dtype=bool)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        end = len(prompt) + len(response)
        ids[row, : len(prompt)] = prompt
        ids[row, len(prompt) : end] = response
        attention[row, :end] = 1
        response_mask[row, len(prompt) : end] = True
    return PaddedRows(*(torch.from_numpy(array).to(device) for array in (ids, attention, response_mask)))
