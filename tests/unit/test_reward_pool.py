"""Algebra in workers: what is equal, and that no answer costs more than itself."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from verizero.config.registry import load_registry
from verizero.config.sources import Local
from verizero.config.spec import dataset_spec
from verizero.problems.prepare import prepare
from verizero.reward import symbolic
from verizero.reward.graders import grader
from verizero.reward.normalisation import tidied
from verizero.reward.pool import MEMORY_BYTES, GradingPool
from verizero.reward.verdict import Question, Verdict

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load_registry(ROOT / "config")
MIRRORED = sorted(
    name
    for name, entry in REGISTRY.benchmarks.items()
    if isinstance(entry.source, Local) and entry.select.rule == "all"
)


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool("verizero", 1) as pool:
        yield pool


def verdict(pool: GradingPool, gold: str, answer: str) -> Verdict:
    return pool.grade_all([([gold], rf"\boxed{{{answer}}}")])[0]


EQUAL = [
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt3}"),
    ("x^2+2x+1", "(x+1)^2"),
    (r"\{1,2\}", "2,1"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    ("2^{2005}", r"2\cdot 2^{2004}"),
    (r"2^{1024}", r"2^{2^{10}}"),
    (r"(-\infty,3)", "x<3"),
    ("i", r"\sqrt{-1}"),
    ("3+4i", "4i+3"),
    (r"e^{i\pi}", "-1"),
    (r"\ln 2", r"\log 2"),
    (r"\sin(30^\circ)", r"\frac12"),
    (r"\frac{\pi}{4}", r"45^\circ"),
    (r"45^\circ", r"\frac{\pi}{4}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    (r"\sin^2 x", r"1-\cos^2 x"),
    (r"1\pm\sqrt{2}", r"1+\sqrt2, 1-\sqrt2"),
    ("5", r"\frac{20}{2^2}"),
    ("17", "20-3"),
    (r"(3, \frac{\pi}{2})", r"(3, \pi/2)"),
    (r"\sqrt{2}", "1.41421356237"),
    (r"\sin(2x)", r"2\sin x\cos x"),
    (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}"),
    ("p-q", "-q+p"),
    ("ab", "ba"),
    (r"5\sqrt{2}\text{ cm}", r"5\sqrt2"),
    ("y=2x+3", "2x+3"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal_by_algebra(pool: GradingPool, gold: str, answer: str) -> None:
    assert verdict(pool, gold, answer).status == "correct"


DIFFERENT = [
    ("101_2", "101"),
    ("101_2", "101_3"),
    ("3m", "3"),
    (r"\frac{1}{2^{70}}", r"\frac{1}{2^{71}}"),
    ("(1,2)", "(2,1)"),
    ("3", r"3 \text{ or } 4"),
    ("3", "3, 4"),
    (r"\sqrt{2}", "1.4142"),
    (r"\pi", "3.14159"),
    (r"\frac{1}{10^{30}}", "0"),
    ("[1,2]", "(1,2)"),
    ("x^2", "x^3"),
    (r"(10^{-20}, 1)", r"(10^{-21}, 1)"),
    ("i", "-i"),
    (r"\{1,2\}", r"\{1,2,3\}"),
    ("5", r"\frac{21}{2^2}"),
    (r"\frac{\pi^{2}-9}{9}", r"62.5\%"),
    (r"\sin(2x)", r"2\sin x"),
    ("x", r"\sqrt{x^2+1}"),
    ("MR=MC", "MR=SRMC"),
    ("1", "__import__('os').system('true')"),
]


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different_by_algebra(pool: GradingPool, gold: str, answer: str) -> None:
    assert not verdict(pool, gold, answer).correct


def test_what_cannot_be_read_says_so(pool: GradingPool) -> None:
    assert verdict(pool, r"\sqrt{2}", ")(").status == "unparsable_answer"
    assert verdict(pool, "E_{1},E_{2}", "E_1").status == "unparsable_gold"


def test_order_is_kept_and_workers_change_nothing() -> None:
    pairs = [([rf"\sqrt{{{n}}}"], rf"\boxed{{\sqrt{{{n + n % 3}}}}}") for n in range(2, 32)]
    with GradingPool("verizero", 1) as one, GradingPool("verizero", 2) as two:
        verdicts = one.grade_all(pairs)
        assert verdicts == two.grade_all(pairs)
    assert [verdict.correct for verdict in verdicts] == [n % 3 == 0 for n in range(2, 32)]


HANG = Question(("(1,2)",), r"(3^{500000000},2)", "hang")  # past the limits, as a gap in them would let it


def test_an_endless_answer_costs_its_limit_and_only_itself() -> None:
    with GradingPool("verizero", 1, cpu_seconds=1.0) as pool:
        pool.grade_all([([r"\sqrt{2}"], r"\boxed{\sqrt{3}}")])
        easy = [Question((rf"\sqrt{{{n}}}",), rf"\sqrt{{{n}}}", "easy") for n in range(2, 6)]
        begin = time.perf_counter()
        answered = pool._answer([*easy[:2], HANG, *easy[2:]])
        assert answered[HANG].status == "timeout"
        assert all(answered[question].correct for question in easy)
        assert time.perf_counter() - begin < 20


def test_a_deadline_ends_an_answer_that_waits_without_working() -> None:
    with GradingPool("verizero", 1, wall_seconds=1.0) as pool:
        pool.grade_all([([r"\sqrt{2}"], r"\boxed{\sqrt{3}}")])
        worker = pool._workers[0].process
        os.kill(worker.pid, signal.SIGSTOP)
        verdicts = pool.grade_all(
            [([r"\sqrt{2}"], r"\boxed{\sqrt{4}}"), ([r"\sqrt{2}"], r"\boxed{\frac{2}{\sqrt{2}}}")]
        )
        assert [verdict.status for verdict in verdicts] == ["timeout", "correct"]
        assert worker.returncode == -signal.SIGKILL


def test_a_killed_worker_costs_one_answer() -> None:
    with GradingPool("verizero", 1) as pool:
        pool.grade_all([([r"\sqrt{2}"], r"\boxed{\sqrt{3}}")])
        first = pool._workers[0].process.pid
        os.kill(first, signal.SIGSTOP)  # it holds the first question and cannot answer before it is killed
        killer = threading.Timer(0.5, os.kill, (first, signal.SIGKILL))
        killer.start()
        verdicts = pool.grade_all([([r"\sqrt{2}"], rf"\boxed{{\sqrt{{{n}}}}}") for n in range(3, 9)])
        killer.join()
        assert [verdict.status for verdict in verdicts] == ["error", "wrong", "wrong", "wrong", "wrong", "wrong"]


def test_a_worker_that_died_while_idle_costs_nothing() -> None:
    with GradingPool("verizero", 1) as pool:
        pool.grade_all([([r"\sqrt{2}"], r"\boxed{\sqrt{3}}")])
        process = pool._workers[0].process
        process.kill()
        process.wait()
        assert pool.grade_all([([r"\sqrt{2}"], r"\boxed{\sqrt{5}}")])[0].status == "wrong"


def test_a_worker_has_the_memory_limit_and_no_core_file() -> None:
    with GradingPool("verizero", 1) as pool:
        pool.grade_all([([r"\sqrt{2}"], r"\boxed{\sqrt{3}}")])
        limits = Path(f"/proc/{pool._workers[0].process.pid}/limits").read_text().splitlines()
    soft = {line[:25].strip(): line[25:].split()[0] for line in limits}
    assert soft["Max address space"] == str(MEMORY_BYTES) and soft["Max core file size"] == "0"


def test_an_answer_that_fills_the_memory_is_a_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker's own loop, with algebra that asks for 1 TiB."""
    monkeypatch.setattr(
        symbolic, "judge", lambda golds, answer: bytearray(1 << 40) if answer == "big" else {"correct": True}
    )
    told = [symbolic.answered(json.dumps({"golds": ["1"], "answer": answer})) for answer in ("big", "1")]
    assert [verdict.get("status", "fine") for verdict in told] == ["limit", "fine"]


