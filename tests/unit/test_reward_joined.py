"""Several boxes in one breath are one answer, and times of day are no ratios."""

from __future__ import annotations

import time

import pytest

from verizero.problems.text import boxes, last_box
from verizero.reward.clock import read_clock, same_time
from verizero.reward.extraction import final_answer
from verizero.reward.pool import GradingPool

JOINED = {
    r"\boxed{(2, 2)} and \boxed{(6, 2)}": "(2, 2), (6, 2)",
    r"either $\boxed{2}$ or $\boxed{3}$.": "2, 3",
    r"$x = \boxed{1}, \boxed{2}, \text{ and } \boxed{3}$": "1, 2, 3",
    r"\[\boxed{a} \quad \text{or} \quad \boxed{b}\]": "a, b",
    r"**\boxed{2}** and **\boxed{5}**": "2, 5",
    r"\boxed{5}, \boxed{5}": "5",
    r"\boxed{ 5 } or \boxed{5}": "5",
    r"\boxed{4}, \boxed{}, \boxed{7}": "4, 7",
}
APART = {
    "it is \\boxed{2}. So the answer is \\boxed{3}": "3",
    "\\boxed{2}, and therefore \\boxed{3}": "3",
    "\\boxed{2}\n\n\\boxed{3}": "3",
    "\\boxed{2} = \\boxed{3}": "3",
    "$m = \\boxed{2}$ and $n = \\boxed{3}$": "3",
    "\\boxed{2} and \\boxed{x or \\boxed{3}}": "2, x or \\boxed{3}",
}


@pytest.mark.parametrize("response", JOINED)
def test_boxes_with_nothing_but_a_joining_word_between_them_are_one_answer(response):
    assert final_answer(response).answer == JOINED[response]


@pytest.mark.parametrize("response", APART)
def test_a_sentence_between_two_boxes_parts_them(response):
    assert final_answer(response).answer == APART[response]


@pytest.mark.parametrize(
    ("gold", "response", "right"),
    [
        ("3", r"either \boxed{2} or \boxed{3}", False),
        ("2", r"\boxed{2} or \boxed{3}", False),
        ("3", r"\boxed{3} and \boxed{3}", True),
        ("3", r"\boxed{2}, so \boxed{3}", True),
        ("(2,2), (6,2)", r"\boxed{(2, 2)} and \boxed{(6, 2)}", True),
        ("(2,2), (6,2)", r"\boxed{(2, 2)} and \boxed{(6, 3)}", False),
        ("B", r"\boxed{A}, \boxed{B}", False),
        ("-1, 4", r"$x = \boxed{4}$ or $\boxed{-1}$", True),
        ("12:00", r"\boxed{1:00}", False),
        ("10:00", r"\boxed{5:00}", False),
        ("3:30", r"\boxed{1:10}", False),
        (r"10:45 \text{ a.m.}", r"\boxed{10:45\text{ AM}}", True),
        ("10:45 a.m.", r"\boxed{10:45}", True),
        ("10:45 a.m.", r"\boxed{10:45 \text{ p.m.}}", False),
        (r"3:30\text{ p.m.}", r"\boxed{15:30}", True),
        ("15:30", r"\boxed{3:30\text{ p.m.}}", True),
        ("3:30", r"\boxed{15:30}", False),
        ("2:3", r"\boxed{4:6}", True),
        ("25:30", r"\boxed{5:6}", True),
        ("3:5", r"\boxed{5:3}", False),
    ],
)
def test_what_they_are_worth(gold, response, right):
    with GradingPool("verizero") as pool:
        [verdict] = pool.grade_all([([gold], response)])
    assert verdict.correct == right, verdict


def test_a_time_is_written_with_two_digits_of_minutes():
    assert [read_clock(text) is None for text in ("3:30", "03:05", "24:00", "12:30 pm")] == [False] * 4
    assert [
        read_clock(text) is None for text in ("3:5", "3:60", "25:00", "0:30 am", "13:00 pm", "1:2:3", "3:30:5")
    ] == [True] * 7


def test_noon_and_midnight_are_twelve_hours_apart():
    noon, midnight, bare = (read_clock(text) for text in ("12:00 p.m.", "12:00 a.m.", "0:00"))
    assert not same_time(noon, midnight)
    assert same_time(midnight, bare) and not same_time(noon, bare)


def test_many_boxes_or_much_space_between_two_cost_no_time():
    begin = time.process_time()
    assert len(final_answer(", ".join(rf"\boxed{{{n}}}" for n in range(20_000))).answer.split(", ")) == 51
    assert final_answer(r"\boxed{1}" + " " * 200_000 + r"and \boxed{2}").answer == "2"
    assert final_answer(r"\boxed{1}" + "$ ~" * 12 + r"x \boxed{2}").answer == "2"
    assert time.process_time() - begin < 2.0


def test_boxes_are_those_that_are_in_no_other():
    found = boxes(r"a \boxed{1} b \fbox{2 \boxed{3}} c \boxed{4")
    assert [box.content for box in found] == ["1", r"2 \boxed{3}", None]
    assert last_box(r"\boxed{x \boxed{y}").content == "y"
