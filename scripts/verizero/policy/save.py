"""A policy into a Hugging Face folder that transformers and vLLM load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def save_policy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: str, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write weights, configuration, generation configuration and tokenizer; equal weights give equal bytes.

    Args:
        dtype: `float32` or `bfloat16`, in which the weights are stored.
        state: the weights under their Hugging Face names; by default the model's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().to("cpu", getattr(torch, dtype)) for name, tensor in (state or model.state_dict()).items()}
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
    _say_dtype(folder / "config.json", dtype)


def _say_dtype(file: Path, dtype: str) -> None:
    """save_pretrained writes the dtype of the live model, which is not the one stored."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    file.write_text(json.dumps({**config, "dtype": dtype}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
