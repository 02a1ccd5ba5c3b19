"""A small decoder with random weights: the start of the toy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from verizero.artifacts.seeds import derive_seed
from verizero.policy.characters import character_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from verizero.config.sources import Architecture


def scratch_policy(
    architecture: Architecture, alphabet: str, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A Qwen2 model (rotary positions, grouped-query attention, SwiGLU) in float32 and its character tokenizer.

    Raises:
        UserError: the alphabet has a character twice.
    """
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = character_tokenizer(alphabet, architecture.max_positions)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.kv_heads,
        max_position_embeddings=architecture.max_positions,
        tie_word_embeddings=architecture.tie_embeddings,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "initial weights"))
        model = Qwen2ForCausalLM(config)
    return model.eval(), tokenizer
