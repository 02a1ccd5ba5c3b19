r"""Grade what nobody meant to write, and check what must hold for every response.

    .venv/jobs/bin/python tests/fuzz_grading.py --seconds 60 --seed 0
    .venv/jobs/bin/python tests/fuzz_grading.py --seconds 600 --seed 1 --out findings.jsonl

Golds and answers of a small corpus and the responses of tests/cases/grading.jsonl are cut, doubled, joined and filled with LaTeX,
brackets, digits, powers, unusual characters and boxes, and graded by `verizero` in two workers. What must hold:

- every response gets one verdict with a known status, and is correct exactly when its status says so;
- no verdict is an `error`, and none takes longer than its processor time (by the clock: its deadline);
- the same question gets the same verdict again;
- a gold that is a readable answer is correct for itself.

The same seed makes the same inputs in the same order; the time only says how many. A finding is shortened while it still is one,
printed, and written to --out as JSON lines with `gold`, `response` and `finding`. Exit code 1 when there is one.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from verizero.reward.extraction import final_answer  # noqa: E402
from verizero.reward.limits import exceeded  # noqa: E402
from verizero.reward.pool import CPU_SECONDS, WALL_SECONDS, GradingPool  # noqa: E402
from verizero.reward.verdict import STATUSES, Verdict  # noqa: E402

CASES = ROOT / "tests" / "cases" / "grading.jsonl"
GRADER = "verizero"
WORKERS = 2
BATCH = 64
AGAIN = 8
"""Every so many inputs, one is graded a second time."""
SLACK = 1.0
"""Seconds by the clock that starting, asking and reading may add to an answer's limit of processor time."""
LONGEST = 300_000
SHRINK_SECONDS = 60.0
SHOWN = 2_000
"""Characters of an input that are printed; the file has all of them."""

