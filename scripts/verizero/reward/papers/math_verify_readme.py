r"""math-verify as its README has it (github.com/huggingface/Math-Verify): the whole response is read, the gold goes first.

No box is needed, and any number of the text may be the answer. Known faults that stay: numbers are rounded to 6 decimals,
trailing letters are units (`5t` is 5), `101_2` is 101. The gold is read from a box, for without LaTeX delimiters `\frac{9}{7}`
would not be read at all. Known to differ: its 5 s for each reading and comparison are 5 s of processor time for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from verizero.reward.limits import exceeded
from verizero.reward.papers import readings
from verizero.reward.papers.boxes import last_box
from verizero.reward.papers.common import refused
from verizero.reward.verdict import Question, Verdict

SHOWN = 200
"""Characters of an answer that a verdict shows."""


def decide(golds: Sequence[str], response: str) -> Verdict | Question:
    """Everything is left open, but a last box that meets a limit: what else the library would read, only the library knows."""
    if verdict := refused(response, searched=True):
        return verdict
    box = last_box(response)
    if isinstance(box, str) and (limit := exceeded(box)):
        return Verdict(False, "limit", box[:SHOWN], rule=f"limit-{limit}")
    readable = tuple(gold for gold in golds if not exceeded(gold))
    if not readable:
        return Verdict(False, "unparsable_gold", rule="gold-limit")
    return Question(readable, response, box[:SHOWN] if isinstance(box, str) else "")


def judge(golds: list[str], response: str) -> dict[str, Any]:
    """The response is read once and compared with each gold."""
    answers = readings.read(response)
    says: dict[str, Any] = {"correct": False, "normalised": None, "extracted": None}
    if not answers:
        return {**says, "status": "empty", "rule": "nothing-extracted"}
    says["extracted"] = next((text[:SHOWN] for text in answers if isinstance(text, str)), None)
    status, rule = "wrong", ""
    for gold in golds:
        status, rule = readings.verdict_on(readings.read(f"\\boxed{{{gold}}}"), answers)
        if status == "correct":
            break
    return {**says, "correct": status == "correct", "status": status, "rule": rule}
