"""Which prompts a step takes: the problems in epochs, from easy to hard, or those that are about half solved first.

Each is a function of the seed, the step and what the steps before it have measured, so that a run that goes on takes what it would have taken.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

from verizero.artifacts.errors import UserError
from verizero.artifacts.seeds import derive_seed
from verizero.config.optimizers import Optimizer
from verizero.problems.problem import Problem
from verizero.training.batches import prompts_of_step
from verizero.training.history import recent_rates


def chosen_prompts(
    step: int,
    settings: Optimizer,
    problems: Sequence[Problem],
    seed: int,
    history: Sequence[tuple[int, Mapping[str, float]]],
) -> list[int]:
    """The problems of a step (steps count from 1), as indices.

    Args:
        history: the steps before, and in each the share of right completions by problem id; for rule `pass-rate`.
    """
    how, prompts = settings.order, settings.rollout.prompts
    match how.rule:
        case "epochs":
            return prompts_of_step(step, prompts, len(problems), seed)
        case "curriculum":
            ranks = tuple(difficulty_ranks([problem.difficulty or 0.0 for problem in problems]))
            path = curriculum(ranks, settings.steps * prompts, how.mix or 0.0, seed)
            return list(path[(step - 1) * prompts : step * prompts])
        case "pass-rate":
            rates = recent_rates(history, how.recent or 1.0)
            weights = [interest(rates.get(problem.id), how.floor or 0.0) for problem in problems]
            return weighted(weights, prompts, derive_seed(seed, "prompts by pass rate", step))


def require_difficulty(problems: Sequence[Problem], settings: Optimizer) -> None:
    """A curriculum needs to know what is hard.

    Raises:
        UserError: a problem has no difficulty.
    """
    if settings.order.rule == "curriculum" and (absent := [one.id for one in problems if one.difficulty is None]):
        raise UserError(
            f"order.rule is `curriculum`, but {len(absent)} of {len(problems)} training problems have no difficulty (the first is {absent[0]}); "
            "give the training set a `difficulty`"
        )


def difficulty_ranks(difficulties: Sequence[float]) -> list[float]:
    """Where each problem is between the easiest, 0, and the hardest, 1; equally hard ones are at one place, their middle."""
    order = sorted(difficulties)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, value in enumerate(order):
        first.setdefault(value, place)
        last[value] = place
    return [(first[value] + last[value]) / 2 / max(1, len(order) - 1) for value in difficulties]


@functools.lru_cache(maxsize=4)
def curriculum(ranks: tuple[float, ...], draws: int, mix: float, seed: int) -> tuple[int, ...]:
    """All draws of a run, from easy to hard; each problem is drawn equally often, up to one.

    A draw's place is (1 - mix) times its problem's rank plus mix times a number from the hash of seed, problem and copy: 0 is strictly sorted,
    1 a shuffle.
    """
    whole, rest = divmod(draws, len(ranks))
    more = sorted(range(len(ranks)), key=lambda problem: (derive_seed(seed, "once more", problem), problem))[:rest]
    copies = [(problem, copy) for problem in range(len(ranks)) for copy in range(whole)]
    copies += [(problem, whole) for problem in more]

    def place(one: tuple[int, int]) -> tuple[float, float]:
        drawn = derive_seed(seed, "curriculum", *one) / 2**63
        return (1 - mix) * ranks[one[0]] + mix * drawn, drawn

    return tuple(problem for problem, _ in sorted(copies, key=place))


def interest(rate: float | None, floor: float) -> float:
    """How much a group of a problem is likely to teach: 4 p (1 - p), which is 1 at one half; a problem that was never drawn counts as that."""
    return max(floor, 1.0 if rate is None else 4 * rate * (1 - rate))


def weighted(weights: Sequence[float], count: int, seed: int) -> list[int]:
    """So many indices, by weight and without replacement; more than there are begin anew.

    By Efraimidis and Spirakis (2006): the largest of log(u) / weight, where u is a hash of the seed and the index.
    """

    def key(index: int) -> tuple[float, int]:
        drawn = (derive_seed(seed, index) + 1) / (2**63 + 1)
        return (-math.log(drawn) / weights[index] if weights[index] > 0 else math.inf, index)

    order = sorted(range(len(weights)), key=key)
    return [order[place % len(order)] for place in range(count)]
