"""The embedded engine: a decoding loop over a transformers model, on CPU or GPU, without another package."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerFast

from verizero.artifacts.errors import UserError
from verizero.artifacts.seeds import derive_seed
from verizero.rollout.engine import Completion, Sampling
from verizero.rollout.sampling import choose, uniforms

COMPACT_BELOW = 0.6
"""Finished rows leave the batch when fewer than this share is still running."""


@dataclass
class _Row:
    """One completion while it grows."""

    slot: tuple[int, int]
    prompt: list[int]
    uniform: Tensor
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: str | None = None


class TransformersEngine:
    """Samples with a key-value cache from a live model.

    Args:
        model: shared with whoever trains it: `update` then finds the weights already in place.
        end: ids that end a completion.
        max_model_len: longest prompt plus completion, in tokens.
        batch: completions that are decoded together; a matter of memory, not of the result.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, end: frozenset[int], max_model_len: int, batch: int = 256) -> None:
        self.model, self.tokenizer, self.end, self.max_model_len, self.batch = model, tokenizer, end, max_model_len, batch
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else next(iter(end))
        self.progress: Callable[[int, int], None] = lambda completions, tokens: None

    def generate(self, prompts: list[list[int]], samples: int, sampling: Sampling, seeds: list[int]) -> list[list[Completion]]:
        """See `Engine.generate`.

        Raises:
            UserError: a prompt and its longest completion do not fit into the model.
        """
        longest = max((len(prompt) for prompt in prompts), default=0)
        if longest + sampling.max_tokens > self.max_model_len:
            raise UserError(
                f"the longest prompt has {longest} tokens and a completion may have {sampling.max_tokens}, "
                f"but the model reads at most {self.max_model_len}; lower max_tokens or drop long problems"
            )
        rows = [
            _Row((index, k), prompt, torch.from_numpy(uniforms(derive_seed(seed, k), sampling.max_tokens)))
            for index, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True))
            for k in range(samples)
        ]
        waiting = sorted(rows, key=lambda row: (len(row.prompt), row.slot))
        for start in range(0, len(waiting), self.batch):
            batch = waiting[start : start + self.batch]
            self._decode(batch, sampling)
            self.progress(len(batch), sum(len(row.tokens) for row in batch))
        finished: list[list[Completion]] = [[] for _ in prompts]
        for row in rows:
            finished[row.slot[0]].append(self._completion(row, sampling))
        return finished

    @torch.inference_mode()
    def _decode(self, rows: list[_Row], sampling: Sampling) -> None:
        device = self.model.device
        width = max(len(row.prompt) for row in rows)
        ids = torch.full((len(rows), width), self.pad, dtype=torch.long)
        mask = torch.zeros(len(rows), width + sampling.max_tokens, dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, width - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[index, width - len(row.prompt) :] = 1
        ids, mask = ids.to(device), mask.to(device)
        padded = bool((mask[:, :width] == 0).any())
        noise = torch.stack([row.uniform for row in rows]).to(device)
        length = mask[:, :width].sum(-1)
        positions = (mask[:, :width].cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        running = list(rows)
        for step in range(sampling.max_tokens):
            past = width + step
            output = self.model(
                input_ids=ids,
                attention_mask=mask[:, :past] if padded else None,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            token, logprob = choose(output.logits[:, -1], sampling.temperature, sampling.top_p, noise[:, step])
            alive = self._append(running, token.tolist(), logprob.tolist(), sampling)
            if not any(alive):
                return
            ids, positions = token[:, None], (length + step)[:, None]
            if sum(alive) < COMPACT_BELOW * len(alive):
                keep = torch.tensor([index for index, going in enumerate(alive) if going], device=device)
                running = [row for row, going in zip(running, alive, strict=True) if going]
                cache.batch_select_indices(keep)
                ids, positions, mask, noise, length = ids[keep], positions[keep], mask[keep], noise[keep], length[keep]

    def _append(self, rows: list[_Row], tokens: list[int], logprobs: list[float], sampling: Sampling) -> list[bool]:
        alive = []
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            if row.finish is None:
                row.tokens.append(token)
                row.logprobs.append(logprob)
                if token in self.end or (sampling.stop and self._stopped(row, sampling.stop)):
                    row.finish = "stop"
                elif len(row.tokens) == sampling.max_tokens:
                    row.finish = "length"
            alive.append(row.finish is None)
        return alive

    def _stopped(self, row: _Row, stop: tuple[str, ...]) -> bool:
        # a stop string has at most as many tokens as bytes, so the end of the completion is enough to look at
        tail = self.tokenizer.decode(row.tokens[-2 * max(len(word) for word in stop) :], skip_special_tokens=True)
        return any(word in tail for word in stop)

    def _completion(self, row: _Row, sampling: Sampling) -> Completion:
        text = self.tokenizer.decode(row.tokens, skip_special_tokens=True)
        for word in sampling.stop:
            if (found := text.find(word)) >= 0:
                text = text[: found + len(word)]
        return Completion(row.tokens, row.logprobs, text, "length" if row.finish == "length" else "stop")

    @torch.no_grad()
    def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Copy weights in, where they are not the model's own tensors already.

        Raises:
            KeyError: a weight that the model does not have.
        """
        own = self.model.state_dict()
        for name, tensor in weights:
            if own[name].data_ptr() != tensor.data_ptr():
                own[name].copy_(tensor)

    def sleep(self) -> None:
        """Nothing to give back: the model is the learner's."""

    def wake(self) -> None:
        """Nothing to take again."""

    def close(self) -> None:
        """Nothing to end."""
