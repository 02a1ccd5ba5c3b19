"""Which prompts a step takes, which responses an update takes, and how they are cut into micro-batches."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from verizero.artifacts.seeds import derive_seed
from verizero.policy.packing import places_of, same_prompt

Pair = tuple[list[int], list[int]]
"""Token ids of a prompt and of its response."""


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


def micro_batches(pairs: Sequence[Pair], tokens: int) -> list[list[int]]:
    """Cut responses into micro-batches whose decoder reads at most `tokens` tokens, all about as many.

    Responses to one prompt stand together, the longest first, and share it as long as they are in one micro-batch. A response that
    with its prompt is longer than that is alone.

    Args:
        pairs: token ids of a prompt and of its response.

    Returns:
        Indices into `pairs`; each once.
    """
    by_prompt = same_prompt(pairs)
    whole = places_of(pairs)
    even = whole / max(1, -(-whole // tokens))
    cut: list[list[int]] = []
    held = 0
    for prompt, numbers in by_prompt.items():
        prompt_read = False
        for number in sorted(numbers, key=lambda number: (-len(pairs[number][1]), number)):
            own = len(pairs[number][1]) - 1
            if not cut or held >= even or held + own + (0 if prompt_read else len(prompt)) > tokens:
                cut.append([])
                held, prompt_read = 0, False
            cut[-1].append(number)
            held += own + (0 if prompt_read else len(prompt))
            prompt_read = True
    return cut
