"""How a policy sees a step's responses before the step's updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from verizero.config.axes import Kl
from verizero.objective.kl import kl
from verizero.training.learner import Learner, Score
from verizero.training.rollouts import Response


class Scores:
    """Scores of a step's responses under the learner's policy, or another model; each response is scored once.

    All ranks ask together, before the first update of the step.

    Args:
        known: the scores so far, by a response's number; new ones are put there.
    """

    def __init__(self, learner: Learner, known: dict[int, Score], model: nn.Module | None = None) -> None:
        self.learner, self.known, self.model = learner, known, model

    def of(self, responses: Sequence[Response]) -> dict[int, Score]:
        """The scores of these responses by their number."""
        new = [response for response in responses if response.number not in self.known]
        found = self.learner.score([(response.prompt, response.tokens) for response in new], self.model)
        self.known |= {response.number: score for response, score in zip(new, found, strict=True)}
        return {response.number: self.known[response.number] for response in responses}


def reward_penalties(
    how: Kl, responses: Sequence[Response], policy: Scores, reference: Scores
) -> Mapping[int, Float[Tensor, " token"]]:
    """What the divergence from the reference policy takes from the reward at each token, by the response's number."""
    if how.where != "reward":
        return {}
    here, there = policy.of(responses), reference.of(responses)
    return {n: how.coefficient * kl(here[n].logprobs, there[n].logprobs, how.estimator).double() for n in here}
