"""Starting the engine that a spec names."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from verizero.policy.load import end_tokens, load_policy, load_tokenizer, max_positions
from verizero.rollout.engine import Engine
from verizero.rollout.transformers_engine import TransformersEngine


def start_engine(kind: str, folder: Path, dtype: str, max_model_len: int | None = None, threads: int = 1, seed: int = 0, model: PreTrainedModel | None = None) -> Engine:
    """An engine over the weights in a model folder.

    Args:
        kind: `transformers` or `vllm`.
        dtype: in what precision it computes.
        max_model_len: by default what the model's configuration says.
        model: a live model of the same folder that `transformers` may share; it is used when its dtype is the asked one.
    """
    limit = min(max_model_len or max_positions(folder), max_positions(folder))
    if kind == "vllm":
        from verizero.rollout.vllm_engine import VllmEngine

        return VllmEngine(folder, dtype, limit, threads, seed)
    tokenizer = load_tokenizer(folder)
    if model is None or str(model.dtype) != f"torch.{dtype}":
        import torch

        model, tokenizer = load_policy(folder, dtype)
        if torch.cuda.is_available():
            model = model.to("cuda")  # type: ignore[arg-type]
    return TransformersEngine(model, tokenizer, end_tokens(folder, tokenizer), limit)
