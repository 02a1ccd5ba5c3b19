"""Language-model training on worked solutions: how the toy learns to compute before it is rewarded for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel

from verizero.artifacts.seeds import derive_seed
from verizero.config.sources import Pretrained

POOL = 16
"""Batches that are cut from one length-sorted pool: little padding, still mixed."""
FINAL_SHARE = 0.05
"""Of the peak learning rate, at the last step."""


@dataclass(frozen=True)
class Document:
    """Token ids of a prompt and of its solution with the end token."""

    prompt: list[int]
    solution: list[int]


def batches(documents: list[Document], batch_size: int, steps: int, seed: int) -> Iterator[list[Document]]:
    """Batches in an order that is a pure function of the seed; every document once before any twice."""
    done, epoch = 0, 0
    while done < steps:
        order = list(range(len(documents)))
        random.Random(derive_seed(seed, "epoch", epoch)).shuffle(order)
        for start in range(0, len(order) - batch_size + 1, batch_size * POOL):
            pool = sorted(
                order[start : start + batch_size * POOL],
                key=lambda index: len(documents[index].prompt) + len(documents[index].solution),
            )
            cuts = list(range(0, len(pool) - batch_size + 1, batch_size))
            random.Random(derive_seed(seed, "pool", epoch, start)).shuffle(cuts)
            for cut in cuts:
                if done == steps:
                    return
                yield [documents[index] for index in pool[cut : cut + batch_size]]
                done += 1
        epoch += 1


def collate(documents: list[Document], pad: int) -> tuple[Int[Tensor, "batch time"], Int[Tensor, "batch time"]]:
    """Right-padded ids, and labels that are -100 outside the solutions."""
    width = max(len(document.prompt) + len(document.solution) for document in documents)
    ids = torch.full((len(documents), width), pad)
    labels = torch.full((len(documents), width), -100)
    for row, document in enumerate(documents):
        start, stop = len(document.prompt), len(document.prompt) + len(document.solution)
        ids[row, :stop] = torch.tensor(document.prompt + document.solution)
        labels[row, start:stop] = torch.tensor(document.solution)
    return ids, labels


def rate_at(step: int, source: Pretrained) -> float:
    """Learning rate of a step (from 1): linear warm-up, then linear decay to `FINAL_SHARE` of the peak."""
    if step <= source.warmup_steps:
        return source.learning_rate * step / source.warmup_steps
    left = (source.steps - step) / max(1, source.steps - source.warmup_steps)
    return source.learning_rate * (FINAL_SHARE + (1 - FINAL_SHARE) * left)


def pretrain(
    model: PreTrainedModel,
    documents: list[Document],
    source: Pretrained,
    pad: int,
    after_step: Callable[[int, float], None],
) -> None:
    """Train in place; `after_step(step, loss)` is called with the mean loss per solution token, in nats."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": source.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=source.learning_rate,
        betas=(source.adam_betas[0], source.adam_betas[1]),
        fused=True,
    )
    parameters = [*decayed, *others]
    for step, batch in enumerate(batches(documents, source.batch_size, source.steps, source.seed), 1):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, source)
        ids, labels = (tensor.to(model.device) for tensor in collate(batch, pad))
        # right padding and a causal mask: no solution token sees a padded one, so no attention mask is needed
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, source.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        after_step(step, loss.item())
