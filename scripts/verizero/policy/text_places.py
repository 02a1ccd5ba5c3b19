"""Where a completion's text stands after round numbers of tokens, so that it can be cut there later without its token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EVERY = (1000, 1024)


def text_places(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int], text: str) -> dict[str, int]:
    """Number of tokens -> length in characters of the text that so many first tokens have written.

    For each multiple of 1,000 and of 1,024 below the completion's length. A character whose bytes a cut would part is left out. A
    number is left out whose first tokens decode to no beginning of the text: then a cut there is refused, not guessed.
    """
    places = {}
    for number in sorted({k for every in EVERY for k in range(every, len(token_ids), every)}):
        begin = str(
            tokenizer.decode(list(token_ids[:number]), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        ).rstrip("\N{REPLACEMENT CHARACTER}")
        if text.startswith(begin):
            places[str(number)] = len(begin)
    return places
