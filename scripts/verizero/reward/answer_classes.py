"""Which answers to a problem are the same answer, so that responses can vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Verdict

CORRECT = 0
MOST_QUESTIONS = 60
"""Comparisons by algebra that one problem may ask for; beyond, wrong answers that are written differently count as different."""
MOST_CHARACTERS = 200
"""A wrong answer that is longer than this is the same as its own text only."""


@dataclass
class _Wrong:
    """The wrong answers of one problem.

    Attributes:
        waiting: texts whose class is not known yet, in the order of the samples.
        classes: text -> class.
        heads: the first text of each class; class n + 1 is that of head n.
    """

    waiting: list[str] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    asked: int = 0


def answer_classes(problems: Sequence[str], verdicts: Sequence[Verdict], pool: GradingPool) -> list[int | None]:
    """The class of each response's answer among the responses to its problem: 0 is the right answer, others are numbered as they come.

    Right answers are one class, for the grader calls each equal to a gold. Wrong ones are the same if the same grader accepts one where
    the other is the gold. A response without an answer has no class: it does not vote.

    Args:
        problems: the problem of each response.
        verdicts: on each response, in the same order.
        pool: of the grader that gave the verdicts.
    """
    wrong: dict[str, _Wrong] = {}
    for problem, verdict in zip(problems, verdicts, strict=True):
        text = _text(verdict)
        if text is not None and not verdict.correct:
            own = wrong.setdefault(problem, _Wrong())
            if text not in own.classes and text not in own.waiting:
                own.waiting.append(text)
    while open_ones := [own for own in wrong.values() if own.waiting]:
        _one_round(open_ones, pool)
    return [
        CORRECT if verdict.correct else None if (text := _text(verdict)) is None else wrong[problem].classes[text]
        for problem, verdict in zip(problems, verdicts, strict=True)
    ]


def _one_round(problems: Sequence[_Wrong], pool: GradingPool) -> None:
    """Each problem's next text is compared with the classes that it has so far, all in one call of the grader."""
    pairs, owners = [], []
    for own in problems:
        text = own.waiting[0]
        for place, head in enumerate(own.heads):
            if own.asked < MOST_QUESTIONS and max(len(text), len(head)) <= MOST_CHARACTERS:
                pairs.append((Accepted((head,)), f"\\boxed{{{text}}}"))
                owners.append((own, place))
                own.asked += not isinstance(pool.grader.decide(*pairs[-1]), Verdict)
    found: dict[int, int] = {}
    for (own, place), verdict in zip(owners, pool.grade_all(pairs), strict=True):
        if verdict.correct:
            found.setdefault(id(own), place)
    for own in problems:
        text = own.waiting.pop(0)
        if id(own) not in found:
            own.heads.append(text)
        own.classes[text] = found.get(id(own), len(own.heads) - 1) + 1


def _text(verdict: Verdict) -> str | None:
    """What is compared: the normalised answer, else the answer as written; an empty box has none."""
    return (verdict.normalised or verdict.extracted or "").strip() or None
