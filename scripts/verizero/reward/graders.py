"""Named graders: each is a rule by which a response is right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verizero.artifacts.errors import UserError
from verizero.reward import quick, symbolic
from verizero.reward.papers import math_verify_readme, paper_a, paper_b, paper_c, qwen_math_equal
from verizero.reward.verdict import Accepted, Question, Verdict
from verizero.reward.worker import Judge

__all__ = ["GRADERS", "Grader", "Verdict", "grader"]


@dataclass(frozen=True)
class Grader:
    """A grading rule; what its quick rules leave open goes to the workers of a `GradingPool`."""

    name: str
    decide: Callable[[Accepted, str], Verdict | Question]
    judge: Judge
    """Answers the questions, in a worker: a function of a module."""
    cpu_seconds: float | None = None
    """Processor time for one answer, where it is not the pool's."""


def _of_golds(
    rule: Callable[[Sequence[str], str], Verdict | Question],
) -> Callable[[Accepted, str], Verdict | Question]:
    """The others' rules know the golds' texts, and neither a tolerance nor a unit beside them."""
    return lambda accepted, response: rule(accepted.answers, response)


GRADERS = {
    one.name: one
    for one in (
        Grader("verizero", quick.decide, symbolic.judge),
        Grader("paper-a-fast", _of_golds(paper_a.decide_fast), paper_a.judge_fast),
        Grader("paper-a-full", _of_golds(paper_a.decide_full), paper_a.judge_full),
        Grader("paper-b", _of_golds(paper_b.decide), paper_b.judge),
        Grader("paper-c", _of_golds(paper_c.decide), paper_c.judge, paper_c.SECONDS),
        Grader("qwen-math-equal", _of_golds(qwen_math_equal.decide), qwen_math_equal.judge, qwen_math_equal.SECONDS),
        Grader("math-verify", _of_golds(math_verify_readme.decide), math_verify_readme.judge),
    )
}
"""`verizero`: the last complete box; exact text, numbers, words, letters; then algebra with a relative tolerance of 1e-9.
The others are those of `papers/`, each under its paper's name."""


def grader(name: str) -> Grader:
    """A grader by its name.

    Raises:
        UserError: there is none of that name.
    """
    if name not in GRADERS:
        raise UserError(f"grader `{name}` is not defined; choices: {', '.join(GRADERS)}")
    return GRADERS[name]
