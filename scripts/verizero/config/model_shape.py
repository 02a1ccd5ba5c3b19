"""A decoder's sizes from its config.json: what it costs follows from them, and no weights are needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError

KNOWN = {
    "llama": {"tied": False},
    "mistral": {"tied": False},
    "qwen2": {"tied": False, "qkv_bias": True},
    "qwen3": {"tied": False, "head_norms": True},
    "smollm3": {"tied": True},
}
"""Dense decoders of one form (rotary positions, grouped-query attention, a gated MLP, RMS norms), and where each differs."""


@dataclass(frozen=True)
class ModelShape:
    """A dense decoder's sizes, in numbers of elements."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    mlp_width: int
    tied: bool
    """The output head is the embedding."""
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_norms: bool = False
    """Queries and keys of each head are normalised."""

    @property
    def embedding(self) -> int:
        """Parameters of the embedding."""
        return self.vocabulary * self.width

    @property
    def head(self) -> int:
        """Parameters of the output head; 0 where it is the embedding."""
        return 0 if self.tied else self.embedding

    @property
    def layer(self) -> int:
        """Parameters of one layer."""
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        attention = self.width * (2 * queries + 2 * keys)
        attention += (queries + 2 * keys) * self.qkv_bias + self.width * self.output_bias
        attention += 2 * self.head_width * self.head_norms
        mlp = 3 * self.width * self.mlp_width + (2 * self.mlp_width + self.width) * self.mlp_bias
        return attention + mlp + 2 * self.width

    @property
    def decoder(self) -> int:
        """Parameters of all layers and the last norm."""
        return self.layers * self.layer + self.width

    @property
    def parameters(self) -> int:
        """All of them, each counted once."""
        return self.embedding + self.decoder + self.head

    def kv_bytes(self, element_bytes: int) -> int:
        """Keys and values of one token in all layers, in bytes."""
        return 2 * self.layers * self.kv_heads * self.head_width * element_bytes


def shape_of(config: Mapping[str, Any], where: str = "config.json") -> ModelShape:
    """The sizes that a config.json says, as transformers reads it.

    Raises:
        UserError: a model of another form, or a size is missing.
    """
    kind = config.get("model_type")
    if kind not in KNOWN:
        raise UserError(
            f"{where}: model_type is {kind}; costs are known of dense decoders only: {', '.join(sorted(KNOWN))}"
        )
    missing = [name for name in ("vocab_size", "hidden_size", "num_hidden_layers") if name not in config]
    missing += [name for name in ("num_attention_heads", "intermediate_size") if name not in config]
    if missing:
        raise UserError(f"{where} does not say {', '.join(missing)}; it must be a Hugging Face model's")
    family, heads = KNOWN[kind], config["num_attention_heads"]
    default_width = 128 if kind == "qwen3" else config["hidden_size"] // heads
    attention_bias = bool(config.get("attention_bias", False))
    return ModelShape(
        vocabulary=config["vocab_size"],
        width=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_width=config.get("head_dim") or default_width,
        mlp_width=config["intermediate_size"],
        tied=bool(config.get("tie_word_embeddings", family["tied"])),
        qkv_bias=family.get("qkv_bias", attention_bias),
        output_bias=attention_bias and kind != "qwen2",
        mlp_bias=bool(config.get("mlp_bias", False)),
        head_norms=family.get("head_norms", False),
    )


def read_shape(folder: Path) -> ModelShape:
    """The sizes of the model in a folder, whose weights need not be there.

    Raises:
        UserError: there is no config.json, or it is none of a known model.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} has no config.json; it must be a Hugging Face model folder") from None
    except ValueError as error:
        raise UserError(f"{file} is no JSON: {error}") from None
    return shape_of(config, str(file))
