"""The vLLM engine, in the process that trains or generates: the same code on the CPU and the CUDA build."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

# vLLM reads these when it is imported: no second process (weights are handed over in this one), no usage report, and
# the threads that the job was given (its own pinning made one job 50 times slower beside a learner).
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from vllm import LLM, SamplingParams
from vllm.sampling_params import RequestOutputKind

from verizero.artifacts.seeds import derive_seed
from verizero.policy.load import end_tokens, load_tokenizer
from verizero.rollout.engine import Completion, Sampling, check_request

MEMORY_SHARE = 0.5
"""Of a GPU's memory that vLLM may take; the learner needs the rest."""

CPU_STEP_TOKENS = 4096
"""Prompt tokens that the CPU build reads in one step; at least one whole prompt must fit."""

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


class VllmEngine:
    """Samples with vLLM.

    Every sampling parameter is set: what is left out, vLLM takes from the model's generation_config.json (a repetition
    penalty, say), and two models would be decoded differently under one protocol. Each completion is a request with a
    seed of its own, so that the batch decides nothing.

    Under `torchrun` each rank has an engine of its own, in the process group that the learner has initialised. Python's,
    numpy's and torch's global random states are left as they were; vLLM alone would overwrite them.
    """

    def __init__(self, folder: Path, dtype: str, max_model_len: int, threads: int, seed: int) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.end = end_tokens(folder, self.tokenizer)
        self.max_model_len = max_model_len
        self.on_gpu = torch.cuda.is_available()
        self.progress: Callable[[int, int], None] = lambda completions, tokens: None
        self.asleep = False
        options: dict[str, Any] = (
            {"gpu_memory_utilization": MEMORY_SHARE, "enable_sleep_mode": True}
            if self.on_gpu
            else {
                "enforce_eager": True,
                # Where a step's budget cuts a prompt in two, vLLM 0.32 winds the request's generator back, which torch's
                # CPU generator refuses ("CPU Generator does not use offset"): prompts are read whole.
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(CPU_STEP_TOKENS, max_model_len),
            }
        )
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            options["distributed_executor_backend"] = "external_launcher"
        with _random_states_kept():
            self.llm = LLM(
                model=str(folder),
                dtype=dtype,
                max_model_len=max_model_len,
                seed=seed % 2**31,
                generation_config="vllm",
                logprobs_mode="processed_logprobs",
                disable_log_stats=True,
                **options,
            )
        self.tied = bool(self.llm.llm_engine.model_config.hf_config.tie_word_embeddings)
        torch.set_num_threads(threads)

    def generate(
        self, prompts: list[list[int]], samples: int, sampling: Sampling, seeds: list[int]
    ) -> list[list[Completion]]:
        """See `Engine.generate`."""
        check_request(prompts, samples, sampling, seeds, self.max_model_len)
        requests = [{"prompt_token_ids": prompt} for prompt in prompts for _ in range(samples)]
        parameters = [self._parameters(sampling, derive_seed(seed, k)) for seed in seeds for k in range(samples)]
        with _random_states_kept():
            outputs = self.llm.generate(requests, parameters, use_tqdm=self._counter)
        completions = [self._completion(output.outputs[0]) for output in outputs]
        if len(completions) != len(requests):
            raise RuntimeError(f"asked vLLM for {len(requests)} completions, got {len(completions)}")
        self.progress(0, sum(len(completion.token_ids) for completion in completions))
        return [completions[start : start + samples] for start in range(0, len(completions), samples)]

    def _counter(self, *arguments: Any, **options: Any) -> tqdm:
        """VLLM reports through a progress bar; ours is drawn by who asked for the completions."""
        engine, finished = self, options.get("desc") == "Processed prompts"

        class Counter(tqdm):
            def update(self, n: float | None = 1) -> bool | None:
                if finished:
                    engine.progress(int(n or 0), 0)
                return super().update(n)

        return Counter(*arguments, **options, file=io.StringIO())

    def _parameters(self, sampling: Sampling, seed: int) -> SamplingParams:
        return SamplingParams(
            n=1,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=-1,
            min_p=0.0,
            presence_penalty=0.0,
            frequency_penalty=0.0,
            repetition_penalty=1.0,
            max_tokens=sampling.max_tokens,
            min_tokens=0,
            seed=seed,
            stop=list(sampling.stop) or None,
            include_stop_str_in_output=True,
            stop_token_ids=self.end,
            ignore_eos=False,
            logprobs=0,
            prompt_logprobs=None,
            logit_bias=None,
            allowed_token_ids=None,
            bad_words=None,
            detokenize=True,
            skip_special_tokens=True,
            spaces_between_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, output: Any) -> Completion:
        ids = list(output.token_ids)
        logprobs = [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)]
        return Completion(ids, logprobs, output.text, "length" if output.finish_reason == "length" else "stop")

    def update(self, named_weights: Iterable[tuple[str, Tensor]]) -> None:
        """Replace the weights in place, and forget what was cached of the old ones.

        A weight is read when its layer is complete: it must keep its value until this returns.
        """
        weights = _with_head(named_weights) if self.tied else iter(named_weights)
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        self.llm.reset_prefix_cache()

    def sleep(self) -> None:
        """Give the GPU's memory to the learner; the weights come back by `update`. On a CPU, nothing."""
        if self.on_gpu and not self.asleep:
            self.llm.sleep(level=2)
            self.asleep = True

    def wake(self) -> None:
        """Take the memory again."""
        if self.asleep:
            self.llm.wake_up()
            self.asleep = False

    def close(self) -> None:
        """End the engine."""
        self.llm.llm_engine.engine_core.shutdown()


def _with_head(named_weights: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Tied embeddings under both names: the CPU build packs an output head of its own, which would silently stay stale."""
    embedding, head = None, False
    for name, tensor in named_weights:
        embedding = tensor if name == EMBEDDING else embedding
        head = head or name == HEAD
        yield name, tensor
    if embedding is not None and not head:
        yield HEAD, embedding


@contextlib.contextmanager
def _random_states_kept() -> Iterator[None]:
    python, numpy, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torch_state)