ANSWERS = [
    "17", "-3", "1,234,567", "0.125", r"\frac{3}{4}", r"-\frac{22}{7}", r"2\frac{1}{3}", r"1.5\times 10^{-19}", "3.0e8", r"40\%", r"\$36",
    r"2\sqrt{13}", r"\frac{1+\sqrt{5}}{2}", r"\frac{\sqrt{3}}{3}", r"\sqrt[3]{2}", r"4\pi", r"\frac{\pi}{4}", r"45^\circ", r"e^{-2t}",
    r"7\text{ cm}^2", r"12\text{ apples}", r"101_2", r"2516_{8}", r"0.\overline{36}", r"(3,4)", r"\left(3, \frac{\pi}{2}\right)",
    r"(-\infty,2)\cup[3,\infty)", r"[1,2)", r"x<3", r"1\le x\le 5", r"\{1,2,3\}", "1, 2, 3", r"1\pm\sqrt{2}", r"x=2 \text{ or } x=-5",
    "x^2+2x+1", "(x+1)(x-2)", r"\frac{n(n+1)}{2}", r"y=2x+3", r"x^2+y^2=25", "3+4i", r"e^{i\pi}", r"\ln 2", r"\log_2 10", r"\sin^2 x",
    r"2\sin x\cos x", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix} -7 \\ 16 \\ 5 \end{pmatrix}", r"\binom{20}{10}", "10!",
    r"2^{2005}", r"\sum_{k=1}^n k", r"\int_0^1 x\,dx", r"\lfloor\log_2 n\rfloor+1", r"f(x)=x^2+1", "B", r"\text{(C)}", r"\text{Evelyn}",
    r"\text{no solution}", r"\emptyset", "3:4", r"a<b<c", r"\frac{1}{2^{70}}", r"6.02\times 10^{23}", "027", r"\mathbb{R}", r"\infty", "pq", "5t",
]  # fmt: skip
TOKENS = [
    r"\frac", r"\frac{1}{2}", r"\dfrac12", r"\sqrt", r"\sqrt{2}", r"\sqrt[3]", r"\pi", r"\infty", r"\cdot ", r"\times ", r"\pm ", r"\mp ",
    r"\cup ", r"\cap ", r"\in ", r"\le ", r"\geq ", r"\neq ", r"\text{", r"\text{ or }", r"\text{ and }", r"\mathrm{", r"\mathbf{", r"\left(",
    r"\right)", r"\left", r"\right", r"\{", r"\}", r"\begin{pmatrix}", r"\end{pmatrix}", r"\begin{array}{cc}", r"\begin{cases}", r"\\", "&",
    r"\sin", r"\cos ", r"\tan^{-1}", r"\log_", r"\ln ", r"\lim_{x\to 0}", r"\sum_{i=1}^{n}", r"\prod_{k=1}^{5}", r"\int_0^1 ", r"\binom{", r"\overline{",
    r"\bar", r"\dot{3}", r"\choose ", r"\circ", r"^\circ", r"^{\circ}", r"\degree", r"\%", r"\$", "$", "$$", r"\(", r"\)", r"\[", r"\]", r"\,", r"\!", "{,}",
    "{", "}", "(", ")", "[", "]", "|", "^", "^{", "^{2}", "_", "_{", "_2", "+", "-", "*", "**", "/", "=", "<", ">", ",", ";", ":", ".", "!", "'", "?", "#", "@",
    "~", "%", "0", "1", "2", "7", "10", "100", "1e9", "1e-300", "e", "i", "E", "O", "S", "N", "Q", "x", "y", "n", "a b", "nan", "inf", "oo", "None", "pi", "sqrt(",
    "cm", " km", " degrees", "\n", "\t", " ", r"\boxed", r"\boxed{", r"\fbox{", r"\boxed{}", r"\boxed 5", "lambda", "__import__('os')", "%s", r"\u0041", r"\x00",
    r"\color{red}", r"\hspace{1em}", r"\phantom{x}", r"\operatorname{", r"\mathbb{R}", r"\emptyset", r"\partial ", r"\nabla ", r"\Xi ", r"\vec{", r"\langle ",
    r"\rangle ", r"\lfloor ", r"\rceil ", r"\equiv ", r"\pmod{", r"\mod ", r"\displaystyle ", r"\tiny ", r"\newline", "...", r"\ldots ", "base", "(B)", "A. ",
]  # fmt: skip
CHARACTERS = [
    *"−–×·÷π∞°≤≥≠∪∩∅±√∛½¾²³⁹₀₉θλ０９，（）．", *"٣۷३၇²Ⅷ㊿𝟘𝟿𝑥ﬁßİıſ😀漢אع", "\u0301", "\u0338", "\u20d7", "e\u0301\u0301\u0301",
    "\u202e", "\u200f", "\u2066", "\u200b", "\u00a0", "\u2009", "\u2028", "\u0085", "\ufeff", "\ufffd", "\uffff", "\U0010ffff",
    "\x00", "\x01", "\x07", "\x08", "\x0b", "\x0c", "\r", "\x1b[31m", "\x1f", "\x7f",
]  # fmt: skip
JOINED = [
    "{0}{1}",
    "{0},{1}",
    "{0}={1}",
    r"\frac{{{0}}}{{{1}}}",
    "{0}^{{{1}}}",
    "({0})({1})",
    r"\{{{0},{1}\}}",
    "{0}+{1}",
    r"{0} \text{{ or }} {1}",
]
RUNS = ["{}", "0.{}", "1e{}", r"\frac{{{}}}{{7}}", r"\sqrt{{{}}}", "-{}", r"0.\overline{{{}}}", "{}!", "x^{{{}}}"]
NESTS = [r"\frac{{{}}}{{2}}", r"\frac{{1}}{{1+{}}}", r"\sqrt{{{}}}", r"({}+1)^2", r"\sin({})", "2^{{{}}}", r"\text{{{}}}", r"\log({})", "({})!",
         r"\binom{{{}}}{{2}}"]  # fmt: skip
