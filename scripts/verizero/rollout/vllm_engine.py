"""The vLLM engine, in the process that trains or generates: the same code on the CPU and the CUDA build."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

# vLLM reads these when it is imported: no second process (weights are handed over in this one), no usage report, and
# the threads that the job was given (its own pinning made one job 50 times slower beside a learner).
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from vllm import LLM, SamplingParams
from vllm.distributed import get_tp_group
from vllm.sampling_params import RequestOutputKind

from verizero.artifacts.errors import UserError
from verizero.artifacts.seeds import derive_seed
from verizero.policy.load import end_tokens, load_tokenizer
from verizero.rollout.engine import Asleep, Completion, Sampling, VllmRuntime, check_request

CPU_STEP_TOKENS = 4096
"""Prompt tokens that the CPU build reads in one step; at least one whole prompt must fit."""

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"

REFUSALS = {
    "less than desired GPU memory utilization": "lower `runtime.vllm_train_memory_percent`, or its twin of generate",
    "larger than the available KV cache memory": "raise that percentage (on a CPU `runtime.vllm_cpu_cache_gib`), or lower max_tokens",
    "on kv cache allocation is less than requested": "lower `runtime.vllm_cpu_cache_gib`",
    "divisible by tensor parallel size": "choose a `runtime.vllm_tensor_parallel` that divides the model's attention heads",
}
"""Words of vLLM's when it cannot start with what it may take -> what would be right."""


class VllmEngine:
    """Samples with vLLM.

    Every sampling parameter is set: what is left out, vLLM takes from the model's generation_config.json (a repetition
    penalty, say), and two models would be decoded differently under one protocol. Each completion is a request with a
    seed of its own, so that the batch decides nothing.

    Under `torchrun` each rank has an engine of its own, in the process group that is initialised already. Where
    `tensor_parallel` is above 1, as many neighbouring ranks share one: each brings prompts of its own and gets their
    completions, all ranks call `generate` together, and the group samples the prompts of all its ranks. Python's, numpy's and
    torch's global random states are left as they were; vLLM alone would overwrite them.

    Beside a learner on a GPU, `sleep` throws the weights away (level 2) or keeps them in the host's memory (level 1). `update` takes
    memory for weights, loads them, and only then takes memory for the cache: all three at once would not fit beside the learner (vLLM issue 15254).

    Raises:
        UserError: vLLM cannot start with what it may take.
    """

    def __init__(
        self,
        folder: Path,
        dtype: str,
        max_model_len: int,
        threads: int,
        seed: int,
        runtime: VllmRuntime,
        beside_learner: bool,
    ) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.end = end_tokens(folder, self.tokenizer)
        self.max_model_len, self.threads, self.tensor_parallel = max_model_len, threads, runtime.tensor_parallel
        on_gpu, ranks = torch.cuda.is_available(), int(os.environ.get("WORLD_SIZE", "1"))
        self.progress: Callable[[int, int], None] = lambda completions, tokens: None
        # of those that share an engine, one counts what all have finished
        self.counts = int(os.environ.get("RANK", "0")) % runtime.tensor_parallel == 0
        self.sleep_level = runtime.sleep_level if on_gpu and beside_learner else 0
        self.asleep = self.outdated = False
        options: dict[str, Any] = (
            {
                "gpu_memory_utilization": runtime.memory_percent / 100,
                "enable_sleep_mode": beside_learner,
                "enforce_eager": runtime.eager,
            }
            if on_gpu
            else {
                "kv_cache_memory_bytes": runtime.cpu_cache_gib << 30,
                "enforce_eager": True,
                # Where a step's budget cuts a prompt in two, vLLM 0.32 winds the request's generator back, which torch's
                # CPU generator refuses ("CPU Generator does not use offset"): prompts are read whole.
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(CPU_STEP_TOKENS, max_model_len),
            }
        )
        if ranks > 1:
            options["distributed_executor_backend"] = "external_launcher"
        start = partial(
            LLM,
            model=str(folder),
            dtype=dtype,
            max_model_len=max_model_len,
            seed=seed % 2**31,
            tensor_parallel_size=runtime.tensor_parallel,
            generation_config="vllm",
            logprobs_mode="processed_logprobs",
            disable_log_stats=True,
            **options,
        )
        self.llm = self._started(start)
        self.tied = bool(self.llm.llm_engine.model_config.hf_config.tie_word_embeddings)

    def _started(self, start: Callable[[], LLM]) -> LLM:
        try:
            with _random_states_kept():
                return start()
        except ValueError as error:
            words = " ".join(str(error).split())
            for refusal, advice in REFUSALS.items():
                if refusal in words:
                    raise UserError(f"vLLM does not start: {words}; {advice}") from None
            raise
        finally:
            torch.set_num_threads(self.threads)

    def generate(
        self, prompts: list[list[int]], samples: int, sampling: Sampling, seeds: list[int]
    ) -> list[list[Completion]]:
        """See `Engine.generate`."""
        if self.outdated:
            raise Asleep
        check_request(prompts, samples, sampling, seeds, self.max_model_len)
        everything, mine = self._of_all_ranks(list(zip(prompts, seeds, strict=True)))
        requests = [{"prompt_token_ids": prompt} for prompt, _ in everything for _ in range(samples)]
        parameters = [
            self._parameters(sampling, derive_seed(seed, k)) for _, seed in everything for k in range(samples)
        ]
        if not requests:
            return []
        with _random_states_kept():
            outputs = self.llm.generate(requests, parameters, use_tqdm=self._counter)
        if len(outputs) != len(requests):
            raise RuntimeError(f"asked vLLM for {len(requests)} completions, got {len(outputs)}")
        completions = [self._completion(output.outputs[0]) for output in outputs]
        if self.counts:
            self.progress(0, sum(len(completion.token_ids) for completion in completions))
        return [completions[place * samples : (place + 1) * samples] for place in mine]

    def _of_all_ranks(self, asked: list[tuple[list[int], int]]) -> tuple[list[tuple[list[int], int]], range]:
        """What the ranks that share this engine ask for, in their order, and which of it is this rank's."""
        if self.tensor_parallel == 1:
            return asked, range(len(asked))
        group = get_tp_group()
        parts: list[Any] = [None] * group.world_size
        torch.distributed.all_gather_object(parts, asked, group=group.cpu_group)
        begin = sum(map(len, parts[: group.rank_in_group]))
        return [one for part in parts for one in part], range(begin, begin + len(asked))

    def _counter(self, *arguments: Any, **options: Any) -> tqdm:
        """VLLM reports through a progress bar; ours is drawn by who asked for the completions."""
        engine, finished = self, options.get("desc") == "Processed prompts"

        class Counter(tqdm):
            def update(self, n: float | None = 1) -> bool | None:
                if finished:  # those that don't count beat all the same: a watchdog listens
                    engine.progress(int(n or 0) if engine.counts else 0, 0)
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
        """Replace the weights in place, and forget what was cached of the old ones; see `Engine.update`.

        A weight is read when its layer is complete: it must keep its value until this returns.
        """
        if self.asleep:
            self.llm.wake_up(tags=["weights"])
        weights = _with_head(named_weights) if self.tied else iter(named_weights)
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})
        if self.asleep:
            self.llm.wake_up(tags=["kv_cache"])
        self.llm.reset_prefix_cache()
        self.asleep = self.outdated = False

    def sleep(self) -> None:
        """See `Engine.sleep`; on a CPU, or without a learner, nothing is given."""
        self.outdated = True
        if self.sleep_level and not self.asleep:
            self.llm.sleep(level=self.sleep_level)
            self.asleep = True

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
