"""Does the engine sample from the policy that is being trained? A stale weight after a sync is silent and ruins a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verizero.artifacts.errors import UserError
from verizero.training.learner import Score
from verizero.training.rollouts import Response
from verizero.training.scores import Scores
from verizero.training.world import World

CHECKED_TOKENS = 4096
"""Response tokens that each rank checks at a step, roughly: enough for a mean, and little beside a rollout."""


@dataclass(frozen=True)
class LogprobGap:
    """Difference between the engine's and the learner's log-probabilities of the sampled tokens, in nats."""

    mean: float
    """Of its absolute value, over all ranks' checked tokens."""
    max: float
    entropy: float
    """Mean entropy of the learner's policy over the checked tokens, in nats."""


def to_check(responses: Sequence[Response], samples: int) -> list[Response]:
    """The first response to each prompt, until there are enough tokens; one at least.

    Which of a group is first does not depend on what it says, so that means over these are means over the rollout.
    """
    chosen: list[Response] = []
    for response in responses[::samples]:
        if chosen and sum(len(other.tokens) for other in chosen) >= CHECKED_TOKENS:
            break
        chosen.append(response)
    return chosen


def check_logprobs(responses: Sequence[Response], policy: Scores, limit: float, step: int) -> LogprobGap:
    """Score some responses with the learner and compare that with what the engine said of their tokens.

    Raises:
        UserError: the mean gap is above the limit; the engine samples from another policy.
    """
    scores = policy.of(responses)
    gap = logprob_gap(responses, [scores[response.number] for response in responses], policy.learner.world)
    require_close(gap, limit, step)
    return gap


def logprob_gap(responses: Sequence[Response], scores: Sequence[Score], world: World) -> LogprobGap:
    """Compare what the engine said of its tokens with what the learner says."""
    total = tokens = entropy = largest = 0.0
    for response, score in zip(responses, scores, strict=True):
        difference = (score.logprobs.double() - score.logprobs.new_tensor(response.completion.logprobs).double()).abs()
        total += float(difference.sum())
        largest = max(largest, float(difference.max()))
        entropy += float(score.entropies.double().sum())
        tokens += len(response.tokens)
    total, tokens, entropy = world.sums([total, tokens, entropy])
    return LogprobGap(total / tokens, world.maxima([largest])[0], entropy / tokens)


def require_close(gap: LogprobGap, limit: float, step: int) -> None:
    """Stop the run when the engine samples from another policy.

    Raises:
        UserError: the mean gap is above the limit, or is no number.
    """
    if not gap.mean <= limit:
        raise UserError(
            f"step {step}: the engine's log-probabilities differ from the learner's by {gap.mean:.4f} nats on average "
            f"(at most {gap.max:.4f}), above rollout.max_logprob_gap {limit}: the engine does not sample from the weights that are "
            f"trained. Look at the weight sync and at rollout.dtype; raise the limit only if the precision explains the gap"
        )
