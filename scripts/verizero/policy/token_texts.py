"""What each token of a text says, for showing a text token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BROKEN = "\N{REPLACEMENT CHARACTER}"


def token_texts(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[list[str]]:
    """The text of each token of each row, special tokens by their names.

    A character whose bytes are spread over several tokens belongs to the first of them, and the others are empty. A text
    that begins with a space keeps it, also where the tokenizer would drop it at the beginning.
    """
    known = {token: _alone(tokenizer, token) for token in sorted({token for row in rows for token in row})}
    return [list(_texts(tokenizer, row, known)) for row in rows]


def _texts(tokenizer: PreTrainedTokenizerBase, row: Sequence[int], known: dict[int, str]) -> Iterator[str]:
    for broken, run in groupby(row, key=lambda token: BROKEN in known[token]):
        tokens = list(run)
        if broken:
            yield _decoded(tokenizer, tokens)
            yield from [""] * (len(tokens) - 1)
        else:
            yield from (known[token] for token in tokens)


def _alone(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """A token's text behind another token: behind itself, which every tokenizer has."""
    first = _decoded(tokenizer, [token])
    return BROKEN if BROKEN in first else _decoded(tokenizer, [token, token])[len(first) :]


def _decoded(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False))
