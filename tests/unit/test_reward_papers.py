"""The graders of papers: what each calls right, with the faults that its paper's has, and that none can hang."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.config.model import GraderName
from verizero.config.optimizers import Reward
from verizero.config.sources import Suite
from verizero.reward.graders import GRADERS, grader
from verizero.reward.papers.formulas import read_formula
from verizero.reward.papers.qwen_answer import extracted, finished, stripped
from verizero.reward.papers.strings import formula, mathd, parts
from verizero.reward.pool import GradingPool, grade_one
from verizero.reward.verdict import STATUSES, Accepted, Question, Verdict
from verizero.reward.worker import answered

PAPERS = [name for name in GRADERS if name != "verizero"]
PATIENCE = 300.0
"""Seconds of the clock: these tests are about what is decided and about processor time, on a machine that may be busy."""


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, GradingPool]]:
    found = {name: GradingPool(name, 1, wall_seconds=PATIENCE) for name in PAPERS}
    yield found
    for pool in found.values():
        pool.close()


def verdict(pools: dict[str, GradingPool], name: str, gold: str, response: str) -> Verdict:
    return pools[name].grade_all([([gold], response)])[0]


ALL = "paper-a-fast paper-a-full paper-b paper-c qwen-math-equal math-verify"
BOXED = "paper-a-fast paper-a-full paper-b"
LAST_NUMBER = "paper-c qwen-math-equal math-verify"
EXTRACTED = "paper-c qwen-math-equal"
ALGEBRA = "paper-a-full paper-c qwen-math-equal math-verify"
TEXTS = "paper-a-fast paper-b"
MATH_VERIFY = "paper-a-full paper-c math-verify"

CASES = [
    # gold, response, who calls it right, who calls it wrong
    ("17", r"So \boxed{17}.", ALL, ""),
    ("17", r"So \boxed{18}.", "", ALL),
    ("17", r"\boxed{1} then \boxed{17}", f"{BOXED} {EXTRACTED}", "math-verify"),  # which takes near boxes for a set
    (r"\frac{1}{2}", r"\boxed{\dfrac12}", ALL, ""),
    (r"\frac{1}{2}", r"\boxed{1/2}", ALL, ""),
    (r"\frac{1}{2}", r"\boxed{0.5}", ALL, ""),
    ("12,345", r"\boxed{12345}", ALL, ""),
    (r"3\frac{1}{2}", r"\boxed{\frac{7}{2}}", ALL, ""),
    ("x+1", r"\boxed{1+x}", ALL, ""),
    ("x^2+2x+1", r"\boxed{(x+1)^2}", ALL, ""),
    (r"\frac{\sqrt{3}}{3}", r"\boxed{\frac{1}{\sqrt3}}", ALL, ""),
    ("x=5", r"\boxed{5}", ALL, ""),
    # no box
    ("17", "The answer is 17.", LAST_NUMBER, BOXED),
    ("17", "First 3, then 17", LAST_NUMBER, BOXED),
    ("17", r"\boxed{1} then \boxed{17", EXTRACTED, BOXED),
    ("17", r"\boxed 17", LAST_NUMBER, BOXED),
    ("17", r"\fbox{17}", f"{BOXED} {EXTRACTED}", ""),
    # fractions of integers must be written alike, and an integer equals nothing but an integer
    (r"\frac{1}{2}", r"\boxed{\frac{2}{4}}", ALGEBRA, TEXTS),
    ("17", r"\boxed{20-3}", ALGEBRA, TEXTS),
    ("4", r"\boxed{\sqrt{16}}", ALGEBRA, TEXTS),
    ("6", r"\boxed{2 \cdot 3}", ALGEBRA, TEXTS),
    # more than two letters, or powers, are no algebra for the tiers of papers A and B
    (r"\sin(2x)", r"\boxed{2\sin x\cos x}", ALGEBRA, TEXTS),
    ("2^{12}+x", r"\boxed{4096+x}", ALGEBRA, TEXTS),
    # a fraction's sides get no brackets when papers A and B read LaTeX: 1/x+1
    (r"\frac{1}{x+1}", r"\boxed{\frac{1}{1+x}}", ALGEBRA, TEXTS),
    (r"\frac{1}{x+1}", r"\boxed{\frac{1}{x}+1}", TEXTS, "paper-c math-verify"),
    # math-verify takes trailing letters for units, ignores bases, and rounds to 6 decimals
    ("5", r"\boxed{5t}", MATH_VERIFY, f"{TEXTS} qwen-math-equal"),
    ("101_2", r"\boxed{101}", MATH_VERIFY, f"{TEXTS} qwen-math-equal"),
    (r"1.5\times 10^{-19}", r"\boxed{0.0}", "paper-a-full math-verify", f"{TEXTS} qwen-math-equal"),
    (r"1.5\times 10^{-19}", r"\boxed{2.5\times 10^{-19}}", MATH_VERIFY, TEXTS),
    # Qwen2.5-Math's tolerance, hundredths and hundredfolds, missing brackets, kinds of brackets, commas
    ("0.5", r"\boxed{50}", "qwen-math-equal", f"{BOXED} paper-c math-verify"),
    ("50", r"\boxed{0.5}", "qwen-math-equal", f"{BOXED} paper-c math-verify"),
    ("10000", r"\boxed{10001}", "qwen-math-equal", f"{BOXED} paper-c math-verify"),
    ("1000", r"\boxed{1001}", "", ALL),
    (r"\sqrt{2}", r"\boxed{1.4142}", "qwen-math-equal", f"{BOXED} paper-c math-verify"),
    ("2x+1", r"\boxed{2(x+1)}", "qwen-math-equal", f"{BOXED} paper-c math-verify"),
    ("(1,2)", r"\boxed{[1,2]}", "qwen-math-equal", f"{BOXED} paper-c math-verify"),
    ("(1,2)", r"\boxed{(2,1)}", "", ALL),
    ("12", r"\boxed{1,2}", "qwen-math-equal", "paper-a-fast paper-b paper-c math-verify"),
    ("A", r"\boxed{\text{(A) } 12}", "qwen-math-equal", "paper-c math-verify"),
    (
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        r"\boxed{\begin{bmatrix}1.00001\\2\end{bmatrix}}",
        "qwen-math-equal",
        f"{BOXED} paper-c math-verify",
    ),
    ("2a+b=3", r"\boxed{3-b=2a}", "qwen-math-equal", TEXTS),
    # behind </think>
    ("7", r"<think> \boxed{7} </think> \boxed{8}", "", ALL),
    ("7", r"<think> \boxed{7} </think> So 7.", "paper-a-fast paper-a-full paper-c qwen-math-equal", "paper-b"),
    # what follows the end of the turn
    ("7", "The answer is 7<|im_end|> and 8 is the next", "paper-c qwen-math-equal", BOXED),
    ("7", r"3 <|im_start|>assistant \boxed{7}<|endoftext|>\boxed{8}", EXTRACTED, BOXED),
]


@pytest.mark.parametrize(
    ("name", "gold", "response", "right"),
    [
        pytest.param(name, gold, response, right, id=f"{name}: {gold} {'is' if right else 'is not'} {response}")
        for gold, response, correct, wrong in CASES
        for names, right in ((correct, True), (wrong, False))
        for name in names.split()
    ],
)
def test_the_rule_says(pools: dict[str, GradingPool], name: str, gold: str, response: str, right: bool) -> None:
    said = verdict(pools, name, gold, response)
    assert said.correct == right, said
    assert said.status in STATUSES and said.rule


@pytest.mark.parametrize("name", BOXED.split())
def test_a_response_without_a_box_earns_nothing_from_papers_a_and_b(pools: dict[str, GradingPool], name: str) -> None:
    assert verdict(pools, name, "17", "The answer is 17.") == Verdict(False, "no_box", rule="box")
    assert verdict(pools, name, "17", r"\boxed{1} or \boxed{17").status == "unterminated"


@pytest.mark.parametrize("name", PAPERS)
def test_any_gold_of_several_will_do(pools: dict[str, GradingPool], name: str) -> None:
    said = pools[name].grade_all([(["3", r"\sqrt{8}", "x"], r"\boxed{2\sqrt2}"), (["3", "5"], r"\boxed{4}")])
    assert [one.status for one in said] == ["correct", "wrong"]


@pytest.mark.parametrize("name", PAPERS)
def test_a_grader_can_be_asked_once(name: str) -> None:
    assert [grade_one(grader(name), ["17"], text).correct for text in (r"\boxed{17}", r"\boxed{71}")] == [True, False]


@pytest.mark.parametrize("name", PAPERS)
def test_a_verdict_shows_what_was_extracted_and_by_which_rule(pools: dict[str, GradingPool], name: str) -> None:
    said = verdict(pools, name, "x+1", r"so it is $\boxed{1+x}$")
    assert said.correct and said.extracted == "1+x" and said.rule


@pytest.mark.parametrize("name", ["paper-c", "qwen-math-equal", "math-verify"])
def test_a_text_without_any_answer_is_empty(pools: dict[str, GradingPool], name: str) -> None:
    assert verdict(pools, name, "17", "I do not know").status == "empty"


HOSTILE = [
    r"\boxed{3^{500000000}}",
    r"\boxed{50000000!}",
    rf"\boxed{{{'9' * 2000}}}",
    rf"\boxed{{{'(' * 2000}}}",
    rf"\boxed{{{'x+' * 20000}x}}",
    "the answer is " + "9" * 300_000,
    "the answer is " + "9 " * 1_500_000,
]


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("response", HOSTILE, ids=[text[:24] for text in HOSTILE])
def test_what_meets_a_limit_is_seen_by_no_rule(name: str, response: str) -> None:
    begin = time.process_time()
    said = GRADERS[name].decide(Accepted(("5",)), response)
    assert isinstance(said, Verdict) and said.status in ("limit", "no_box") and not said.correct
    assert time.process_time() - begin < 2.0


ENDLESS = {"paper-a-fast": "(9^9)!", "paper-a-full": "(9^9)!", "paper-b": "(9^9)!"}
"""Past the limits, as a gap in them would let it."""


@pytest.mark.parametrize("name", PAPERS)
def test_an_endless_answer_ends_with_its_time_and_costs_no_other(name: str) -> None:
    answer = ENDLESS.get(name, r"(3^{500000000},2)")
    endless = Question(("(1,2)" if name not in ENDLESS else "1/x",), answer, "endless")
    if name == "math-verify":
        endless = Question(("(1,2)",), rf"so $\boxed{{{answer}}}$", "endless")
    easy = Question(("x+1",), r"$1+x$" if name == "math-verify" else "1+x", "easy")
    with GradingPool(name, 1, cpu_seconds=1.0, wall_seconds=PATIENCE) as pool:
        said = pool._answer([endless, easy])
    assert said[endless].status in ("timeout", "limit") and not said[endless].correct
    assert said[easy].correct


def test_math_verify_has_one_second_in_the_full_grader_of_paper_a() -> None:
    endless = Question(("(1,2)",), r"(3^{500000000},2)", "endless")
    with GradingPool("paper-a-full", 1, cpu_seconds=60.0, wall_seconds=PATIENCE) as pool:
        begin = time.perf_counter()
        assert pool._answer([endless])[endless].status == "timeout"
        assert time.perf_counter() - begin < 60.0


@pytest.mark.parametrize(
    ("name", "seconds"), [("verizero", 3), ("paper-b", 3), ("paper-c", 10), ("qwen-math-equal", 3)]
)
def test_a_grader_has_its_papers_time(name: str, seconds: float) -> None:
    assert GradingPool(name).cpu_seconds == seconds and GradingPool(name, cpu_seconds=2.0).cpu_seconds == 2.0


@given(st.text(alphabet="ab1290.,{}()[]$\\ ^_%=/!-+\n", max_size=60), st.sampled_from(PAPERS))
@settings(deadline=None)
def test_no_text_makes_a_rule_fail(text: str, name: str) -> None:
    for golds, response in ((["5"], rf"\boxed{{{text}}}"), ([text or "x"], r"\boxed{5}"), (["5"], text)):
        said = GRADERS[name].decide(Accepted(tuple(golds)), response)
        assert isinstance(said, Question) or said.status in STATUSES


@pytest.mark.parametrize("command", [r"\frac", r"\sqrt", r"\sqrt[", r"\text{"])
def test_commands_nested_without_end_are_no_fault_of_ours(command: str) -> None:
    assert isinstance(
        GRADERS["paper-a-fast"].decide(Accepted(("x",)), rf"\boxed{{{command * 500}}}"), Verdict | Question
    )


PROGRAMS = ["exec(chr(1))", "open(1)", "print(x)", "().__class__", "x.is_real", "id(x)", "preview(x)", "eval(x)"]


@pytest.mark.parametrize("text", PROGRAMS)
def test_what_may_be_a_program_is_not_evaluated(text: str) -> None:
    assert read_formula(text) is None


@pytest.mark.parametrize("name", PAPERS)
def test_a_program_in_a_box_is_wrong(pools: dict[str, GradingPool], name: str) -> None:
    assert not verdict(pools, name, "1", r"\boxed{__import__('os').getpid()}").correct


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (r"\dfrac12", r"\frac{1}{2}"),
        (r"\tfrac{1}2", r"\frac{1}2"),
        ("0.5", r"\frac{1}{2}"),
        ("3/4", r"\frac{3}{4}"),
        ("3/x", "3/x"),
        ("k = 5", "5"),
        ("abc=5", "abc=5"),
        (r"\sqrt3", r"\sqrt{3}"),
        (r"5\text{ cm}", "5"),
        (r"\text{Monday}", "Monday"),
        (r"90^\circ", "90"),
        (r"\left( 3, .5 \right)", "(3,0.5)"),
        (r"50\%", "50"),
    ],
)
def test_the_text_of_the_math_data_set(text: str, same: str) -> None:
    assert mathd(text) == same


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1,234", "1234"),
        ("17.0", "17"),
        (r"3\frac{1}{2}", "3+1/2"),
        (r"\frac{\sqrt{3}}{2}", "sqrt(3)/2"),
        (r"\frac{1}{x+1}", "1/x+1"),
        (r"2 \text{ or } 3", "2,3"),
        ("2 or 3", "2,3"),
        ("3 million", "3*10^6"),
        ("12 feet", "12"),
        (r"2\pi", "2pi"),
        (r"\theta", "θ"),
        ("- 5", "-5"),
        ("X", "x"),
        (r"\$50", "50"),
    ],
)
def test_the_text_of_prm800k(text: str, same: str) -> None:
    assert formula(text) == same


def test_a_formula_in_brackets_has_members() -> None:
    assert parts("(1,2)") == ["1", "2"] and parts("[1,2,3)") == ["1", "2", "3"]
    assert parts("1,2") == ["1,2"] and parts("((1),2)") == ["((1),2)"] and parts("") == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{1} and \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{12", "12"),
        (r"\boxed 12$ and so on", " 12"),
        ("So the answer is: 12", ": 12"),
        ("1,234 and -5.", "-5"),
        ("between .5 and 1,000", "1000"),
        ("none", None),
    ],
)
def test_the_answer_that_qwens_evaluation_extracts(text: str, answer: str | None) -> None:
    assert extracted(text) == answer


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (": 12.", "12"),
        (r"x=\dfrac12\text{ cm}", r"\frac{1}{2}"),
        (r"50\%", "50"),
        ("17.00", "17"),
        ("12 feet", "12"),
        (r"\text{Monday}", "Monday"),
        ("0.5", "0.5"),
        (r"\$1,000", "1,000"),
        (r"k \geq 2", r"k\ge2"),
        (r"k \geqslant 2", r"k\geqslant2"),
    ],
)
def test_an_answer_as_qwens_evaluation_strips_it(text: str, same: str) -> None:
    assert stripped(text) == same


def test_only_the_assistants_last_turn_is_read() -> None:
    assert finished("5 <|im_start|>assistant 6</s> 7") == " 6"


def test_math_verify_ends_no_alarm_and_needs_no_main_thread() -> None:
    """Its own time limits are signals, which would raise here."""
    import threading

    said: list[dict] = []
    line = '{"golds": ["2"], "answer": "$\\\\sqrt{4}$"}'
    thread = threading.Thread(target=lambda: said.append(answered(GRADERS["math-verify"].judge, line)))
    thread.start()
    thread.join()
    assert said[0]["correct"]


def test_the_default_grader_is_ours() -> None:
    assert Reward().grader == "verizero" and Suite.model_fields["grader"].default == "verizero"
    decided = grader("verizero").decide(Accepted(("17",)), "The answer is 17.")
    assert isinstance(decided, Verdict) and decided.status == "no_box"


def test_the_configuration_knows_each_grader() -> None:
    assert get_args(GraderName) == tuple(GRADERS)
    assert [Reward(grader=name).grader for name in PAPERS] == PAPERS
    with pytest.raises(ValueError, match="paper-a-fast"):
        Reward(grader="paper-a")  # type: ignore[arg-type]
