"""The grader on the published benchmarks' own golds. Without VERIZERO_DATA these are skipped, and say so."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from verizero.config.problem_sets import Local
from verizero.config.registry import load_registry
from verizero.config.spec import dataset_spec
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem
from verizero.reward.normalisation import tidied
from verizero.reward.numbers import read_number
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Question

REGISTRY = load_registry(Path(__file__).resolve().parents[2] / "config")
MIRRORED = sorted(
    name
    for name, entry in REGISTRY.benchmarks.items()
    if isinstance(entry.source, Local) and entry.select.rule == "all"
)
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published data files are not here"
    ),
]

SAME_NUMBER = {
    ("15", r"15\mbox{ cm}^2"): "a unit is optional",
    ("30", r"30^\circ"): "the sign of degrees is optional",
    ("90", r"90^\circ"): "the sign of degrees is optional",
    ("60", r"60^{\circ}"): "the sign of degrees is optional",
    ("28", r"28 \text{ cents}"): "a unit is optional",
}
"""Golds of different problems that are the same answer, and why."""


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool("verizero", 1) as pool:
        yield pool


def problems(name: str) -> list[Problem]:
    return prepare(dataset_spec(REGISTRY, name).problems, {}).problems


def test_every_benchmark_of_the_papers_is_mirrored() -> None:
    sizes = {"aime24": 30, "aime25": 30, "amc23": 40, "amc22-23": 83, "math500": 500, "minerva-math": 272}
    sizes |= {"olympiadbench": 675, "gsm8k": 1319}
    assert {name: REGISTRY.benchmarks[name].n for name in sizes} == sizes and sizes.keys() <= set(MIRRORED)


@pytest.mark.parametrize("name", MIRRORED)
def test_every_gold_of_a_benchmark_grades_itself_correct(pool: GradingPool, name: str) -> None:
    golds = [(Accepted.of(problem), answer) for problem in problems(name) for answer in problem.answers]
    verdicts = pool.grade_all([(accepted, rf"So it is \boxed{{{answer}}}.") for accepted, answer in golds])
    assert [pair for pair, verdict in zip(golds, verdicts, strict=True) if not verdict.correct] == []


@pytest.mark.parametrize(("name", "unreadable"), [("math500", 0), ("minerva-math", 7), ("olympiadbench", 3)])
def test_algebra_alone_finds_each_gold_equal_to_itself(pool: GradingPool, name: str, unreadable: int) -> None:
    golds = sorted({answer for problem in problems(name) for answer in problem.answers})
    statuses = [
        verdict.status for verdict in pool._answer([Question((gold,), tidied(gold), gold) for gold in golds]).values()
    ]
    assert statuses.count("unparsable_gold") <= unreadable and set(statuses) <= {"correct", "unparsable_gold"}


@pytest.mark.parametrize("name", MIRRORED)
def test_other_problems_golds_are_wrong(pool: GradingPool, name: str) -> None:
    """Each problem's golds against another problem's, crossed at random with a fixed seed."""
    held, draw = problems(name), random.Random(0)
    held = draw.sample(held, min(len(held), 300))
    pairs = []
    for problem, other in zip(held, held[1:] + held[:1], strict=True):
        if {tidied(answer) for answer in problem.answers}.isdisjoint(tidied(answer) for answer in other.answers):
            pairs.append((problem, draw.choice(other.answers)))
    verdicts = pool.grade_all([(Accepted.of(problem), rf"\boxed{{{answer}}}") for problem, answer in pairs])
    met = [
        (problem.answers, answer, verdict.rule)
        for (problem, answer), verdict in zip(pairs, verdicts, strict=True)
        if verdict.correct
        and not any((gold, answer) in SAME_NUMBER or (answer, gold) in SAME_NUMBER for gold in problem.answers)
    ]
    assert met == []


@pytest.mark.parametrize("name", ["minerva-math", "minerva-math-paper-a"])
@pytest.mark.parametrize("answer", ["0.0", "0", r"1\times 10^{-30}", "0.000", r"\frac{1}{10^{30}}"])
def test_nothing_small_matches_a_small_gold_of_minerva(pool: GradingPool, name: str, answer: str) -> None:
    """math-verify rounds to six places, and accepts 0.0 for 13 of these 272."""
    small = []
    for problem in problems(name):
        numbers = [read_number(tidied(gold), gold=True) for gold in problem.answers]
        if any(number and 0 < abs(number.value) < 1e-4 for number in numbers):
            small.append(problem)
    assert len(small) >= 13
    verdicts = pool.grade_all([(Accepted.of(problem), rf"\boxed{{{answer}}}") for problem in small])
    assert not [problem.answers for problem, verdict in zip(small, verdicts, strict=True) if verdict.correct]


def test_minerva_s_rounded_golds_take_more_digits_and_no_other_value(pool: GradingPool) -> None:
    decimals = [problem for problem in problems("minerva-math") if problem.answer_type == "decimal"]
    assert len(decimals) > 100 and {problem.tolerance for problem in decimals} == {0.005}
    pairs, expected = [], []
    for problem in decimals:
        number = read_number(tidied(problem.answers[0]), gold=True)
        assert number
        for factor, right in ((1.0004, True), (0.9961, True), (1.006, False), (1.1, False), (-1.0, False)):
            pairs.append((Accepted.of(problem), rf"\boxed{{{float(number.value) * factor!r}}}"))
            expected.append(right or (number.value == 0))
    verdicts = pool.grade_all(pairs)
    assert [
        (pair[0].answers, pair[1])
        for pair, verdict, right in zip(pairs, verdicts, expected, strict=True)
        if verdict.correct != right
    ] == []
