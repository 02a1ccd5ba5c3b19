"""Sampling with transformers: a decode loop of our own over a model that the learner may share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from verizero.artifacts.errors import UserError
from verizero.rollout.cache import ATTENTION, new_cache, reseat
from verizero.rollout.choice import choose
from verizero.rollout.engine import Asleep, Completion, Sampling, check_request
from verizero.rollout.uniforms import uniforms

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.cache_utils import Cache

TAIL_TOKENS = 16
"""A stop string is looked for in this many last tokens, plus as many as it has characters."""


@dataclass
class _Sequence:
    """A completion in the making."""

    prompt: int
    sample: int
    uniform: np.ndarray
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Literal["stop", "length"] | None = None


class TransformersEngine:
    """Samples from a transformers model.

    Each prompt is read once and shared by its samples. Rows that are done leave the batch; when half the seats are
    empty, waiting sequences take them.

    Args:
        model: with full attention in every layer.
        ends: token ids that end a completion.
        max_model_len: longest prompt plus completion, in tokens.
        seats: sequences decoded at a time. Changes speed, and tokens only through float noise.

    Raises:
        UserError: the model has sliding-window or other layers whose cache is not a list of all positions.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        ends: Sequence[int],
        max_model_len: int,
        seats: int,
    ) -> None:
        kinds = set(getattr(model.config, "layer_types", None) or ["full_attention"])
        if kinds != {"full_attention"}:
            raise UserError(
                f"the model has layers of kind {', '.join(sorted(kinds - {'full_attention'}))}; the engine `transformers` serves full attention only, use `vllm`"
            )
        self.model, self.tokenizer, self.ends, self.max_model_len, self.seats = (
            model,
            tokenizer,
            frozenset(ends),
            max_model_len,
            seats,
        )
        self._layers = model.config.num_hidden_layers
        self.progress: Callable[[int, int], None] = lambda completions, tokens: None
        self.sleep_level, self.outdated = 0, False

    def generate(
        self, prompts: list[list[int]], samples: int, sampling: Sampling, seeds: list[int]
    ) -> list[list[Completion]]:
        """See `Engine.generate`."""
        if self.outdated:
            raise Asleep
        check_request(prompts, samples, sampling, seeds, self.max_model_len)
        waiting = [
            _Sequence(
                number, sample, uniforms(seeds[number], sample, sampling.max_tokens if sampling.temperature > 0 else 0)
            )
            for number in range(len(prompts))
            for sample in range(samples)
        ]
        made = list(waiting)
        with self._sampling_mode(), torch.inference_mode():
            _Decoding(self, prompts, sampling, waiting).run()
        completions = [self._completion(sequence, sampling) for sequence in made]
        return [completions[number * samples : (number + 1) * samples] for number in range(len(prompts))]

    def update(self, named_weights: Iterator[tuple[str, Tensor]]) -> None:
        """Copy weights into the model; those that the model itself holds are left alone.

        Raises:
            ValueError: a name that the model does not have, or a weight of the model that did not come.
        """
        own = self.model.state_dict(keep_vars=True)
        missing = {tensor.data_ptr() for tensor in own.values() if isinstance(tensor, torch.nn.Parameter)}
        with torch.no_grad():
            for name, tensor in named_weights:
                if name not in own:
                    raise ValueError(f"the weight {name} is not in the sampling model")
                missing.discard(own[name].data_ptr())
                if own[name].data_ptr() != tensor.data_ptr():
                    own[name].copy_(tensor)
        if missing:
            names = [name for name, tensor in own.items() if tensor.data_ptr() in missing]
            raise ValueError(
                f"no new values came for {len(names)} weights of the sampling model, {names[0]} among them"
            )
        self.outdated = False

    def sleep(self) -> None:
        """Nothing to give: the model is the learner's, or small."""
        self.outdated = True

    def close(self) -> None:
        """Let go of the model."""
        del self.model

    @contextlib.contextmanager
    def _sampling_mode(self) -> Iterator[None]:
        """Evaluation mode and our attention while sampling; the learner finds the model as it left it."""
        config, training, attention = self.model.config, self.model.training, self.model.config._attn_implementation
        self.model.eval()
        config._attn_implementation = ATTENTION
        try:
            yield
        finally:
            config._attn_implementation = attention
            self.model.train(training)

    def _completion(self, sequence: _Sequence, sampling: Sampling) -> Completion:
        text = self.tokenizer.decode(sequence.token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        ends = [text.index(stop) + len(stop) for stop in sampling.stop if stop in text]
        finish = sequence.finish or "length"
        return Completion(
            sequence.token_ids, sequence.logprobs, text[: min(ends)] if ends and finish == "stop" else text, finish
        )


class _Decoding:
    """One call of `generate`: who sits in which row, and what each row's attention may see."""

    def __init__(
        self, engine: TransformersEngine, prompts: list[list[int]], sampling: Sampling, waiting: list[_Sequence]
    ) -> None:
        self.engine, self.model, self.prompts, self.sampling = engine, engine.model, prompts, sampling
        self.device, self.dtype = engine.model.device, engine.model.dtype
        # similar lengths sit together, so that little is padded; the order is fixed, so a run repeats itself exactly
        self.waiting = sorted(
            waiting, key=lambda sequence: (-len(prompts[sequence.prompt]), sequence.prompt, sequence.sample)
        )
        self.seated: list[_Sequence] = []
        self.lengths = np.zeros(0, dtype=np.int64)  # prompt plus response so far, of each row
        self.cache: Cache = new_cache(engine._layers)
        self.bias: Tensor | None = None
        self.width = 0

    def run(self) -> None:
        """Until nobody sits and nobody waits."""
        ended: list[int] = []
        while True:
            free = self.engine.seats - len(self.seated) + len(ended)
            arriving = self.waiting and free * 2 >= self.engine.seats
            if arriving or (ended and (len(ended) * 8 >= len(self.seated) or len(ended) == len(self.seated))):
                ended = self._change_seats(ended, free if arriving else 0)
            if not self.seated:
                return
            ended = sorted({*ended, *self._step(set(ended))})

    def _step(self, ended: set[int]) -> list[int]:
        """One token for every row; rows that already ended ride along unread until seats change."""
        last = torch.tensor([[sequence.token_ids[-1]] for sequence in self.seated], device=self.device)
        positions = torch.from_numpy(self.lengths - 1).to(self.device)[:, None]
        assert self.bias is not None
        logits = self.model(
            input_ids=last,
            attention_mask=self.bias[..., : self.width + 1],
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        ).logits[:, -1]
        self.width += 1
        self.lengths += 1
        return self._append(self.seated, logits, ended)

    def _append(self, sequences: list[_Sequence], logits: Tensor, ended: set[int] = frozenset()) -> list[int]:  # type: ignore[assignment]
        """Choose a token for each sequence; the rows that end with it."""
        sampling = self.sampling
        at = (
            [min(len(sequence.token_ids), len(sequence.uniform) - 1) for sequence in sequences]
            if sampling.temperature > 0
            else []
        )
        numbers = (
            [sequence.uniform[place] for sequence, place in zip(sequences, at, strict=True)]
            if at
            else [0.0] * len(sequences)
        )
        chosen, logprobs = choose(
            logits, torch.tensor(numbers, dtype=torch.float64, device=self.device), sampling.temperature, sampling.top_p
        )
        now_ended = []
        for row, (sequence, token, logprob) in enumerate(
            zip(sequences, chosen.tolist(), logprobs.tolist(), strict=True)
        ):
            if row in ended:
                continue
            sequence.token_ids.append(token)
            sequence.logprobs.append(logprob)
            if token in self.engine.ends or (sampling.stop and self._stopped(sequence)):
                sequence.finish = "stop"
            elif len(sequence.token_ids) >= sampling.max_tokens:
                sequence.finish = "length"
            if sequence.finish:
                now_ended.append(row)
        return now_ended

    def _stopped(self, sequence: _Sequence) -> bool:
        tail = sequence.token_ids[-(TAIL_TOKENS + max(map(len, self.sampling.stop))) :]
        text = self.engine.tokenizer.decode(tail, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return any(stop in text for stop in self.sampling.stop)

    def _change_seats(self, ended: list[int], free: int) -> list[int]:
        """Rows that ended leave, waiting sequences read their prompt and sit down; the new rows that end at once."""
        gone = set(ended)
        if gone:
            self.engine.progress(len(gone), sum(len(self.seated[row].token_ids) for row in gone))
        rows = [row for row in range(len(self.seated)) if row not in gone]
        arrived, self.waiting = self.waiting[:free], self.waiting[free:]
        kept_lengths = self.lengths[rows]
        new_lengths = np.array([len(self.prompts[sequence.prompt]) for sequence in arrived], dtype=np.int64)
        # the cache holds every token but the last one, which the next step reads
        width = max([*(kept_lengths - 1), *new_lengths], default=0)
        if arrived:
            distinct = sorted({sequence.prompt for sequence in arrived})
            prompt_cache, logits = self._read([self.prompts[prompt] for prompt in distinct])
            place = {prompt: row for row, prompt in enumerate(distinct)}
            copies = torch.tensor([place[sequence.prompt] for sequence in arrived], device=self.device)
            now_ended = self._append(arrived, logits[copies])
            if self.seated:
                reseat(
                    self.cache,
                    torch.tensor(rows, dtype=torch.long, device=self.device),
                    int(width),
                    prompt_cache,
                    copies,
                )
            else:
                self.cache = prompt_cache
                reseat(self.cache, copies, int(width))
        else:
            now_ended = []
            reseat(self.cache, torch.tensor(rows, dtype=torch.long, device=self.device), int(width))
        self.seated = [self.seated[row] for row in rows] + arrived
        self.lengths = np.concatenate([kept_lengths, new_lengths + 1])
        self.width = int(width)
        self._see()
        return [len(rows) + row for row in now_ended]

    def _see(self) -> None:
        """An additive mask, made once per change of seats with room for all tokens until the next growth."""
        first = torch.from_numpy(self.width - (self.lengths - 1)).to(self.device)
        columns = torch.arange(self.width + self.sampling.max_tokens + 1, device=self.device)
        hidden = columns[None, :] < first[:, None]
        self.bias = torch.zeros(hidden.shape, dtype=self.dtype, device=self.device).masked_fill_(hidden, float("-inf"))[
            :, None, None, :
        ]

    def _read(self, prompts: list[list[int]]) -> tuple[Cache, Tensor]:
        """Read prompts, left-padded: their cache, and the logits behind each."""
        width, count = max(map(len, prompts)), len(prompts)
        ids = torch.zeros((count, width), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
        begin = torch.tensor([width - len(prompt) for prompt in prompts])
        places = torch.arange(width)
        seen = (places[None, None, :] <= places[None, :, None]) & (places[None, None, :] >= begin[:, None, None])
        seen |= torch.eye(
            width, dtype=torch.bool
        )  # a padding position sees itself: a row that sees nothing becomes NaN, and NaN spreads
        cache = new_cache(self.engine._layers)
        positions = (places[None, :] - begin[:, None]).clamp_(min=0)
        logits = self.model(
            input_ids=ids.to(self.device),
            attention_mask=seen[:, None].to(self.device),
            position_ids=positions.to(self.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        return cache, logits
