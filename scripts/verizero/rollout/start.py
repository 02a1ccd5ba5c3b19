"""Starting an engine by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from verizero.artifacts.errors import UserError
from verizero.rollout.caches import own_caches
from verizero.rollout.engine import Engine, VllmRuntime

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

CACHE_BYTES = {"cpu": 1 << 30, "cuda": 8 << 30}
"""Keys and values that the transformers engine may hold at a time. More seats do not pay on a CPU beyond this; on a GPU a token of many
sequences costs little more than one of few."""
MOST_SEATS = 256


def seats_of(config: PretrainedConfig, length: int, itemsize: int, device: str) -> int:
    """How many sequences the transformers engine samples at a time.

    Args:
        length: of prompt plus completion, in tokens.
        itemsize: bytes of an element.
        device: `cpu` or `cuda`.
    """
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_sequence = 2 * config.num_hidden_layers * config.num_key_value_heads * width * length * itemsize
    return max(1, min(MOST_SEATS, CACHE_BYTES[device] // per_sequence))


def start_engine(
    kind: str,
    folder: Path,
    dtype: str,
    max_model_len: int | None = None,
    threads: int = 1,
    seed: int = 0,
    model: PreTrainedModel | None = None,
    usual_length: int | None = None,
    vllm: VllmRuntime | None = None,
    beside_learner: bool = False,
) -> Engine:
    """An engine over the policy in a folder.

    Args:
        kind: `transformers` or `vllm`.
        dtype: in what precision to compute, `float32` or `bfloat16`.
        max_model_len: longest prompt plus completion, in tokens; by default what the model's configuration says.
        threads: CPU threads.
        seed: of the engine itself; completions depend on the seeds given to `generate` alone.
        usual_length: of prompt plus completion, in tokens, by which `transformers` plans how many it samples at a time; by default
            `max_model_len`. What is sampled beside the usual then changes no batch of it.
        model: for `transformers`, a live model to sample from when its precision is `dtype`; `update` is then free.
        vllm: what vLLM may take.
        beside_learner: `sleep` gives the GPU's memory to a learner on the same one.

    Raises:
        UserError: the folder holds no model, it is too short for `max_model_len`, or vLLM cannot start with what it may take.
    """
    from verizero.policy.load import context_length

    vllm = vllm or VllmRuntime()
    length = context_length(folder, max_model_len)
    if kind == "vllm":
        require_whole_groups(vllm.tensor_parallel, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        own_caches()
        from verizero.rollout.vllm_engine import VllmEngine

        return VllmEngine(folder, dtype, length, threads, seed, vllm, beside_learner)
    if kind != "transformers":
        raise ValueError(f"there is no engine `{kind}`; choices: transformers, vllm")
    return _transformers_engine(folder, dtype, length, threads, model, usual_length or length)


def require_whole_groups(tensor_parallel: int, processes: int) -> None:
    """Refuse processes that no vLLM would belong to.

    Args:
        processes: on this node; one vLLM does not reach over two.

    Raises:
        UserError: they cannot be divided into groups of `tensor_parallel`.
    """
    if processes % tensor_parallel:
        raise UserError(
            f"--vllm-tensor-parallel is {tensor_parallel}, but there are {processes} processes on this node; it must divide them"
        )


def _transformers_engine(
    folder: Path, dtype: str, max_model_len: int, threads: int, model: PreTrainedModel | None, usual_length: int
) -> Engine:
    import torch

    from verizero.policy.load import end_tokens, load_policy, load_tokenizer
    from verizero.rollout.transformers_engine import TransformersEngine

    torch.set_num_threads(threads)
    if model is not None and model.dtype == getattr(torch, dtype):
        tokenizer = load_tokenizer(folder)
    else:
        model, tokenizer = load_policy(folder, dtype)
        if torch.cuda.is_available():
            model = model.to("cuda")
    seats = seats_of(model.config, usual_length, model.dtype.itemsize, model.device.type)
    return TransformersEngine(model, tokenizer, end_tokens(folder, tokenizer), max_model_len, seats)
