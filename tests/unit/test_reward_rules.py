"""The quick rules: extraction, limits, numbers, words; nothing here starts a worker or imports sympy."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.artifacts.errors import UserError
from verizero.reward import quick
from verizero.reward.graders import GRADERS, grader
from verizero.reward.limits import exceeded
from verizero.reward.normalisation import compact, tidied
from verizero.reward.numbers import read_number
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import STATUSES, Accepted, Question, Verdict

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def decide(golds: list[str], response: str) -> Verdict | Question:
    return quick.decide(Accepted(tuple(golds)), response)


def status(gold: str, response: str) -> str:
    decided = decide([gold], response)
    return "open" if isinstance(decided, Question) else decided.status


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("", "no_box"),
        ("The answer is 17.", "no_box"),
        (r"\boxed x", "no_box"),
        (r"\boxed 17 apples", "no_box"),
        (r"\boxed{17", "unterminated"),
        (r"\boxed{17} so \boxed{", "unterminated"),
        (r"\boxed{}", "empty"),
        (r"\boxed{ $ $ }", "empty"),
        (r"\boxed{\text{ }}", "empty"),
        (r"\boxed{17}", "correct"),
        (r"\fbox{17}", "correct"),
        (r"\boxed{1} then \boxed{17}", "correct"),
        (r"\boxed{17} then \boxed{1}", "wrong"),
        ("\\boxed{\n17 }", "correct"),
    ],
)
def test_only_the_last_complete_box_counts(response: str, expected: str) -> None:
    assert status("17", response) == expected


CORRECT = [
    ("17", "17."),
    ("17", "$17$"),
    ("17", "+17"),
    ("17", "017"),
    ("25", "025"),
    ("17", "17.0"),
    ("17", "{17}"),
    ("17", r"\text{17}"),
    ("17", r"\mathrm{17}"),
    ("1234567", "1,234,567"),
    ("1234567", r"1{,}234{,}567"),
    ("1234567", r"1\,234\,567"),
    ("-3", "−3"),
    ("0.5", r"\frac12"),
    ("0.5", "1/2"),
    ("0.5", ".5"),
    (r"\frac{1}{2}", r"\dfrac{2}{4}"),
    (r"\frac{1}{3}", r"0.\overline{3}"),
    (r"\frac{7}{30}", r"0.2\overline{3}"),
    (r"\frac{7}{2}", r"3\frac{1}{2}"),
    ("-0.5", r"-\frac{1}{2}"),
    ("-0.5", r"\frac{-1}{2}"),
    ("3.0e8", r"3\times 10^8"),
    (r"3\times 10^{8}", "3e8"),
    ("300000000", r"3 \cdot 10^{8}"),
    ("40%", "40"),
    (r"40\%", "0.4"),
    ("40", r"40\%"),
    (r"5.5\%", "5.5"),
    ("30", r"30^\circ"),
    (r"30^\circ", "30"),
    ("30", "30°"),
    ("5", r"\$5"),
    ("5", r"5\text{ dollars}"),
    ("5", "5 apples"),
    ("5", "5 cm"),
    (r"15\mbox{ cm}^2", "15"),
    (r"15\mbox{ cm}^2", r"15 \text{ cm}^2"),
    ("5", r"5 \text{ m}"),
    (r"5 \text{ m}", r"5 \text{ meters}"),
    ("5", "x=5"),
    ("5", "x = 5"),
    ("10", r"\binom{5}{2} = 10"),
    ("10", "C(5,2)=10"),
    ("0", "x=0"),
    ("9", r"f(3)=9"),
    (r"\text{Monday}", "monday"),
    (r"\text{Monday}", r"\textbf{Monday}"),
    ("B", r"\text{(B)}"),
    ("B", "B"),
    ("B", r"\text{(B) } 12"),
    ("B", "(B)"),
    (r"\text{no solution}", r"\emptyset"),
    (r"2^{2^{2^{2^{2}}}}", r"2^{2^{2^{2^{2}}}}"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac\pi2)".replace(r"\frac\pi2", r"\frac{\pi}{2}")),
    ("10", r"\boxed{10}"),
    ("100!", "100!"),
    (r"7\text{ km}", r"7000\text{ m}"),
    (r"2\text{ m}^2", r"20000 \mathrm{cm^2}"),
    (r"\$0.75", r"75\text{ cents}"),
    (r"5.4 \text{ cents}", "5.4¢"),
    ("15", r"15\ \mathrm{cm^2}"),
    ("24", r"\textbf{(B)}\ 24"),
    ("12", "a+b=12"),
    ("8", "2^3=8"),
    ("7", r"x^2+\frac{1}{x^2}=7"),
    ("3", "=3"),
    ("17", "**17**"),
    (r"\cos x", r"\cos\,x"),
]


@pytest.mark.parametrize(("gold", "answer"), CORRECT)
def test_equal_answers_need_no_algebra(gold: str, answer: str) -> None:
    assert status(gold, rf"\boxed{{{answer}}}") == "correct"


WRONG = [
    ("5", "2x=5"),
    ("5", "3x+2=5"),
    ("25", "x^2=25"),
    ("x=5", "2x=5"),
    (r"\frac{\pi}{3}", r"2\theta=\frac{\pi}{3}"),
    ("5", "2+2=5"),
    ("9", "2^3=9"),
    (r"12\text{ m/s}", r"12\ \mathrm{km/h}"),
    (r"7\text{ km}", r"7\text{ m}"),
    (r"\$45", r"45\text{ euros}"),
    (r"\$36", r"36\%"),
    ("11/2", "1 1/2"),
    ("x=5", "y=5"),
    ("6", "5 = 6"),
    ("no", r"\text{on}"),
    ("17", "18"),
    ("17", "-17"),
    ("17", "17.1"),
    ("17", "1.7"),
    ("0.3333", r"\frac{1}{3}"),
    (r"\frac{1}{3}", "0.333333"),
    ("100.1234561", "100.1234564"),
    ("1.5e-19", "0.0"),
    ("1.5e-19", "0"),
    (r"1.5\times 10^{-19}", r"2.5\times 10^{-19}"),
    ("1e-30", "2e-30"),
    ("10000000000", "10000000001"),
    ("5", "5t"),
    ("5", "5h"),
    ("5", "5x"),
    ("5", "5 x"),
    ("5", "5?"),
    (r"7\text{ m}", r"7\text{ km}"),
    ("7 hours", "7 minutes"),
    ("5", "5 million"),
    (r"40\%", r"4000\%"),
    (r"40\%", "4"),
    ("0", "x^2-1=0"),
    ("B", "C"),
    ("B", r"\text{(C)}"),
    (r"\text{Monday}", r"\text{Tuesday}"),
    (r"\text{Monday}", "3"),
    ("12", r"\frac{1}{0}x"),
]


@pytest.mark.parametrize(("gold", "answer"), WRONG)
def test_different_answers_need_no_algebra(gold: str, answer: str) -> None:
    decided = decide([gold], rf"\boxed{{{answer}}}")
    assert isinstance(decided, Question) or not decided.correct
    if answer != "5 million":
        assert isinstance(decided, Verdict) and decided.status == "wrong"


@pytest.mark.parametrize("answer", ["3 or 4", "3, 4", "x=5, y=3", "5=6", r"3 \text{ and } 4", r"\frac{6}{0}"])
def test_two_candidates_are_never_taken_for_one_number(answer: str) -> None:
    assert read_number(tidied(answer)) is None


def test_any_of_several_golds_suffices_and_all_must_be_wrong() -> None:
    assert decide(["1", "2"], r"\boxed{2}").correct  # type: ignore[union-attr]
    assert decide(["1", "2"], r"\boxed{3}") == Verdict(False, "wrong", "3", "3", "number")
    left = decide(["1", r"\sqrt{2}"], r"\boxed{3}")
    assert isinstance(left, Question) and left.golds == (r"\sqrt{2}",)


def test_symbols_are_no_words() -> None:
    assert (
        status("p - q", r"\boxed{q - p}")
        == status("ab", r"\boxed{ba}")
        == status("abc", r"\boxed{bca}")
        == status("a, b", r"\boxed{b, a}")
        == "open"
    )


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
@settings(deadline=None)
def test_fractions_are_compared_exactly(gold: Fraction, answer: Fraction) -> None:
    written = rf"\boxed{{{'-' if answer < 0 else ''}\frac{{{abs(answer.numerator)}}}{{{answer.denominator}}}}}"
    assert status(f"{gold.numerator}/{gold.denominator}", written) == ("correct" if gold == answer else "wrong")


@given(st.integers(-(10**30), 10**30))
@settings(deadline=None)
def test_every_spelling_of_an_integer_is_that_integer(value: int) -> None:
    for text in (str(value), f"{value:,}", f"{value}.0", f"{value}.", f"x={value}", rf"{value}\%"):
        number = read_number(tidied(text))
        assert number is not None and number.value == value
    assert status(str(value), rf"\boxed{{{value + 1}}}") == "wrong"


@given(st.text(max_size=60))
@settings(deadline=None)
def test_no_text_makes_a_rule_fail(text: str) -> None:
    for decided in (decide(["5"], rf"\boxed{{{text}}}"), decide([text or "x"], r"\boxed{5}"), decide(["5"], text)):
        assert isinstance(decided, Question) or decided.status in STATUSES


@given(st.text(alphabet="ab{}$\\ 12,.^_", max_size=40))
@settings(deadline=None)
def test_tidying_twice_changes_nothing_more_and_equals_itself(text: str) -> None:
    assert compact(tidied(tidied(text))) == compact(tidied(text))


HOSTILE = {
    "3^{500000000}": "size",
    "50000000!": "size",
    "(10^6)!": "size",
    "9^{9^{9^9}}": "size",
    "9^9^9^9^9^9": "powers",
    "((9^9)^{999})^{999}": "size",
    "2^{3^{4^{5^{6}}}}": "powers",
    "9**9**9**9": "size",
    "9**999999999": "size",
    "1" * 300_000: "length",
    "1" * 3000: "digits",
    "(" * 60 + "1" + ")" * 60: "nesting",
    "{" * 1900 + "1" + "}" * 1900: "nesting",
    r"\frac{1}{" * 200 + "2" + "}" * 200: "nesting",
    "x" * 5000: "length",
    "+-" * 1999 + "1": "terms",
    "2^" * 1999 + "2": "powers",
    "2^" + "-" * 3000 + "2": "terms",
    "1,2;" * 200 + "1": "items",
    "1e-999999999": "size",
    r"\sin(10^{30000})": "size",
}


@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: answer[:20])
def test_hostile_answers_are_refused_before_any_work(answer: str) -> None:
    begin = time.perf_counter()
    assert exceeded(answer) == HOSTILE[answer]
    if HOSTILE[answer]:
        assert status("1", rf"\boxed{{{answer}}}") == "limit"
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(
    "answer",
    [
        "x^{10}+x^9+2^{10}",
        "2^{2005}",
        "10^{2023}",
        "100!",
        r"2^{2^{10}}",
        r"e^{-x^{2}/2}",
        r"(x+1)^{1000}",
        r"\sum_{k=1}^{100} k^{2}",
        r"\sqrt{1+\sqrt{2}}",
        "x^{y^{z}}",
        "90^{\\circ}",
    ],
)
def test_honest_answers_are_within_the_limits(answer: str) -> None:
    assert exceeded(answer) is None


@given(st.text(alphabet="0123456789^!*(){}[]+-x\\ ", max_size=200))
@settings(deadline=None)
def test_limits_of_any_text_are_found_quickly(text: str) -> None:
    assert exceeded(text) in (None, "length", "digits", "nesting", "items", "terms", "powers", "size")


def test_an_endless_response_is_refused_and_a_long_one_is_read() -> None:
    begin = time.perf_counter()
    assert status("1", "x" * 3_000_000 + r"\boxed{1}") == "limit"
    assert status("1", r"\boxed{" * 100_000 + "}" * 99_999 + r"\boxed{1}") == "correct"
    assert time.perf_counter() - begin < 5


def test_plain_numbers_never_import_sympy_or_start_a_worker() -> None:
    code = r"""
