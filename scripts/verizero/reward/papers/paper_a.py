r"""Paper A: Understanding R1-Zero-Like Training, Liu et al. 2025, arXiv 2503.20783; github.com/sail-sg/understand-r1-zero.

`fast` is its reward in training (by default) and `full` its grader in evaluation, which asks math-verify too. Known to
differ: the reward's `</think> <answer>` formats are not here, and responses are graded whole. Unknown: how the original
measures that an answer repeats itself (`_repetitive` is ours); its limits are 1 s of the clock for the third tier, and for
the whole in training, where ours are processor time: 5 s, of which the third tier has 1 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verizero.reward.papers import readings, tiers
from verizero.reward.papers.boxes import last_box
from verizero.reward.papers.common import Outcome, decided, judged, refused
from verizero.reward.papers.strings import formula
from verizero.reward.verdict import Question, Status, Verdict
from verizero.reward.worker import at_most

LONG = 128
"""Characters from which on an answer that repeats itself is not given to math-verify."""
MATH_VERIFY_SECONDS = 1.0


def decide_fast(golds: Sequence[str], response: str) -> Verdict | Question:
    """The last box, by the MATH data set's text or PRM800K's; algebra on the latter is left open."""
    answer = refused(response) or last_box(response)
    return answer if isinstance(answer, Verdict) else decided(golds, answer, tiers.without_algebra, formula)


def decide_full(golds: Sequence[str], response: str) -> Verdict | Question:
    """The last box; what is not right by its text is left open."""
    answer = refused(response) or last_box(response)
    return answer if isinstance(answer, Verdict) else decided(golds, answer, _right_by_text, formula)


def judge_fast(golds: list[str], answer: str) -> dict[str, Any]:
    """The texts and the algebra on them."""
    return judged(golds, answer, _by_tiers, formula)


def judge_full(golds: list[str], answer: str) -> dict[str, Any]:
    """The texts and the algebra on them, then math-verify on the LaTeX; the golds share the time."""
    verdict = judge_fast(golds, answer)
    if verdict["correct"]:
        return verdict
    if len(answer) > LONG and _repetitive(answer):
        return {**verdict, "rule": "repetition"}
    at_most(MATH_VERIFY_SECONDS)
    return judged(golds, answer, _by_math_verify, formula)


def _right_by_text(gold: str, answer: str) -> Outcome | None:
    outcome = tiers.without_algebra(gold, answer)
    return outcome if outcome and outcome[0] else None


def _by_tiers(gold: str, answer: str) -> tuple[Status, str]:
    equal, rule = tiers.with_algebra(gold, answer)
    return ("correct" if equal else "wrong"), rule


def _by_math_verify(gold: str, answer: str) -> tuple[Status, str]:
    golds, answers = (
        readings.read(text if "$" in text else f"${text}$", box_first=True, fallback="no_fallback")
        for text in (gold, answer)
    )
    return readings.verdict_on(golds, answers)


def _repetitive(text: str, width: int = 8) -> bool:
    """Whether fewer than half of the pieces of a text, of `width` characters and beginning anywhere, differ."""
    pieces = [text[place : place + width] for place in range(len(text) - width + 1)]
    return 2 * len(set(pieces)) < len(pieces)
