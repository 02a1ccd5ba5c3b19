"""Dynamic sampling (DAPO, arXiv 2503.14476): groups without signal are replaced by groups of other prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from verizero.config.axes import Selection
from verizero.objective.advantage import zero_variance
from verizero.training.learner import Score
from verizero.training.rollouts import Outcomes, Response


@dataclass(frozen=True)
class Round:
    """What was sampled at once."""

    responses: list[Response]
    """Of this rank."""
    known: Outcomes
    """Of all ranks."""
    checked: Mapping[int, Score] = field(default_factory=dict)
    """The learner's scores of the responses that the engine was checked by, by their numbers; of this rank."""

    @property
    def silent(self) -> list[bool]:
        """Whether the rewards of each group are all equal, by the place of its prompt."""
        return zero_variance(self.known.rewards, self.known.groups)[:: self.known.samples].tolist()


def filled(rounds: Sequence[Round], prompts: int, how: Selection) -> bool:
    """Whether a step has what it trains on: one round, or as many groups with signal as prompts, or no attempt left."""
    if not rounds or how.zero_variance != "refilled":
        return bool(rounds)
    return sum(not silent for one in rounds for silent in one.silent) >= prompts or len(rounds) >= (how.max_rounds or 1)


def kept_groups(rounds: Sequence[Round], prompts: int) -> Round:
    """As many groups as a step has prompts, those with signal first, in the order of sampling, with new numbers.

    Where there are too few, groups without signal fill the places; they do not enter an update, so its size is known
    before and its weights count only the others.
    """
    if len(rounds) == 1:
        return rounds[0]
    found = [(silent, number, place) for number, one in enumerate(rounds) for place, silent in enumerate(one.silent)]
    new = {(number, place): at for at, (_, number, place) in enumerate(sorted(found)[:prompts])}
    samples = rounds[0].known.samples

    def renumbered(which: int, old: int) -> int | None:
        at = new.get((which, old // samples))
        return None if at is None else at * samples + old % samples

    rows, responses, checked = [], [], {}
    for which, one in enumerate(rounds):
        for row in one.known.rows:
            if (number := renumbered(which, row.number)) is not None:
                rows.append(replace(row, number=number))
        for response in one.responses:
            if (number := renumbered(which, response.number)) is not None:
                responses.append(replace(response, number=number))
        for old, score in one.checked.items():
            if (number := renumbered(which, old)) is not None:
                checked[number] = score
    return Round(responses, Outcomes(sorted(rows, key=lambda row: row.number), samples), checked)


def sampled(rounds: Sequence[Round]) -> Outcomes:
    """Everything that a step sampled, kept or not."""
    return Outcomes([row for one in rounds for row in one.known.rows], rounds[0].known.samples)
