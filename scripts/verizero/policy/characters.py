"""A tokenizer over single characters, for models trained from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END, PADDING, UNKNOWN = "<eos>", "<pad>", "<unk>"


def character_tokenizer(alphabet: str, max_length: int) -> PreTrainedTokenizerFast:
    """One token a character, in the alphabet's order from id 0, then `<eos>`, `<pad>` and `<unk>`; no beginning token.

    Args:
        max_length: longest text, in tokens, as the tokenizer's configuration will say.

    Raises:
        UserError: a character is in the alphabet twice.
    """
    from tokenizers import Regex, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    if twice := sorted({character for character in alphabet if alphabet.count(character) > 1}):
        raise UserError(
            f"source.alphabet of the model has {', '.join(map(repr, twice))} more than once; each character is one token"
        )
    vocabulary = {character: number for number, character in enumerate([*alphabet, END, PADDING, UNKNOWN])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        padding_side="left",
        character_alphabet=alphabet,
    )
