"""The vLLM engine, in the process that trains or generates: the same code on the CPU and the CUDA build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

# vLLM reads these when it is imported: no second process (weights are handed over in this one), no usage report, and
# the threads that the job was given.
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")

import torch
from torch import Tensor
from vllm import LLM, SamplingParams

from verizero.artifacts.seeds import derive_seed
from verizero.policy.load import end_tokens, load_tokenizer
from verizero.rollout.engine import Completion, Sampling, check_request

WEIGHT_SHARE = 0.5
"""Of a GPU's memory that vLLM may take; the learner needs the rest."""


class VllmEngine:
    """Samples with vLLM.

    Every sampling parameter is set: what is left out, vLLM takes from the model's generation_config.json (a repetition
    penalty, say), and two models would be decoded differently under one protocol. Each completion is a request with a
    seed of its own, so that the batch decides nothing.
    """

    def __init__(self, folder: Path, dtype: str, max_model_len: int, threads: int, seed: int) -> None:
        self.tokenizer = load_tokenizer(folder)
        self.end = end_tokens(folder, self.tokenizer)
        self.max_model_len = max_model_len
        self.on_gpu = torch.cuda.is_available()
        self.progress: Callable[[int, int], None] = lambda completions, tokens: None
        options: dict[str, object] = {"gpu_memory_utilization": WEIGHT_SHARE, "enable_sleep_mode": True} if self.on_gpu else {"enforce_eager": True}
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            options["distributed_executor_backend"] = "external_launcher"
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
        torch.set_num_threads(threads)

    def generate(self, prompts: list[list[int]], samples: int, sampling: Sampling, seeds: list[int]) -> list[list[Completion]]:
        """See `Engine.generate`.

        Raises:
            UserError: a prompt and its longest completion do not fit into the model.
        """
        check_request(prompts, samples, sampling, seeds, self.max_model_len)
        requests = [{"prompt_token_ids": prompt} for prompt in prompts for _ in range(samples)]
        parameters = [self._parameters(sampling, derive_seed(seed, k)) for seed in seeds for k in range(samples)]
        outputs = self.llm.generate(requests, parameters, use_tqdm=False)
        completions = [self._completion(output.outputs[0]) for output in outputs]
        self.progress(len(completions), sum(len(completion.token_ids) for completion in completions))
        return [completions[start : start + samples] for start in range(0, len(completions), samples)]

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
            seed=seed % 2**63,
            stop=list(sampling.stop) or None,
            include_stop_str_in_output=True,
            stop_token_ids=self.end,
            ignore_eos=False,
            logprobs=0,
            skip_special_tokens=True,
            spaces_between_special_tokens=False,
        )

    def _completion(self, output) -> Completion:  # noqa: ANN001 (vLLM names this type differently in each release)
        ids = list(output.token_ids)
        logprobs = [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)]
        return Completion(ids, logprobs, output.text, "length" if output.finish_reason == "length" else "stop")

    def update(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Replace the weights in place, and forget what was cached of the old ones.

        `weights` must hold tied tensors under both names: the CPU build packs its output head and would keep a stale one.
        """
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter([(name, tensor.detach().clone()) for name, tensor in weights])})
        self.llm.reset_prefix_cache()

    def sleep(self) -> None:
        """Give the GPU's memory to the learner; the weights come back by `update`."""
        if self.on_gpu:
            self.llm.sleep(level=2)

    def wake(self) -> None:
        """Take the memory again."""
        if self.on_gpu:
            self.llm.wake_up()

    def close(self) -> None:
        """End the engine."""
        self.llm.llm_engine.engine_core.shutdown()
