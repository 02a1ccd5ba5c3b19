"""Answers in words: numbers, infinity, what does not exist, counters; and near misses that stay wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.reward.pool import GradingPool
from verizero.reward.spelled import spelled_number

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["", "", *["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]]


def in_words(number):
    """Below a million, as it is said."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        return f"{ONES[number // 100]} hundred" + (f" and {in_words(number % 100)}" if number % 100 else "")
    return f"{in_words(number // 1000)} thousand" + (f" {in_words(number % 1000)}" if number % 1000 else "")


@given(st.integers(0, 999_999))
def test_a_number_is_read_as_it_is_said(number):
    assert spelled_number(in_words(number)) == number
    assert spelled_number(in_words(number).replace("-", " ").replace(" and ", " ").capitalize()) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one or two",
        "five six",
        "a few",
        "hundred",
        "twenty thirty",
        "ten one",
        "three zero",
        "thousand",
        "one thousand zero",
        "two three hundred",
        "one million one million",
        "one thousand million",
        "no one",
        "One.",
        "zero thousand",
        "five and six",
        "eleven hundred and",
    ],
)
def test_what_is_no_number_is_none(text):
    assert spelled_number(text) is None


CASES = [
    ("5", r"\text{five}", True),
    ("21", r"\text{Twenty-one}", True),
    ("21", "twenty one", True),
    ("5", r"\text{six}", False),
    ("2", r"\text{one or two}", False),
    (r"\text{two}", "2", True),
    (r"\text{zero}", r"\text{none of them}", False),
    (r"\infty", r"\text{infinity}", True),
    (r"\infty", "Infinity", True),
    (r"-\infty", r"-\text{infinity}", True),
    (r"-\infty", r"\text{negative infinity}", True),
    (r"\infty", r"\text{negative infinity}", False),
    (r"-\infty", r"\text{infinity}", False),
    (r"\infty", r"\text{infinitely many}", False),
    (r"\infty", "5", False),
    (r"(-\infty, 3)", r"(-\text{infinity}, 3)", True),
    (r"\text{DNE}", r"\text{does not exist}", True),
    (r"\text{does not exist}", "DNE", True),
    (r"\text{does not exist}", r"\text{doesn't exist}", True),
    (r"\text{does not exist}", r"\text{exists}", False),
    (r"\text{DNE}", "0", False),
    (r"\ln 2", r"\log_e 2", True),
    (r"\ln 2", r"\log_{e} 2", True),
    (r"\ln 2", r"\log_{e^2} 2", False),
    (r"\ln 2", r"\log_{10} 2", False),
    ("3", "3个", True),
    ("12", r"12\text{ 人}", True),
    ("3", "4个", False),
    ("3米", "3厘米", False),
    ("3米", "3米", True),
]


@pytest.fixture(scope="module")
def pool():
    with GradingPool("verizero") as made:
        yield made


@pytest.mark.parametrize(("gold", "answer", "right"), CASES)
def test_what_words_are_worth(pool, gold, answer, right):
    [verdict] = pool.grade_all([([gold], rf"\boxed{{{answer}}}")])
    assert verdict.correct == right, verdict
