"""What a judge is asked, and how its reply is read."""

from __future__ import annotations

import pytest

from verizero.evidence.judging import QUESTIONS, closing_category, closing_count, leading_digit


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("1\nIt tries.", 1), ("0 (nothing)", 0), ("**1** yes", 1), ("10 of them", None), ("Yes, 1", None), ("", None)],
)
def test_a_reply_on_answering_begins_with_its_digit(reply: str, verdict: int | None) -> None:
    assert leading_digit(reply) == verdict


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("It checks a step twice. 2", 2),
        ("Category: 3.", 3),
        ("It is 12", None),
        ("2 at the beginning of a long text", None),
    ],
)
def test_a_reply_on_reflection_ends_in_its_category(reply: str, verdict: int | None) -> None:
    assert closing_category(reply) == verdict


def test_a_count_is_the_last_one_given() -> None:
    assert closing_count("first <count>1</count>, no: <count> 3 </count>") == 3 and closing_count("three") is None


def test_a_response_with_braces_is_asked_about_as_it_is() -> None:
    text = QUESTIONS["answers"].prompt("Solve {question} {response}", r"\boxed{response}{response}")
    assert "Solve {question} {response}" in text and r"\boxed{response}{response}" in text
    assert all("{what}" not in one.text for one in QUESTIONS.values())