import sys
from verizero.reward.pool import GradingPool
answers = ["21", "022", "1,234", "#### 7", "K3=21", "2?1", "C3D18", "12 apples", "\\$5", "0.5"]
with GradingPool("verizero", 2) as pool:
    pool.grade_all([(["21"], f"C3=3,~21\\boxed{{{answer}}}") for answer in answers])
    assert not pool._workers
assert not {"sympy", "math_verify", "torch", "transformers", "numpy"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, check=True)


def test_an_unknown_grader_names_the_choices() -> None:
    with pytest.raises(UserError, match=r"grader `nobody` is not defined; choices: verizero"):
        grader("nobody")
    assert next(iter(GRADERS)) == "verizero"


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("7\\text{ mg}", "7\\text{ Mg}", False),
        ("5\\text{ ms}", "0.005\\text{ s}", True),
        ("5\\text{ ms}", "5\\text{ s}", False),
        ("5 \\text{ MB}", "5\\text{ Mb}", False),
        ("5 \\text{ MB}", "40\\text{ Mb}", True),
        ("3\\text{ nm}", "3\\text{ mm}", False),
        ("3\\text{ dl}", "0.3\\text{ L}", True),
        ("3\\text{ dl}", "3\\text{ cl}", False),
        ("2\\text{ p.m.}", "2\\text{ pm}", True),
        ("4\\text{ KB}", "4\\text{ kB}", True),
        ("4\\text{ GB}", "4000\\text{ MB}", True),
    ],
)
def test_prefixes_of_units_are_told_apart_and_convert(gold, answer, right):
    with GradingPool("verizero", 1) as pool:
        [verdict] = pool.grade_all([([gold], f"\\boxed{{{answer}}}")])
    assert verdict.correct is right
