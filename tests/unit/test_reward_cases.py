"""Answers by kind, written without sight of the grader: what every competent reader agrees on, and what policy decides."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted

CASES = Path(__file__).resolve().parents[1] / "cases"
NO_FALSE_POSITIVE = ("scientific", "injection", "hang", "empty-box", "no-box", "unterminated")


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines()]


def response(case: dict[str, Any]) -> str:
    if case["response"] is not None:
        return case["response"]
    parts = case["repeat"]
    return parts["response_prefix"] + parts["unit"] * parts["times"] + parts["response_suffix"]


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool("verizero", 1) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["grading.jsonl", "grading_reserve.jsonl", "grading_third.jsonl", "grading_fourth.jsonl", "grading_fifth.jsonl"],
)
def test_the_uncontroversial_cases(pool: GradingPool, name: str) -> None:
    wrong, slowest = [], 0.0
    cases = [case for case in read(name) if case["tier"] == "core"]
    for case in cases:
        golds = case["gold"] if isinstance(case["gold"], list) else [case["gold"]]
        accepted = Accepted(tuple(golds), case.get("tolerance"))
        begin = time.process_time()
        verdict = pool.grade_all([(accepted, response(case))])[0]
        slowest = max(slowest, time.process_time() - begin)
        if verdict.correct != case["expected"]:
            wrong.append((case["id"], case["kind"], verdict.correct, verdict.status, verdict.rule))
    false_positives = [row for row in wrong if row[2]]
    assert len(wrong) <= 0.01 * len(cases), wrong
    assert len(false_positives) <= 1, false_positives
    assert not [row for row in false_positives if row[1] in NO_FALSE_POSITIVE]
    assert slowest < 6.0, "rules before the algebra take this long in our own process"
