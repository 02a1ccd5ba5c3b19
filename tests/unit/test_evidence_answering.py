"""Whether a response attempts to answer: the rules, and how far they agree with a reader's labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verizero.evidence.answering import answering, familiar, overlap
from verizero.statistics.agreement import cohen_kappa

DATA = Path(__file__).parent / "data"
QUESTION = "Mulan has $40. Her father gave her $100. She buys two pairs of jeans at $30 each. How much money does Mulan have left?"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("She spends 2 * 30 = 60, so \\boxed{80}.", "box"),
        ("I am done </think> <answer>80</answer>", "answer_tag"),
        ("\n\nThe answer is: 10.", "phrase"),
        ("First, Mulan buys 2 pairs and pays 2 * 30 = 60 for them.", "working"),
        ("80 dollars", "number"),
        (
            "Mulan has the money of her father, and she buys the jeans; each pair of jeans takes some of the money. Then we look at what is left.",
            "working",
        ),
    ],
)
def test_an_attempt_is_known_by_its_first_evidence(response: str, reason: str) -> None:
    found = answering(response, QUESTION)
    assert (found.attempts, found.reason) == (True, reason)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("", "empty"),
        (" \n\\boxed{}", "nothing"),
        ("\n\nQuestion: A bat and a ball cost $1.10. How much is the ball?\nAnswer: \\boxed{0.05}", "new_question"),
        ("\nuser: The answer is 1.5 gallons.", "other_speaker"),
        ("Given that Bob has 2 of them, how many can he renovate?", "new_question"),
        ("The answer is in <answer> answer here </answer> tags.", "nothing"),
        ("I love football. " * 100, "off_topic"),
        ("Mulan has money left. " * 100, "repetition"),
        (QUESTION, "nothing"),
        ("Note that this is a classic example of a money problem.", "nothing"),
    ],
)
def test_what_attempts_nothing_says_why(response: str, reason: str) -> None:
    found = answering(response, QUESTION)
    assert (found.attempts, found.reason) == (False, reason)


def test_what_follows_the_first_turn_is_no_evidence() -> None:
    assert answering("80.\n\nQuestion: What is 1 + 1?\nAnswer: \\boxed{2}", QUESTION).reason == "number"


def test_an_answer_that_is_the_question_again_is_none() -> None:
    question = "Compute $17^{-1}\\pmod{83}$. Express your answer as a residue."
    assert not answering(" Compute $17^{-1}\\pmod{83}$.\n\nThe answer is $17^{-1}\\pmod{83}$.", question).attempts
    assert answering("The answer is $5$.", question).attempts


def test_shares_are_of_the_question_and_of_the_response() -> None:
    assert overlap("Mulan buys jeans", "Mulan buys 30 jeans") == 0.75 and overlap("", "$x$?") == 1.0
    assert familiar("creative thinking " * 20, "") < 0.5 and familiar("creative", "") == 1.0


def _agreement(part: str) -> tuple[float, int]:
    """Kappa of the rules and the labels of a part, and its number of rows."""
    questions = {row["problem"]: row["question"] for row in _rows("answering_problems.jsonl")}
    rows = [row for row in _rows("answering.jsonl") if row["part"] == part]
    found = [answering(row["text"], questions[row["problem"]]).attempts for row in rows]
    return cohen_kappa([bool(row["attempts"]) for row in rows], found), len(rows)


def _rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("part", "kappa", "rows"), [("first", 0.898, 135), ("second", 0.787, 135), ("third", 0.755, 120)]
)
def test_the_rules_agree_with_a_reader_as_far_as_the_docs_say(part: str, kappa: float, rows: int) -> None:
    """The third part was sampled and labelled after the last change of the rules; the other two they were made on."""
    assert _agreement(part) == (pytest.approx(kappa, abs=0.0005), rows)


def test_kappa_is_cohens() -> None:
    """25 and 20 of 70 rated alike, 10 and 15 not: 45 of 70 agree, half would by chance."""
    one, other = [1] * 35 + [0] * 35, [1] * 25 + [0] * 10 + [1] * 15 + [0] * 20
    assert cohen_kappa(one, other) == pytest.approx((45 / 70 - 0.5) / 0.5)
    assert cohen_kappa([1, 1], [1, 1]) == 1.0 and cohen_kappa([1, 0], [0, 1]) == -1.0
    with pytest.raises(ValueError, match="the same items"):
        cohen_kappa([1], [])