BRACKETS = [("(", ")"), ("{", "}"), ("[", "]"), (r"\left(", r"\right)"), (r"\{", r"\}"), (r"\text{", "}"), (r"\sqrt{", "}"), (r"\boxed{", "}"),
            (r"\frac{1}{", "}"), ("$", "$"), (r"\overline{", "}"), (r"\sin(", ")"), ("|", "|")]  # fmt: skip


@dataclass(frozen=True)
class Input:
    """A gold and a response; `own` says that the response is the gold in a box."""

    gold: str
    response: str
    own: bool = False


@dataclass
class Tally:
    """What a run has seen."""

    statuses: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, Input] = (0.0, Input("", ""))
    findings: list[tuple[Input, str]] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        return self.statuses.total()


def corpus() -> list[tuple[str, str]]:
    """Golds and responses: the built-in answers, and the cases that have a gold and a response as texts."""
    pairs = [(answer, rf"So the answer is $\boxed{{{answer}}}$.") for answer in ANSWERS]
    for line in CASES.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if isinstance(case["response"], str):
            gold = case["gold"][0] if isinstance(case["gold"], list) else case["gold"]
            pairs.append((str(gold), case["response"]))
    return pairs


Mutation = Callable[[random.Random, str], str]


def _place(draw: random.Random, text: str) -> int:
    return draw.randint(0, len(text))


def _inserted(draw: random.Random, text: str, what: str) -> str:
    place = _place(draw, text)
    return text[:place] + what + text[place:]


def _token(draw: random.Random, text: str) -> str:
    return _inserted(draw, text, "".join(draw.choices(TOKENS, k=draw.choice([1, 1, 2, 4]))))


def _character(draw: random.Random, text: str) -> str:
    return _inserted(draw, text, draw.choice(CHARACTERS) * draw.choice([1, 1, 1, 3, 40]))


def _any_character(draw: random.Random, text: str) -> str:
    point = draw.choice([draw.randrange(0x80), draw.randrange(0x3000), draw.randrange(0x110000)])
    return _inserted(draw, text, "" if 0xD800 <= point < 0xE000 else chr(point))


def _deleted(draw: random.Random, text: str) -> str:
    begin = _place(draw, text)
    return text[:begin] + text[begin + draw.choice([1, 1, 2, 5, 20]) :]


def _doubled(draw: random.Random, text: str) -> str:
    begin = _place(draw, text)
    piece = text[begin : begin + draw.choice([1, 3, 10, 50])]
    return text[:begin] + piece * draw.choice([2, 2, 3, 12]) + text[begin + len(piece) :]


def _exchanged(draw: random.Random, text: str) -> str:
    first, second = sorted((_place(draw, text), _place(draw, text)))
    return text[second:] + text[first:second] + text[:first]


def _joined(draw: random.Random, text: str) -> str:
    return draw.choice(JOINED).format(text, draw.choice(ANSWERS))


def _bracketed(draw: random.Random, text: str) -> str:
    opening, closing = draw.choice(BRACKETS)
    times = draw.choice([1, 1, 2, 5, 20, 45, 60])
    return opening * times + text + closing * draw.choice([times, times, times - 1])


def _digits(draw: random.Random, text: str) -> str:
    run = "".join(draw.choices("0123456789", k=draw.choice([5, 20, 100, 320, 999, 1001, 3000])))
    return _inserted(draw, text, draw.choice(RUNS).format(run[: draw.choice([3, 10, len(run)])]))


def _tower(draw: random.Random, text: str) -> str:
    numbers = [str(draw.choice([2, 3, 9, 10, 99, 999, 12345, 10**9])) for _ in range(draw.randint(2, 6))]
    shape = draw.choice(["braces", "plain", "brackets"])
    tower = numbers[-1]
    for number in numbers[-2::-1]:
        tower = {"braces": f"{number}^{{{tower}}}", "plain": f"{number}^{tower}", "brackets": f"({number}^{tower})"}[
            shape
        ]
    return _inserted(draw, text, tower + draw.choice(["", "", "!", "x", r"\pi"]))


def _nested(draw: random.Random, text: str) -> str:
    for _ in range(draw.choice([2, 5, 15, 30])):
        text = draw.choice(NESTS).format(text)
    return text


