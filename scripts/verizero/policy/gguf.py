"""A model out of a GGUF file that an installed Python package carries."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from pathlib import Path

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.config.sources import Gguf


def gguf_file(source: Gguf) -> Path:
    """The file, found without importing its package.

    Raises:
        UserError: the package is not installed, has no such file, or has another one.
    """
    module = source.package.replace("-", "_")
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise UserError(f"the package {source.package} is not installed in the jobs' environment; `make envs` installs it")
    path = Path(next(iter(found.submodule_search_locations))) / source.file
    if not path.is_file():
        raise UserError(f"{source.package} {metadata.version(source.package)} holds no {source.file}")
    if (digest := sha256_file(path)) != source.sha256:
        raise UserError(f"{source.file} of {source.package} has SHA-256 {digest}, the registry says {source.sha256}")
    return path


def gguf_policy(source: Gguf) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The dequantised model and its tokenizer."""
    path = gguf_file(source)
    quantised = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(quantised.state_dict())
    model.generation_config = quantised.generation_config
    return model.eval(), tokenizer
