"""A problem becomes the token ids that the policy reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verizero.artifacts.canonical import sha256_text
from verizero.artifacts.errors import UserError
from verizero.config.optimizers import Template
from verizero.problems.templates import render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prompt_token_ids(tokenizer: PreTrainedTokenizerBase, template: Template, question: str) -> list[int]:
    """The prompt of a question, with exactly one beginning-of-sequence token where the model wants one.

    Engines get these ids and never the text: a chat template that holds the token, tokenized by a tokenizer that adds
    it, doubles it and costs accuracy (vLLM pull request 27515, open-r1 462).

    Raises:
        UserError: the prompt is empty, holds a character that the tokenizer does not know, or the template wants a
            chat template that the tokenizer does not have.
    """
    text = render(template, question)
    if template.chat:
        if not tokenizer.chat_template:
            raise UserError(
                f"the template `{template.text[:40]}` has `chat: true`, but the tokenizer of the model has no chat template"
            )
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
    ids = text_token_ids(tokenizer, text)
    if wants_bos(tokenizer):
        while ids and ids[0] == tokenizer.bos_token_id:
            ids = ids[1:]
        ids = [tokenizer.bos_token_id, *ids] if ids else []
    if not ids:
        raise UserError(f"the template gives an empty prompt for the question {question[:40]!r}")
    return ids


def text_token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The token ids of a text, nothing added.

    Raises:
        UserError: the text holds a character that a character tokenizer does not know.
    """
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if (
        tokenizer.unk_token_id is not None
        and tokenizer.unk_token_id in ids
        and "character_alphabet" in tokenizer.init_kwargs
    ):
        unknown = sorted(set(text) - set(tokenizer.get_vocab()))
        raise UserError(
            f"the model's alphabet has no {', '.join(map(repr, unknown))} (in {text[:40]!r}); its `alphabet` in config/registry/models.yaml lists what it can read"
        )
    return ids


def wants_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer itself puts a beginning-of-sequence token before a text."""
    if tokenizer.bos_token_id is None:
        return False
    added = (
        tokenizer.build_inputs_with_special_tokens([])
        if not getattr(tokenizer, "is_fast", False)
        else tokenizer("")["input_ids"]
    )
    return tokenizer.bos_token_id in list(added)[:1]


def prompt_sha256(token_ids: Sequence[int]) -> str:
    """16 hex digits that identify a prompt: the beginning of the SHA-256 of its token ids, written with commas."""
    return sha256_text(",".join(map(str, token_ids)))[:16]
