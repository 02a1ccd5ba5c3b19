"""The texts of tokens, laid side by side, are the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_small import ALPHABET, small_policy
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from verizero.policy.token_texts import token_texts


def bytes_tokenizer():
    """As GPT-2's and Qwen's: tokens are bytes, and some are several."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "a"), ("Ã", "©"), ("b", "â")]
    vocabulary = {piece: number for number, piece in enumerate([*letters, *(one + two for one, two in merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


def words_tokenizer():
    """As Llama's: a word brings its space, which is dropped at the beginning of a text."""
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", "▁one", "▁two", "s"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")


BYTES = bytes_tokenizer()


@given(st.lists(st.text(), max_size=3))
def test_side_by_side_they_are_the_text(texts):
    rows = [BYTES(text)["input_ids"] for text in texts]
    found = token_texts(BYTES, rows)
    assert ["".join(row) for row in found] == texts
    assert [len(row) for row in found] == [len(row) for row in rows]


@given(st.lists(st.integers(0, len(BYTES) - 1), max_size=40))
def test_bytes_that_are_no_text_have_a_text_all_the_same(ids):
    [found] = token_texts(BYTES, [ids])
    assert len(found) == len(ids)
    "".join(found).encode("utf-8")


def test_a_character_of_several_tokens_belongs_to_the_first():
    ids = BYTES("a€b")["input_ids"]
    assert token_texts(BYTES, [ids]) == [["a", "€", "", "", "b"]]


def test_a_special_token_has_its_name():
    assert token_texts(BYTES, [[BYTES.eos_token_id]]) == [["<|end|>"]]


@pytest.mark.parametrize("ids", [[1, 2, 3], [2, 2, 1]])
def test_the_first_word_keeps_its_space(ids):
    names = {1: " one", 2: " two", 3: "s"}
    assert token_texts(words_tokenizer(), [ids]) == [[names[token] for token in ids]]


def test_a_character_tokenizer_has_one_character_a_token():
    _, tokenizer = small_policy()
    assert token_texts(tokenizer, [tokenizer(ALPHABET)["input_ids"], []]) == [list(ALPHABET), []]
