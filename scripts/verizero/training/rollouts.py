"""A step's completions: who sampled which, what they earned, and what all ranks know about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from verizero.config.optimizers import Reward
from verizero.reward.extraction import boxed
from verizero.reward.overlong import soft_overlong
from verizero.reward.rewards import Completed, reward
from verizero.reward.verdict import Verdict
from verizero.rollout.engine import Completion


@dataclass(frozen=True)
class Response:
    """A completion sampled by this rank."""

    number: int
    """Within the step, over all ranks: place of its prompt in the step times samples, plus its place in the group."""
    prompt: list[int]
    completion: Completion

    @property
    def tokens(self) -> list[int]:
        """The sampled token ids, the end-of-sequence token included."""
        return self.completion.token_ids

    @property
    def truncated(self) -> bool:
        """Whether it met the token limit."""
        return self.completion.finish == "length"


@dataclass(frozen=True)
class Outcome:
    """What every rank knows about a response of the step, wherever it was sampled."""

    number: int
    length: int
    """Tokens."""
    reward: float
    correct: bool
    truncated: bool
    boxed: bool
    status: str
    greedy: float | None = None
    """What the greedy completion to the same prompt earned, where there is one."""
    problem: str = ""
    """Id of the problem that it answers."""


@dataclass(frozen=True)
class Outcomes:
    """All responses of a step, in the order of their numbers."""

    rows: list[Outcome]
    samples: int
    """Completions of each prompt."""

    @property
    def rewards(self) -> Float[Tensor, " response"]:
        """In float64: groups of equal rewards must compare equal."""
        return torch.tensor([row.reward for row in self.rows], dtype=torch.float64)

    @property
    def groups(self) -> Int[Tensor, " response"]:
        """The place of each response's prompt in the step; a problem that occurs twice in a step has two groups."""
        return torch.tensor([row.number // self.samples for row in self.rows])

    @property
    def greedy(self) -> Float[Tensor, " response"] | None:
        """What the greedy completion to each response's prompt earned; None where there are none."""
        found = [row.greedy for row in self.rows if row.greedy is not None]
        return torch.tensor(found, dtype=torch.float64) if found else None

    @property
    def lengths(self) -> Int[Tensor, " response"]:
        """In tokens."""
        return torch.tensor([row.length for row in self.rows])


def numbered(
    places: Sequence[int], prompts: Sequence[list[int]], completions: Sequence[Sequence[Completion]]
) -> list[Response]:
    """Give this rank's completions their numbers.

    Args:
        places: of this rank's prompts in the step.
    """
    found = []
    for place, prompt, group in zip(places, prompts, completions, strict=True):
        found += [Response(place * len(group) + sample, prompt, completion) for sample, completion in enumerate(group)]
    return found


def outcomes(
    responses: Sequence[Response],
    problems: Sequence[str],
    verdicts: Sequence[Verdict],
    draws: Sequence[float],
    values: Reward,
    max_tokens: int,
) -> list[Outcome]:
    """What this rank's responses earn.

    Args:
        problems: id of the problem that each response answers.
        draws: a number in [0, 1) for each response, for rewards that are random.
        max_tokens: of a completion.
    """
    found = []
    for response, problem, verdict, draw in zip(responses, problems, verdicts, draws, strict=True):
        completed = Completed(verdict, boxed(response.completion.text), response.truncated, draw)
        found.append(
            Outcome(
                number=response.number,
                length=len(response.tokens),
                reward=reward(completed, values)
                + soft_overlong(len(response.tokens), max_tokens, values.soft_overlong),
                correct=verdict.correct,
                truncated=response.truncated,
                boxed=completed.boxed,
                status=verdict.status,
                problem=problem,
            )
        )
    return found


def with_greedy(rows: Sequence[Outcome], greedy: Sequence[Outcome], samples: int) -> list[Outcome]:
    """The outcomes, each with what the greedy completion to its prompt earned.

    Args:
        greedy: one for each of this rank's prompts, numbered by the prompt's place.
    """
    earned = {row.number: row.reward for row in greedy}
    return [replace(row, greedy=earned[row.number // samples]) for row in rows]