def test_closing_leaves_no_process() -> None:
    with GradingPool("verizero", 2) as pool:
        pool.grade_all([([r"\sqrt{2}"], rf"\boxed{{\sqrt{{{n}}}}}") for n in range(3, 6)])
        processes = [worker.process for worker in pool._workers]
    assert processes and all(process.returncode is not None for process in processes)


def test_a_grader_can_be_asked_once() -> None:
    assert grader("verizero").grade([r"\sqrt{8}"], r"\boxed{2\sqrt2}").correct


needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published data files are not here"
    ),
]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_data) for name in MIRRORED])
def test_every_gold_of_a_benchmark_grades_itself_correct(pool: GradingPool, name: str) -> None:
    golds = [
        (problem.answers, answer)
        for problem in prepare(dataset_spec(REGISTRY, name).problems, {}).problems
        for answer in problem.answers
    ]
    verdicts = pool.grade_all([(answers, rf"So it is \boxed{{{answer}}}.") for answers, answer in golds])
    assert [pair for pair, verdict in zip(golds, verdicts, strict=True) if not verdict.correct] == []


@pytest.mark.parametrize(
    ("name", "unreadable"),
    [
        pytest.param("math500", 0, marks=needs_data),
        pytest.param("minerva-math", 7, marks=needs_data),
        pytest.param("olympiadbench", 3, marks=needs_data),
    ],
)
def test_algebra_alone_finds_each_gold_equal_to_itself(pool: GradingPool, name: str, unreadable: int) -> None:
    golds = sorted(
        {
            answer
            for problem in prepare(dataset_spec(REGISTRY, name).problems, {}).problems
            for answer in problem.answers
        }
    )
    statuses = [
        verdict.status for verdict in pool._answer([Question((gold,), tidied(gold), gold) for gold in golds]).values()
    ]
    assert statuses.count("unparsable_gold") <= unreadable and set(statuses) <= {"correct", "unparsable_gold"}


@pytest.mark.parametrize(
    ("name", "crossings"),
    [
        pytest.param("math500", 400, marks=needs_data),
        pytest.param("olympiadbench", 400, marks=needs_data),
        pytest.param("minerva-math", 100, marks=needs_data),
    ],
)
def test_other_problems_golds_are_wrong(pool: GradingPool, name: str, crossings: int) -> None:
    """Crossed at random, with a fixed seed: none of these pairs is equal."""
    golds = sorted(
        {
            answer
            for problem in prepare(dataset_spec(REGISTRY, name).problems, {}).problems
            for answer in problem.answers
        }
    )
    draw = random.Random(0)
    pairs = [tuple(draw.sample(golds, 2)) for _ in range(crossings)]
    verdicts = pool.grade_all([([gold], rf"\boxed{{{other}}}") for gold, other in pairs])
    assert [(pair, verdict.rule) for pair, verdict in zip(pairs, verdicts, strict=True) if verdict.correct] == []
