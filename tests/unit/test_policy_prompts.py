"""Prompts: one beginning token where the model wants one, nothing unknown, nothing empty."""

from __future__ import annotations

import pytest
from policy_small import small_policy
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from verizero.artifacts.errors import UserError
from verizero.config.optimizers import Template
from verizero.policy.prompts import prompt_sha256, prompt_token_ids

CHAT = "{{ bos_token }}{% for m in messages %}[{{ m['content'] }}]{% endfor %}"


def word_tokenizer(adds_bos, chat=None):
    vocabulary = {word: number for number, word in enumerate(["<s>", "</s>", "[", "]", "what", "is", "two", "?"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="</s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()])
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    made.chat_template = chat
    return made


@pytest.mark.parametrize("text", ["{question}", "<s>{question}", "<s><s>{question}"])
def test_a_model_that_wants_a_beginning_token_gets_exactly_one(text):
    ids = prompt_token_ids(word_tokenizer(adds_bos=True), Template(text=text), "what is two")
    assert ids == [0, 4, 5, 6]


def test_a_chat_template_that_holds_the_beginning_token_does_not_double_it():
    tokenizer = word_tokenizer(adds_bos=True, chat=CHAT)
    assert prompt_token_ids(tokenizer, Template(text="{question}", chat=True), "what") == [0, 2, 4, 3]


def test_a_model_that_adds_no_beginning_token_gets_none():
    assert prompt_token_ids(word_tokenizer(adds_bos=False), Template(text="{question}"), "what") == [4]


def test_chat_without_a_chat_template_is_refused():
    with pytest.raises(UserError, match="no chat template"):
        prompt_token_ids(word_tokenizer(adds_bos=False), Template(text="{question}", chat=True), "what")


def test_an_empty_prompt_is_refused():
    with pytest.raises(UserError, match="empty prompt"):
        prompt_token_ids(word_tokenizer(adds_bos=True), Template(text="{question}"), " ")


def test_a_character_outside_the_alphabet_is_named():
    _, tokenizer = small_policy()
    with pytest.raises(UserError, match="no 'ö'"):
        prompt_token_ids(tokenizer, Template(text="{question}"), "C3ö=")


def test_every_character_of_the_alphabet_survives_the_tokenizer():
    _, tokenizer = small_policy()
    text = "C3D18=\\boxed{21},?~."
    ids = prompt_token_ids(tokenizer, Template(text="{question}"), text)
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode([*ids, tokenizer.eos_token_id], skip_special_tokens=True) == text


def test_a_prompt_is_identified_by_its_tokens():
    assert prompt_sha256([1, 23]) != prompt_sha256([12, 3])
    assert prompt_sha256([1, 2, 3]) == "8a6ae15122001229"  # printf 1,2,3 | sha256sum
