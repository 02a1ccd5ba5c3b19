"""A policy from its Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_POSITIONS = 1 << 30
"""Tokenizers that know no length say 10^30."""


def load_policy(folder: Path, dtype: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The causal language model in a folder, in evaluation mode, and its tokenizer.

    Nothing is fetched, and code inside the folder is not run.

    Args:
        dtype: `float32` or `bfloat16`, in which to compute.

    Raises:
        UserError: the folder is no model that transformers can load.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} has no config.json; it must be a Hugging Face model folder")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), attn_implementation="sdpa", local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: transformers cannot load the model: {error}") from None
    return model.eval(), load_tokenizer(folder)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder.

    Raises:
        UserError: there is none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: transformers cannot load the tokenizer: {error}") from None


def context_length(folder: Path, wanted: int | None) -> int:
    """Longest prompt plus completion, in tokens: what is wanted, by default what the folder says.

    The folder says it as `model_max_length` of its tokenizer (where `prepare_model` puts the registry's max_model_len,
    and training keeps it), and never more than the positions of its model.

    Raises:
        UserError: more is wanted than the model has positions for, or nothing says how many it has.
    """
    positions = _value(folder / "config.json", "max_position_embeddings")
    if wanted is not None:
        if positions is not None and wanted > positions:
            raise UserError(
                f"max_model_len is {wanted}, but {folder}/config.json says max_position_embeddings {positions}"
            )
        return wanted
    said = [length for length in (positions, _value(folder / "tokenizer_config.json", "model_max_length")) if length]
    if not said or min(said) > MOST_POSITIONS:
        raise UserError(
            f"neither config.json nor tokenizer_config.json in {folder} says how many positions the model has; "
            "give it a max_model_len in config/registry/models.yaml"
        )
    return int(min(said))


def _value(file: Path, key: str) -> int | None:
    return json.loads(file.read_text(encoding="utf-8")).get(key) if file.is_file() else None


def end_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The token ids that end a completion: the tokenizer's and those of generation_config.json, ascending.

    Both, because base and chat models of one family disagree about them (Qwen3 issue 927).
    """
    ends = {tokenizer.eos_token_id}
    file = folder / "generation_config.json"
    if file.is_file():
        named = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
        ends.update(named if isinstance(named, list) else [named])
    return sorted(end for end in ends if end is not None)
