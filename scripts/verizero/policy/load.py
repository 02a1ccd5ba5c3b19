"""A policy from its Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    """Longest prompt plus completion: what is wanted, by default what the model's configuration says.

    Raises:
        UserError: more is wanted than the model has positions for, or nothing says how many it has.
    """
    positions = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings")
    if wanted is None and positions is None:
        raise UserError(
            f"{folder}/config.json has no max_position_embeddings; give the model a max_model_len in config/registry/models.yaml"
        )
    if wanted is not None and positions is not None and wanted > positions:
        raise UserError(f"max_model_len is {wanted}, but {folder}/config.json says max_position_embeddings {positions}")
    return int(wanted or positions)


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