def _long(draw: random.Random, text: str) -> str:
    length = draw.choice([3_990, 4_001, 20_000, 100_000, LONGEST])
    piece = draw.choice(
        [
            text or "x",
            draw.choice(TOKENS),
            draw.choice(CHARACTERS),
            " ",
            "{",
            "(",
            "1",
            r"\boxed{",
            "x+",
            "1,",
            r"\frac",
            "^",
        ]
    )
    return (_inserted(draw, text, piece * (length // len(piece))))[:length]


MUTATIONS: list[tuple[Mutation, int]] = [
    (_token, 12), (_character, 4), (_any_character, 2), (_deleted, 8), (_doubled, 5), (_exchanged, 2), (_joined, 8), (_bracketed, 4),
    (_digits, 3), (_tower, 2), (_nested, 2), (_long, 1),
]  # fmt: skip
"""Each with how often it is drawn."""


def inputs(seed: int) -> Iterator[Input]:
    """Endless, and the same for the same seed."""
    draw = random.Random(seed)
    pairs = corpus()
    kinds, weights = zip(*MUTATIONS, strict=True)

    def mutated(text: str) -> str:
        for mutation in draw.choices(kinds, weights, k=draw.choice([1, 1, 2, 3, 6])):
            text = mutation(draw, text)[:LONGEST]
        return text

    while True:
        gold, response = draw.choice(pairs)
        if draw.random() < 0.5:
            response = rf"Thus \boxed{{{draw.choice([gold, gold, draw.choice(ANSWERS)])}}}."
        kind = draw.choice(["answer", "answer", "answer", "response", "gold", "own"])
        if kind == "answer":
            yield Input(gold, rf"Hence $\boxed{{{mutated(final_answer(response).answer or gold)}}}$.")
        elif kind == "response":
            yield Input(gold, mutated(response))
        elif kind == "gold":
            yield Input(mutated(gold), response)
        else:
            gold = mutated(gold)
            yield Input(gold, rf"It is \boxed{{{gold}}}.", own=True)


def must_be_correct(one: Input) -> bool:
    """Whether the response is the gold in a box, and nothing in the gold's text closes or empties or outgrows the box."""
    found = final_answer(one.response)
    return (
        one.own
        and found.answer == one.gold == one.gold.strip()
        and found.status == "found"
        and exceeded(one.gold) is None
    )


def fault(one: Input, verdict: Verdict) -> str | None:
    """What is wrong with a verdict by itself; None where nothing is."""
    if verdict.status not in STATUSES:
        return f"unknown status {verdict.status}"
    if verdict.correct != (verdict.status == "correct"):
        return f"correct is {verdict.correct}, status {verdict.status}"
    if verdict.status == "error":
        return f"error: {verdict.rule}"
    limit = WALL_SECONDS if verdict.status == "timeout" else CPU_SECONDS
    if verdict.seconds > limit + SLACK:
        return f"slow: status {verdict.status}"
    if must_be_correct(one) and not verdict.correct:
        return f"a gold is not itself: {verdict.status}, {verdict.rule}"
    return None


def grade(pool: GradingPool, batch: list[Input]) -> list[Verdict]:
    """The verdicts on a batch; one of them for each."""
    verdicts = pool.grade_all([([one.gold], one.response) for one in batch])
    if len(verdicts) != len(batch):
        raise AssertionError(f"{len(batch)} responses, {len(verdicts)} verdicts")
    return verdicts


def finding(pool: GradingPool, one: Input) -> str | None:
    """What is wrong with one input, graded twice by itself; None where nothing is."""
    try:
        first, second = grade(pool, [one])[0], grade(pool, [one])[0]
    except Exception as error:
        return f"exception: {type(error).__name__}"
    if first != second and "timeout" not in (first.status, second.status):
        return "another verdict the second time"
    return fault(one, first) or fault(one, second)


def shrunk(pool: GradingPool, one: Input, what: str) -> Input:
    """A shorter input with the same finding: pieces of the gold and the response are left out while it stays one."""
    kind, end = what.split(":")[0], time.monotonic() + SHRINK_SECONDS

    def fails(candidate: Input) -> bool:
        again = finding(pool, candidate)
        return again is not None and again.split(":")[0] == kind

    if one.own:
        gold = _shorter(one.gold, lambda text: fails(Input(text, rf"\boxed{{{text}}}", own=True)), end)
        candidate = Input(gold, rf"\boxed{{{gold}}}", own=True)
        return candidate if fails(candidate) else one
    response = _shorter(one.response, lambda text: fails(Input(one.gold, text)), end)
    gold = _shorter(one.gold, lambda text: fails(Input(text, response)), end)
    return Input(gold, response)


def _shorter(text: str, fails: Callable[[str], bool], end: float) -> str:
    size = len(text) // 2
    while size:
        begin = 0
        while begin < len(text) and time.monotonic() < end:
            candidate = text[:begin] + text[begin + size :]
            if fails(candidate):
                text = candidate
            else:
                begin += size
        size //= 2
    return text


def main() -> int:
    """Fuzz for some time; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("fuzz-findings.jsonl"), help="where findings go (default %(default)s)"
    )
    arguments = parser.parse_args()
    tally = Tally()
    stream = inputs(arguments.seed)
    with GradingPool(GRADER, WORKERS) as pool:
        begin = time.monotonic()
        with tqdm(desc=f"seed {arguments.seed}", unit="input", disable=None) as bar:
            while time.monotonic() - begin < arguments.seconds:
                batch = [next(stream) for _ in range(BATCH)]
                _check(pool, batch, tally)
                bar.update(len(batch))
                bar.set_postfix(findings=len(tally.findings))
        taken = time.monotonic() - begin
        for number, (one, what) in enumerate(tally.findings):
            print(f"shortening finding {number + 1} of {len(tally.findings)}", file=sys.stderr)
            tally.findings[number] = shrunk(pool, one, what), what
    for status in STATUSES:
        print(f"{status:<18} {tally.statuses[status]:8}")
    seconds, one = tally.slowest
    print(f"{tally.inputs} inputs, {tally.inputs / taken:.1f} a second")
    print(f"slowest: {seconds:.2f} s, gold {one.gold[:SHOWN]!r}, response {one.response[:SHOWN]!r}")
    if not tally.findings:
        return 0
    with arguments.out.open("w", encoding="utf-8") as file:
        for one, what in tally.findings:
            print(f"\n{what}\n  gold     {one.gold[:SHOWN]!r}\n  response {one.response[:SHOWN]!r}")
            file.write(json.dumps({"gold": one.gold, "response": one.response, "finding": what}) + "\n")
    print(f"\n{len(tally.findings)} findings, in {arguments.out}")
    return 1


def _check(pool: GradingPool, batch: list[Input], tally: Tally) -> None:
    """Grade a batch, and some of it again; what is wrong goes into the tally."""
    try:
        verdicts = grade(pool, batch)
        again = grade(pool, batch[::-AGAIN])
    except Exception as error:  # whichever of them it was
        pool.close()
        culprits = [(one, what) for one in batch if (what := finding(pool, one))]
        tally.findings += culprits or [(batch[0], f"exception: {type(error).__name__}, only in its batch")]
        return
    for one, verdict in zip(batch, verdicts, strict=True):
        tally.statuses[verdict.status] += 1
        tally.slowest = max(tally.slowest, (verdict.seconds, one), key=lambda pair: pair[0])
        what = fault(one, verdict)
        if what and what.startswith("slow"):  # once may be the machine's doing
            what = finding(pool, one)
        if what:
            tally.findings.append((one, what))
    for one, first, second in zip(batch[::-AGAIN], verdicts[::-AGAIN], again, strict=True):
        if first != second and "timeout" not in (first.status, second.status):
            tally.findings.append((one, f"another verdict the second time: {first.status}, then {second.status}"))


if __name__ == "__main__":
    sys.exit(main())
