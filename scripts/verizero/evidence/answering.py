r"""Whether a response attempts to answer its question, by rules; right or wrong does not matter.

It stands in for paper A's judge (arXiv 2503.20783, section 2), which no offline study has. `docs/probes.md` has the rubric, and
how far the rules agree with labels given by a reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from verizero.evidence.repetition import repetitive
from verizero.evidence.solution_words import SOLUTION_WORDS
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
_TURN = re.compile(
    rf"(?:\A|\n)[ \t]*(?:(?P<question>(?:next |new |\[)?{_QUESTION})|(?P<speaker>{_SPEAKER}))", re.IGNORECASE
)
_PHRASE = re.compile(
    r"\b(?:answer|solution|result|total)(?: \w+){0,3}? ?(?:is|are|:|=|would be|will be|should be)\s*(?P<said>[^\n]{0,200})|####\s*(?P<hashes>[^\n]+)",
    re.IGNORECASE,
)
_ANSWER_TAG = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)
_STEP = re.compile(
    r"\d[\d.,]*\s*%?\)?\s*(?:[-+*/×÷=^<>]|\\times|\\cdot|\\div|\bplus\b|\bminus\b|\btimes\b|\bx\b|divided by)\s*[($\\]*[-\w]|=\s*[$(\\]*-?[\d\w]"
    r"|\b(?:multipl|divid|subtract|add|tak|factor)(?:y|ying|e|ing|ed)?\b[^.\n]{0,40}\d|\b(?:gives? us|which is|equals|makes|leaves)\b[^.\n]{0,30}\d",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])-?\$?\d[\d,]*(?:\.\d+)?%?(?!\w)")
_ITEM = re.compile(r"^[ \t]*\(?\d+[.)][ \t]+(?=\S)", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.?!])\s+|\n+")
_TERM = re.compile(r"[A-Za-z]{4,}|\d\d+(?:\.\d+)?")
_WORD = re.compile(r"[A-Za-z]{3,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
LEAST_OVERLAP, MUCH_OVERLAP, LEAST_FAMILIAR, ENOUGH_TO_TELL, ENOUGH_WORDS, EARLY = 0.1, 0.4, 0.6, 120, 25, 200
"""A response on its question has a share of the question's terms, and its words are those of solutions or of the question; fewer
characters or words than enough can't tell. An answer that is stated early needs no such proof."""


def answering(response: str, question: str) -> Answering:
    """The class of a response, by the first rule that applies to its first turn.

    The first turn ends where a new question or another speaker begins. What it copies from the question is no evidence.
    """
    turn, cut = first_turn(response)
    if not re.search(r"\w", turn):
        return Answering(False, cut or "empty")
    if any(box.content and box.content.strip() for box in boxes(turn)):
        return Answering(True, "box")
    own = without_question(turn, question)
    if (tag := _ANSWER_TAG.search(own)) and re.search(r"\w", tag[1]) and "answer here" not in tag[1].lower():
        return Answering(True, "answer_tag")
    phrase = _stated(own)
    if phrase is not None and phrase < EARLY:
        return Answering(True, "phrase")
    if len(turn) >= ENOUGH_TO_TELL and (
        overlap(turn, question) < LEAST_OVERLAP or familiar(turn, question) < LEAST_FAMILIAR
    ):
        return Answering(False, "off_topic")
    if phrase is not None:
        return Answering(True, "phrase")
    if _STEP.search(own) or any(
        re.search(r"[-+*/^=]", "".join(filter(None, found))) for found in _FORMULA.findall(own)
    ):
        return Answering(True, "working")
    if own.rstrip().endswith("?") and len(own) < 2 * ENOUGH_TO_TELL:
        return Answering(False, "new_question")
    if repetitive(turn):
        return Answering(False, "repetition")
    if len(own) >= ENOUGH_TO_TELL and overlap(own, question) >= MUCH_OVERLAP:
        return Answering(True, "working")
    if len(own) < ENOUGH_TO_TELL and _NUMBER.search(_ITEM.sub("", own)):
        return Answering(True, "number")
    return Answering(False, cut or "nothing")


def first_turn(response: str) -> tuple[str, Literal["new_question", "other_speaker"] | None]:
    """The response up to where a new question or another speaker begins, and which of the two it was."""
    if not (match := _TURN.search(response)):
        return response, None
    return response[: match.start()], "new_question" if match["question"] else "other_speaker"


def overlap(response: str, question: str) -> float:
    """Share of a question's terms (different words of four letters or more, numbers of two digits or more) that a response has, in 0..1.

    1 for a question of fewer than three.
    """
    asked, said = ({term.lower() for term in _TERM.findall(_COMMAND.sub(" ", text))} for text in (question, response))
    return len(asked & said) / len(asked) if len(asked) >= 3 else 1.0


def familiar(response: str, question: str) -> float:
    """Share of a response's words that solutions or the question have too, in 0..1; 1 for a response of fewer than 25 words."""
    words, asked = ([word.lower() for word in _WORD.findall(_COMMAND.sub(" ", text))] for text in (response, question))
    if len(words) < ENOUGH_WORDS:
        return 1.0
    known = SOLUTION_WORDS | set(asked)
    return sum(word in known for word in words) / len(words)


def without_question(response: str, question: str) -> str:
    """The response without the sentences and formulas that it copies from the question."""
    sentences = [part.strip() for part in _SENTENCE.split(question)]
    formulas = [
        match[0] for match in _FORMULA.finditer(question) if re.search(r"[\\=^+*/]", match[0])
    ]  # not `$4 and $5`
    for copies in (sentences, formulas):
        for copy in sorted((copy for copy in copies if len(copy) > 3), key=len, reverse=True):
            response = response.replace(copy, " ")
    return response


def _stated(text: str) -> int | None:
    """Where an answer is stated that has a number or a formula in it."""
    for match in _PHRASE.finditer(text):
        said = match["said"] or match["hashes"] or ""
        if re.search(r"\d|\\|[A-Za-z]\s*[=^+]", _SENTENCE.split(said)[0]):
            return match.start()
    return None
