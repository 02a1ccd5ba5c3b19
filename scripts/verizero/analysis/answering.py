r"""Whether a response attempts to answer its question, by rules; right or wrong does not matter.

It stands in for paper A's judge (arXiv 2503.20783, section 2), which no offline study has. `docs/probes.md` has the rubric, and
how far the rules agree with labels given by a reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from verizero.analysis.repetition import repetitive
from verizero.problems.text import boxes

# fmt: off
Reason = Literal[
    "box", "answer_tag", "phrase", "working", "number",
    "empty", "new_question", "other_speaker", "repetition", "off_topic", "nothing",
]
# fmt: on


@dataclass(frozen=True)
class Answering:
    """Whether a response attempts to answer, and the first rule that decided it."""

    attempts: bool
    reason: Reason


_QUESTION = r"(?:\*\*|#+ )?(?:Question|Problem|Exercise|Q|Task|Example)(?:\*\*)?(?: ?\d+(?:\.\d+)*)?(?:\*\*)? ?[:.]"
_SPEAKER = r"(?:\*\*)?(?:User|Human|Student|Teacher|Customer|Assistant)(?:\*\*)? ?:|<\|im_start\|> ?user|\[INST\]"
_TURN = re.compile(rf"(?:\A|\n)[ \t]*(?:(?P<question>{_QUESTION})|(?P<speaker>{_SPEAKER}))")
_PHRASE = re.compile(
    r"\b(?:the|my|our|final|correct) (?:\w+ )?(?:answer|solution|result) (?:is|:|=|would be|will be)"
    r"|\b(?:final )?answer ?(?:is|:)|####|\b(?:therefore|thus|hence|so),? [^\n]{1,160}?\d",
    re.IGNORECASE,
)
_ANSWER_TAG = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)
_WORKING = re.compile(r"\d[\d.,]*\s*(?:[-+*/×÷=^]|\\times|\\cdot|\\div|plus|minus|times|divided by)|=\s*\$?-?\d|\\frac")
_NUMBER = re.compile(r"(?<![\w.])-?\$?\d[\d,]*(?:\.\d+)?%?(?![\w])")
_WORD = re.compile(r"[A-Za-z]{4,}|\d+(?:\.\d+)?")
LEAST_OVERLAP = 0.12
"""Share of the question's words and numbers that a response on it has in it."""


def answering(response: str, question: str) -> Answering:
    """The class of a response, by the first rule that applies to its first turn.

    Its first turn ends where a new question or another speaker begins.
    """
    turn, cut = first_turn(response)
    if not re.search(r"\w", turn):
        return Answering(False, cut or "empty")
    if any(box.content and box.content.strip() for box in boxes(turn)):
        return Answering(True, "box")
    if (tag := _ANSWER_TAG.search(turn)) and tag[1].strip():
        return Answering(True, "answer_tag")
    if overlap(turn, question) < LEAST_OVERLAP and len(turn) > 80:
        return Answering(False, "off_topic")
    if _PHRASE.search(turn):
        return Answering(True, "phrase")
    if repetitive(turn):
        return Answering(False, "repetition")
    if _WORKING.search(turn):
        return Answering(True, "working")
    if len(turn) < 120 and _NUMBER.search(turn):
        return Answering(True, "number")
    return Answering(False, cut or "nothing")


def first_turn(response: str) -> tuple[str, Literal["new_question", "other_speaker"] | None]:
    """The response up to where a new question or another speaker begins, and which of the two it was."""
    if not (match := _TURN.search(response)):
        return response, None
    return response[: match.start()], "new_question" if match["question"] else "other_speaker"


def overlap(response: str, question: str) -> float:
    """Share of the different words (of four letters or more) and numbers of a question that its response has, in 0..1."""
    asked = {word.lower() for word in _WORD.findall(question)}
    return len(asked & {word.lower() for word in _WORD.findall(response)}) / len(asked) if asked else 1.0
