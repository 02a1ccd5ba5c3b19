"""Algebra in workers: what is equal, and that no answer costs more than itself."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from verizero.reward.graders import grader
from verizero.reward.pool import MEMORY_BYTES, GradingPool, grade_one
from verizero.reward.verdict import Question, Verdict
from verizero.reward.worker import answered


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
    ("x^2+2x", r"\,x^{2}\;+\;2\,x\!"),
    ("2400, 1350, 864", r"2{,}400,\ 1{,}350,\ 864"),
    (r"m_{\max}=n^2-n-1", "n^2-n-1"),
    ("(3,-5)", "y=-5, x=3"),
    (r"(-\infty,0)\cup\{1\}", r"c<0 \text{ or } c=1"),
    ("1", r"\sin^2 x+\cos^2 x"),
    ("-2", r"\sqrt[3]{-8}"),
    (r"\frac{x^3}{3}+C", r"\frac{x^3}{3}+K"),
    ("10", "{}_5C_2"),
    ("x>3", "2x>6"),
    ("x<3", "-2x>-6"),
    ("(1,3]", r"-3 \le -x < -1"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal_by_algebra(pool: GradingPool, gold: str, answer: str) -> None:
    assert verdict(pool, gold, answer).status == "correct"


DIFFERENT = [
    ("x+y", "X+Y"),
    ("AB", "ab"),
    ("(1,2)", r"\{1,2\}"),
    (r"\{1,2\}", "(2,1)"),
    ("1,2", "(2,1)"),
    ("x>3", "-2x>-6"),
    ("x>3", "2x>3"),
    ("17", r"\(1\)\(7\)"),
    ("17", "1 7"),
    ("(x-1)^2+(y+2)^2=9", "(x+1)^2+(y-2)^2=9"),
    ("(3,-5)", "x=-5, y=3"),
    ("1", r"\sin^2 x+\cos x"),
    ("24", r"\text{(B)}\ 24 \text{ or } 25"),
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
    assert verdict(pool, ")(", r"\sqrt{2}").status == "unparsable_gold"


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


def test_an_answer_that_fills_the_memory_is_a_limit() -> None:
    """The worker's own step, with algebra that asks for 1 TiB."""

    def judge(golds: list[str], answer: str) -> dict:
        return {"correct": not bytearray(1 << 40)} if answer == "big" else {"correct": True}

    told = [answered(judge, json.dumps({"golds": ["1"], "answer": answer})) for answer in ("big", "1")]
    assert [verdict.get("status", "fine") for verdict in told] == ["limit", "fine"]


def test_closing_leaves_no_process() -> None:
    with GradingPool("verizero", 2) as pool:
        pool.grade_all([([r"\sqrt{2}"], rf"\boxed{{\sqrt{{{n}}}}}") for n in range(3, 6)])
        processes = [worker.process for worker in pool._workers]
    assert processes and all(process.returncode is not None for process in processes)


def test_a_grader_can_be_asked_once() -> None:
    assert grade_one(grader("verizero"), [r"\sqrt{8}"], r"\boxed{2\sqrt2}").correct
