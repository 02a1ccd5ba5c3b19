"""Labels and texts that a set changes on purpose: to see what training makes of a wrong label, or of another wording."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from verizero.artifacts.errors import UserError
from verizero.artifacts.seeds import derive_seed
from verizero.config.problem_sets import Difficulty, Labels, Replacement
from verizero.problems.evidence import Evidence
from verizero.problems.golds import answer_type
from verizero.problems.problem import Problem
from verizero.problems.ranking import mean_failure
from verizero.problems.text import normalised


def replaced(problems: Sequence[Problem], changes: Mapping[str, Replacement]) -> list[Problem]:
    """The problems with other texts and labels where the set says so.

    Raises:
        UserError: a problem is named that is not there.
    """
    if absent := changes.keys() - {problem.id for problem in problems}:
        raise UserError(f"`replace` names the problem {min(absent)}, which is not in the set")
    return [_with(problem, changes[problem.id]) if problem.id in changes else problem for problem in problems]


def _with(problem: Problem, change: Replacement) -> Problem:
    found = problem.model_copy(update={"problem": change.problem or problem.problem})
    return relabelled(found, change.answers) if change.answers else found


def relabelled(problem: Problem, answers: list[str]) -> Problem:
    """A problem with another label, which remembers its own; a worked solution would contradict it and goes."""
    return problem.model_copy(
        update={
            "answers": answers,
            "answer_type": answer_type(answers),
            "original_answers": problem.original_answers or problem.answers,
            "solution": None,
            "tolerance": None,
        }
    )


def with_wrong_labels(problems: Sequence[Problem], how: Labels) -> list[Problem]:
    """A share of the problems gets labels of others (arXiv 2504.20571, appendix C: random wrong labels).

    Which ones, and whose label each gets, are functions of the seed and of ids. The share is rounded to a whole number of problems. A
    label is taken from a problem with the same kind of answer where there is one that differs.

    Raises:
        UserError: no other label differs from a problem's own.
    """
    order = sorted(problems, key=lambda problem: (derive_seed(how.seed, "wrong label", problem.id), problem.id))
    chosen = {problem.id for problem in order[: math.floor(how.wrong_share * len(problems) + 0.5)]}
    return [_mislabelled(problem, order, how.seed) if problem.id in chosen else problem for problem in problems]


def _mislabelled(problem: Problem, others: Sequence[Problem], seed: int) -> Problem:
    own = {normalised(answer) for answer in problem.answers}
    start = derive_seed(seed, "whose label", problem.id) % len(others)
    turned = [*others[start:], *others[:start]]
    wrong = [one for one in turned if not own & {normalised(answer) for answer in one.answers}]
    if not wrong:
        raise UserError(
            f"`labels`: every problem of the set has the answer of {problem.id}, so there is no wrong label for it"
        )
    same = [one for one in wrong if one.answer_type == problem.answer_type]
    return relabelled(problem, (same or wrong)[0].answers)


def by_difficulty(problems: Sequence[Problem], how: Difficulty, evidence: Evidence) -> list[Problem]:
    """The problems with their difficulties, the easiest first, equals in their order.

    Raises:
        UserError: a problem has none.
    """
    if how.by == "history":
        known = mean_failure(evidence.history(how.run, how.history))
    elif how.by == "pass-rate" and how.graded:
        known = {problem.id: 1.0 - evidence.pass_rate(how.graded, problem) for problem in problems}
    else:
        known = {problem.id: float(problem.level) for problem in problems if problem.level is not None}
    if absent := [problem.id for problem in problems if problem.id not in known]:
        raise UserError(
            f"`difficulty.by` is `{how.by}`, but {len(absent)} of {len(problems)} problems have none (the first is {absent[0]}); filter them out"
        )
    found = [problem.model_copy(update={"difficulty": known[problem.id]}) for problem in problems]
    return sorted(found, key=lambda problem: problem.difficulty or 0.0)
