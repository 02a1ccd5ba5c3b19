r"""Paper C: SimpleRL-Zoo, Zeng et al. 2025, arXiv 2503.18892; github.com/hkust-nlp/simpleRL-reason (`hf_math_verify.py`).

Its reward in training: the answer as Qwen2.5-Math's evaluation extracts it, put into a box, compared by math-verify. A box
is not required (reward type `mix`); the penalties of its other types are no grader's business. Unknown: how it configures
math-verify (as by default here), and whether the gold is put into a box (as here) or stripped as the answer is (not here: of
360 golds of MATH500, OlympiadBench and Minerva, 5 in boxes were then not equal to themselves). Its 10 s are of the clock,
ours of the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verizero.reward.papers import readings
from verizero.reward.papers.common import Outcome, decided, judged, refused, same_integer
from verizero.reward.papers.qwen_answer import extracted, finished, stripped
from verizero.reward.verdict import Question, Status, Verdict

SECONDS = 10.0


def decide(golds: Sequence[str], response: str) -> Verdict | Question:
    """The extracted answer; equal texts and plain integers need no algebra."""
    return refused(response, searched=True) or decided(golds, extracted(finished(response)), _by_text, stripped)


def judge(golds: list[str], answer: str) -> dict[str, Any]:
    """math-verify on both in boxes."""
    return judged(golds, answer, _by_math_verify, stripped)


def _by_text(gold: str, answer: str) -> Outcome | None:
    answer = stripped(answer)
    if gold == answer:
        return True, "exact"
    same = same_integer(gold, answer)
    return None if same is None else (same, "integer")


def _by_math_verify(gold: str, answer: str) -> tuple[Status, str]:
    return readings.verdict_on(*(readings.read(f"\\boxed{{{text}}}") for text in (gold, stripped(answer))))
