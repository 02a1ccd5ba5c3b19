"""A GGUF file inside an installed package, dequantised into an ordinary Hugging Face policy."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from verizero.config.sources import Gguf


def gguf_policy(source: Gguf) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, in float32, and the tokenizer with its chat template.

    Raises:
        UserError: the package is not installed, has no such file, or the file has another digest.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = gguf_file(source)
    # weights come as float32 with their quantisation still named in the configuration; only a plain model is saved
    read = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True
    )
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.name_or_path = ""
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
    model.load_state_dict(read.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer


def gguf_file(source: Gguf) -> Path:
    """The file, found through the package's metadata: importing the package would run its code.

    Raises:
        UserError: the package is not installed, has no such file, or the file has another digest.
    """
    try:
        listing = importlib.metadata.files(source.package) or []
    except importlib.metadata.PackageNotFoundError:
        raise UserError(
            f"the package {source.package}, which holds {source.file}, is not installed; `make envs` installs what the locks list"
        ) from None
    found = [Path(str(entry.locate())) for entry in listing if entry.parts[1:] == Path(source.file).parts]
    if not found or not found[0].is_file():
        raise UserError(f"the package {source.package} has no file {source.file}")
    if (digest := sha256_file(found[0])) != source.sha256:
        raise UserError(
            f"{source.file} of {source.package} has SHA-256 {digest}, the registry says {source.sha256}; install the locked version"
        )
    return found[0]
