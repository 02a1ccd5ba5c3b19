"""What a run reads: the prompts of its problems, those that are too long left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.config.optimizers import Optimizer, Template
from verizero.policy.load import context_length, load_tokenizer
from verizero.policy.prompts import prompt_token_ids
from verizero.problems.problem import Problem


@dataclass(frozen=True)
class Prompts:
    """Problems and their prompts, in the order of the training set."""

    problems: list[Problem]
    token_ids: list[list[int]]
    too_long: int
    """How many problems were left out."""

    @property
    def longest(self) -> int:
        """In tokens."""
        return max(len(ids) for ids in self.token_ids)


def readable_prompts(problems: Sequence[Problem], template: Template, folder: Path, settings: Optimizer) -> Prompts:
    """The problems whose prompt has at most `rollout.max_prompt_tokens` tokens.

    Args:
        folder: of the model, for its tokenizer and the number of its positions.

    Raises:
        UserError: none is left, or the model cannot read the longest of them with its completion.
    """
    tokenizer = load_tokenizer(folder)
    limit, answer = settings.rollout.max_prompt_tokens, settings.rollout.max_tokens
    pairs = [(problem, prompt_token_ids(tokenizer, template, problem.problem)) for problem in problems]
    kept = [(problem, ids) for problem, ids in pairs if len(ids) <= limit]
    if not kept:
        raise UserError(f"none of the {len(pairs)} prompts has at most rollout.max_prompt_tokens = {limit} tokens")
    prompts = Prompts([problem for problem, _ in kept], [ids for _, ids in kept], len(pairs) - len(kept))
    if prompts.longest + answer > (positions := context_length(folder, None)):
        raise UserError(
            f"the longest prompt has {prompts.longest} tokens and rollout.max_tokens is {answer}, but the model reads "
            f"{positions} in all; lower rollout.max_tokens or rollout.max_prompt_tokens"
        )
    return prompts
