"""A small decoder with random weights, and a tokenizer whose tokens are characters."""

from __future__ import annotations

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.models.qwen2 import Qwen2Config, Qwen2ForCausalLM

from verizero.artifacts.seeds import derive_seed
from verizero.config.sources import Scratch

END, PAD = "<eos>", "<pad>"


def character_tokenizer(alphabet: str) -> PreTrainedTokenizerFast:
    """Ids in the order of the alphabet, then the end and the padding token; nothing is put before a prompt.

    Raises:
        ValueError: a character is in the alphabet twice.
    """
    if len(set(alphabet)) != len(alphabet):
        raise ValueError("a character is in the alphabet twice")
    vocabulary = {token: index for index, token in enumerate([*alphabet, END, PAD])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False)


def scratch_policy(source: Scratch) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model that a `scratch` source describes; equal sources give equal weights."""
    tokenizer = character_tokenizer(source.alphabet)
    shape = source.architecture
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.max_positions,
        tie_word_embeddings=shape.tie_embeddings,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(source.seed, "initial weights"))
        model = Qwen2ForCausalLM(config)
    return model.eval(), tokenizer
