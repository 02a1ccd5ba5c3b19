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
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: str,
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write weights, configuration, generation configuration and tokenizer; equal weights give equal bytes.

    The weights are written by safetensors itself: transformers' `save_pretrained` imports DeepSpeed on its way, which
    takes seconds in a stage that does not train.

    Args:
        dtype: `float32` or `bfloat16`, in which the weights are stored.
        state: the weights under their Hugging Face names; by default the model's own.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    aliases = tied_names(model)
    named = model.state_dict() if state is None else state
    weights = {
        name: tensor.detach().to("cpu", getattr(torch, dtype)).contiguous()
        for name, tensor in sorted(named.items())
        if name not in aliases
    }
    file = folder / "model.safetensors"
    save_file(weights, file, metadata={"format": "pt"})
    file.chmod(0o644)
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _complete(folder / "config.json", dtype, type(model).__name__)


def tied_names(model: PreTrainedModel) -> set[str]:
    """Weights that are other weights under a second name, and are stored once."""
    return set(model._tied_weights_keys or ()) if model.config.tie_word_embeddings else set()


def _complete(file: Path, dtype: str, architecture: str) -> None:
    """The configuration of a live model says in what it computes, not in what it is stored."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    config |= {"dtype": dtype, "architectures": [architecture]}
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
