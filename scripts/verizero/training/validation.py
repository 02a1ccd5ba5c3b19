"""How a run is measured while it trains: the problems of a benchmark, at every so many steps, by seeds of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.artifacts.seeds import derive_seed
from verizero.config.optimizers import Template
from verizero.config.spec import ValidationSpec
from verizero.policy.load import context_length, load_tokenizer
from verizero.policy.prompts import prompt_token_ids
from verizero.problems.problem import Problem
from verizero.problems.text import normalised
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted
from verizero.rollout.engine import Engine, Sampling
from verizero.training.metrics import Metrics, mean
from verizero.training.world import World

ACCURACY = "validation_accuracy"
"""The metric by which a checkpoint is chosen: the share of right answers, over problems and samples."""
UNMEASURED: Metrics = dict.fromkeys(
    (ACCURACY, "validation_length_mean", "validation_truncated_share", "validation_completions")
)
"""Of a step that is not followed by a measurement."""


@dataclass(frozen=True)
class Validation:
    """The problems that a run is measured on, and how.

    Attributes:
        problems, prompts: one prompt for each problem, as token ids.
        steps: of the run; the last one is measured whatever `every` says.
        begin: the policy is the base model until after this step, so nothing is measured.
    """

    how: ValidationSpec
    problems: list[Problem]
    prompts: list[list[int]]
    stop: tuple[str, ...]
    steps: int
    begin: int = 0

    @property
    def reach(self) -> int:
        """Longest prompt plus completion, in tokens."""
        return max(map(len, self.prompts)) + self.how.protocol.max_tokens

    def due(self, step: int) -> bool:
        """Whether a step is followed by a measurement."""
        return step > self.begin and (step % self.how.every == 0 or step == self.steps)

    def measured(self, engine: Engine, grading: GradingPool, world: World) -> Metrics:
        """What the policy that the engine holds says to each problem; all ranks call this together.

        The seeds are the same at every step, so that two steps differ by their weights alone.
        """
        protocol, mine = self.how.protocol, world.share(len(self.problems))
        sampling = Sampling(protocol.temperature, protocol.top_p, protocol.max_tokens, self.stop)
        seeds = [derive_seed(protocol.seed, "validate", self.problems[place].id) for place in mine]
        groups = engine.generate([self.prompts[place] for place in mine], self.how.samples, sampling, seeds)
        answers = [(self.problems[place], one) for place, group in zip(mine, groups, strict=True) for one in group]
        verdicts = grading.grade_all([(Accepted.of(problem), one.text) for problem, one in answers])
        found = world.gather(
            [
                (verdict.correct, len(one.token_ids), one.finish == "length")
                for verdict, (_, one) in zip(verdicts, answers, strict=True)
            ]
        )
        return {
            ACCURACY: mean(correct for correct, _, _ in found),
            "validation_length_mean": mean(length for _, length, _ in found),
            "validation_truncated_share": mean(cut for _, _, cut in found),
            "validation_completions": len(found),
        }

    def best(self, measured: Mapping[int, float]) -> int | None:
        """The step whose weights are kept as the best so far: the highest accuracy, the earliest of equals; None for none.

        Args:
            measured: the accuracy of each step that was measured.
        """
        if not self.how.keep_best or not measured:
            return None
        return min(measured, key=lambda step: (-measured[step], step))


def validation_of(
    how: ValidationSpec, problems: Sequence[Problem], template: Template, folder: Path, steps: int, begin: int = 0
) -> Validation:
    """The problems that a run is measured on: all, or those that come first in the order of SHA-256(id).

    Args:
        folder: of the model, for its tokenizer and the number of its positions.

    Raises:
        UserError: there are too few problems, or the model cannot read the longest of them with its completion.
    """
    wanted = how.problems or len(problems)
    if not problems or wanted > len(problems):
        raise UserError(f"validation.problems is {wanted}, but the benchmark has {len(problems)}")
    chosen = sorted(problems, key=lambda problem: hashlib.sha256(problem.id.encode()).digest())[:wanted]
    tokenizer = load_tokenizer(folder)
    prompts = [prompt_token_ids(tokenizer, template, problem.problem) for problem in chosen]
    found = Validation(how, chosen, prompts, tuple(template.stop), steps, begin)
    if found.reach > (positions := context_length(folder, None)):
        raise UserError(
            f"the longest prompt of the validation with a completion of {how.protocol.max_tokens} tokens has {found.reach}, but the model "
            f"reads {positions}; lower max_tokens of its protocol"
        )
    return found


def require_unseen(validation: Sequence[Problem], training: Sequence[Problem]) -> None:
    """A problem that a run is trained on says nothing of what it can do.

    Raises:
        UserError: a problem is in both sets, by its normalised text.
    """
    seen = {normalised(problem.problem) for problem in training}
    if both := [problem.id for problem in validation if normalised(problem.problem) in seen]:
        raise UserError(
            f"{len(both)} of {len(validation)} problems of the validation's benchmark are training problems, `{both[0]}` is one; name the "
            "benchmark in `exclude` of the training set"
        )


def accuracies(events: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """The accuracy of each step that was measured."""
    found = {event["step"]: event["metrics"].get(ACCURACY) for event in events}
    return {step: accuracy for step, accuracy in found.items() if accuracy is not None}
