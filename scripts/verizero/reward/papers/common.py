"""What the graders of papers share: the limits come first, then their own comparison of each gold with the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from verizero.reward.limits import MAX_DIGIT_RUN, MAX_RESPONSE, exceeded
from verizero.reward.verdict import Question, Status, Verdict

Outcome = tuple[bool, str]
"""Whether the answer equals the gold, and the rule that says so."""

_PLAIN_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,14})")


def refused(response: str, searched: bool = False) -> Verdict | None:
    """The verdict on a response that no rule may read: one too long or, where its text is searched, with a number too long."""
    if len(response) > MAX_RESPONSE:
        return Verdict(False, "limit", rule="response-length")
    if searched and any(
        digit and sum(1 for _ in run) > MAX_DIGIT_RUN for digit, run in groupby(response, str.isdecimal)
    ):
        return Verdict(False, "limit", rule="response-digits")
    return None


def decided(
    golds: Sequence[str], answer: str | None, compare: Callable[[str, str], Outcome | None], form: Callable[[str], str]
) -> Verdict | Question:
    """A verdict where a comparison without algebra suffices, else the question about the golds that it leaves open.

    Args:
        answer: as written.
        compare: of a gold and the answer; None where algebra must say.
        form: the answer as the rules compare it, for the verdict.
    """
    if not answer or answer.isspace():
        return Verdict(False, "empty", answer, rule="nothing-extracted")
    if limit := exceeded(answer):
        return Verdict(False, "limit", answer[:200], rule=f"limit-{limit}")
    readable = [gold for gold in golds if not exceeded(gold)]
    if not readable:
        return Verdict(False, "unparsable_gold", answer, rule="gold-limit")
    left, rule = [], ""
    for gold in readable:
        outcome = compare(gold, answer)
        if outcome is None:
            left.append(gold)
            continue
        right, rule = outcome
        if right:
            return Verdict(True, "correct", answer, form(answer), rule)
    return Question(tuple(left), answer, answer) if left else Verdict(False, "wrong", answer, form(answer), rule)


def judged(
    golds: Sequence[str], answer: str, compare: Callable[[str, str], tuple[Status, str]], form: Callable[[str], str]
) -> dict[str, Any]:
    """A worker's verdict: the first gold that the answer equals, else what was said about the last."""
    status, rule = "wrong", ""
    for gold in golds:
        status, rule = compare(gold, answer)
        if status == "correct":
            break
    return {"correct": status == "correct", "status": status, "normalised": form(answer), "rule": rule}


def same_integer(gold: str, answer: str) -> bool | None:
    """Whether two plain integers are the same; None when one of them is something else."""
    if _PLAIN_INTEGER.fullmatch(gold) and _PLAIN_INTEGER.fullmatch(answer):
        return gold == answer
    return None
