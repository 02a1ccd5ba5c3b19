"""Which answers are the same answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from verizero.reward.answer_classes import MOST_CHARACTERS, MOST_QUESTIONS, answer_classes
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted


@pytest.fixture(scope="module")
def pool():
    with GradingPool("verizero", 1) as opened:
        yield opened


def classes(pool: GradingPool, gold: str, answers: Sequence[str | None], problem: str = "p") -> list[int | None]:
    texts = ["no box here" if answer is None else f"so \\boxed{{{answer}}}" for answer in answers]
    verdicts = pool.grade_all([(Accepted((gold,)), text) for text in texts])
    return answer_classes([problem] * len(texts), verdicts, pool)


def test_right_answers_are_one_class_however_they_are_written(pool: GradingPool) -> None:
    assert classes(pool, "1/2", ["0.5", "\\frac{1}{2}", "1/2", "\\frac{2}{4}"]) == [0, 0, 0, 0]


def test_wrong_answers_are_the_same_where_the_grader_says_so(pool: GradingPool) -> None:
    found = classes(pool, "7", ["0.5", "7", "\\frac{1}{2}", "3", "3.0", "\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}"])
    assert found == [1, 0, 1, 2, 2, 3, 3]


def test_who_has_no_answer_has_no_class(pool: GradingPool) -> None:
    assert classes(pool, "7", [None, "7", "8", None]) == [None, 0, 1, None]


def test_problems_are_apart(pool: GradingPool) -> None:
    verdicts = pool.grade_all([(Accepted((gold,)), "\\boxed{5}") for gold in ("6", "7", "5")])
    assert answer_classes(["a", "b", "c"], verdicts, pool) == [1, 1, 0]
    verdicts = pool.grade_all([(Accepted(("9",)), f"\\boxed{{{n}}}") for n in (1, 2, 1, 2)])
    assert answer_classes(["a", "a", "b", "b"], verdicts, pool) == [1, 2, 1, 2]


def test_an_answer_that_no_gold_could_be_is_its_own_class(pool: GradingPool) -> None:
    found = classes(pool, "7", ["???", "???", "\\frac{1}{0}", "x^", "8"])
    assert found[0] == found[1] and len({found[0], *found[2:]}) == 4


def test_many_and_long_answers_end(pool: GradingPool) -> None:
    strange = [f"x^{n} + y" for n in range(MOST_QUESTIONS // 2)]
    long = ["x + " * MOST_CHARACTERS + "1", "1 + " + "x + " * MOST_CHARACTERS + "0"]
    found = classes(pool, "7", [*strange, *long])
    assert len(set(found)) == len(strange) + len(long)


def test_one_answer_of_a_group_is_the_same_under_any_order_of_the_samples(pool: GradingPool) -> None:
    answers = ["3", "1/2", "0.5", "3.0", "7", "8"]
    forward, backward = classes(pool, "7", answers), classes(pool, "7", answers[::-1])[::-1]
    same = [[a == b for a in forward] for b in forward]
    assert same == [[a == b for a in backward] for b in backward]
