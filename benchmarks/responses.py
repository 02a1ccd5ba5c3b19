"""Responses to problems of MATH500, as a model might write them: right, wrong, without a box, or hostile."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

CHARACTERS = (3700, 450)
"""Mean and standard deviation of a response's length: MATH solutions have some 3.7 characters to a token."""
RIGHT, WITHOUT_BOX, UNTERMINATED = 0.5, 0.015, 0.015
REWRITTEN = 0.35
"""Share of the right answers that are not as the gold is written."""

# How the same answer is written another way -----------------------------------------------------------------------------------

Rewrite = Callable[[str, Random], str]
"""An answer -> the same answer, written another way; unchanged where this way does not apply."""

FRACTION = re.compile(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}")
NUMBER = re.compile(r"-?\d*\.?\d+")
LIST = re.compile(r"-?\d+(?:, ?-?\d+)+")
PLAIN = re.compile(r"[-\d.\\a-zA-Z{}^+ ]+")
UNITS = (r"\text{ units}", r" \text{ cm}", r"\text{ square units}", r"\,\mathrm{m}", r" \text{ ways}", " units")


def as_slash(answer: str, draw: Random) -> str:
    """A plain fraction with a slash."""
    match = FRACTION.fullmatch(answer)
    return f"{match[1]}{match[2]}/{match[3]}" if match else answer


def as_decimal(answer: str, draw: Random) -> str:
    """A fraction that has a finite decimal, as that; a whole number with a zero behind its point."""
    if answer.isdecimal():
        return f"{answer}.0"
    match = FRACTION.fullmatch(answer)
    if not match or match[3] == "0" * len(match[3]) or 10**6 % int(match[3]):
        return answer
    return f"{match[1]}{int(match[2]) / int(match[3]):.6f}".rstrip("0")


def unreduced(answer: str, draw: Random) -> str:
    """A fraction with a common factor."""
    match = FRACTION.fullmatch(answer)
    factor = draw.randint(2, 6)
    return rf"{match[1]}\frac{{{int(match[2]) * factor}}}{{{int(match[3]) * factor}}}" if match else answer


def whole_braces(answer: str, draw: Random) -> str:
    r"""`\frac43` and `\sqrt2` with all their braces."""
    answer = re.sub(r"\\frac ?(\d) ?(\d+)$", r"\\frac{\1}{\2}", answer)
    return re.sub(r"\\sqrt(\d)", r"\\sqrt{\1}", answer)


def with_unit(answer: str, draw: Random) -> str:
    """A number with a unit that nobody asked for."""
    return answer + draw.choice(UNITS) if NUMBER.fullmatch(answer) or FRACTION.fullmatch(answer) else answer


def other_degrees(answer: str, draw: Random) -> str:
    """Degrees without their sign, or in words."""
    return answer.replace(r"^\circ", draw.choice(("", r"\text{ degrees}", r"^{\circ}")))


def other_spaces(answer: str, draw: Random) -> str:
    """More spaces, or fewer."""
    if draw.random() < 0.5:
        return re.sub(r" *([+=]) *", r" \1 ", re.sub(r"(?<=[)\w]),(?=[-\w\\(])", ", ", answer))
    return re.sub(r"(?<=[\d)}+=,-]) +(?=[-\d(+=\\])", "", answer)


def named(answer: str, draw: Random) -> str:
    """With `x =` before it."""
    return f"{draw.choice('xxxnkSA')} = {answer}" if PLAIN.fullmatch(answer) and r"\text" not in answer else answer


def other_brackets(answer: str, draw: Random) -> str:
    r"""With `\left` and `\right`, or without."""
    if r"\left" in answer:
        return answer.replace(r"\left", "").replace(r"\right", "")
    if re.fullmatch(r"[(\[][^()\[\]]*[)\]]", answer):
        return rf"\left{answer[:-1]}\right{answer[-1]}"
    return answer


def under_the_root(answer: str, draw: Random) -> str:
    r"""`3\sqrt{13}` as `\sqrt{117}`."""
    match = re.fullmatch(r"(\d+) ?\\sqrt\{(\d+)\}", answer)
    return rf"\sqrt{{{int(match[1]) ** 2 * int(match[2])}}}" if match else answer


def other_root_fraction(answer: str, draw: Random) -> str:
    r"""`\frac{\sqrt{3}}{3}` as `\frac{1}{\sqrt{3}}`, `\frac{3\sqrt{3}}{4}` as `\frac{3}{4}\sqrt{3}`."""
    answer = re.sub(r"\\frac\{\\sqrt\{(\d+)\}\}\{\1\}", r"\\frac{1}{\\sqrt{\1}}", answer)
    return re.sub(
        r"\\frac\{(\d*)(\\sqrt\{\d+\})\}\{(\d+)\}", lambda m: rf"\frac{{{m[1] or 1}}}{{{m[3]}}}{m[2]}", answer
    )


def other_order(answer: str, draw: Random) -> str:
    """A list or the terms of a sum in another order."""
    if LIST.fullmatch(answer):
        items = re.split(", ?", answer)
        return ", ".join(draw.sample(items, len(items)))
    if not PLAIN.fullmatch(answer) or re.search(r"[{^][^}]*[+-]|\\text|\\pm", answer):
        return answer
    terms = [term.replace(" ", "") for term in re.split(r"(?<=[\w}]) *(?=[+-])", answer)]
    signed = [term if term[0] in "+-" else f"+{term}" for term in terms]
    return "".join(draw.sample(signed, len(signed))).removeprefix("+") if len(terms) > 1 else answer


def expanded(answer: str, draw: Random) -> str:
    """Two factors multiplied out."""
    match = re.fullmatch(r"\((\w)\+(\d+)\)\((\w)\+(\d+)\)", answer)
    if not match:
        return answer
    left, one, right, other = match.groups()
    return f"{left}{right} + {other}{left} + {one}{right} + {int(one) * int(other)}"


def both_signs(answer: str, draw: Random) -> str:
    r"""`1 \pm \sqrt{19}` as two answers."""
    left, sign, right = answer.partition(r" \pm ")
    return f"{left} + {right}, {left} - {right}" if sign else answer


def other_matrix(answer: str, draw: Random) -> str:
    """Square brackets, and whole fractions."""
    if "pmatrix" not in answer:
        return answer
    return re.sub(r"(\d+)/(\d+)", r"\\frac{\1}{\2}", answer).replace("pmatrix", "bmatrix")


def other_thousands(answer: str, draw: Random) -> str:
    """A large number with or without separators."""
    if answer.isdecimal() and len(answer) > 3:
        return f"{int(answer):,}".replace(",", draw.choice((",", "{,}", r",\!")))
    return re.sub(r",(?:\\!)? ?(?=\d{3})", "", answer)


def as_region(answer: str, draw: Random) -> str:
    """An interval as what is said of its members."""
    if match := re.fullmatch(r"\((-?\d+),\\infty\)", answer):
        return f"x > {match[1]}"
    match = re.fullmatch(r"([(\[])(-?\d+),(-?\d+)([)\]])", answer.removeprefix(r"x \in "))
    if match and match[1] + match[4] != "()":
        low, high = (r"\le" if bracket in "[]" else "<" for bracket in (match[1], match[4]))
        return f"{match[2]} {low} x {high} {match[3]}"
    return rf"x \in {answer}" if r"\cup" in answer else answer


def other_words(answer: str, draw: Random) -> str:
    """Words without their command, or in bold."""
    match = re.fullmatch(r"\\text\{([^{}]*)\}", answer)
    return draw.choice((rf"\textbf{{{match[1]}}}", match[1], match[1].strip("()"))) if match else answer


REWRITES: tuple[Rewrite, ...] = (
    as_slash, as_decimal, unreduced, whole_braces, with_unit, other_degrees, other_spaces, named, other_brackets,
    under_the_root, other_root_fraction, other_order, expanded, both_signs, other_matrix, other_thousands, as_region, other_words,
)  # fmt: skip
SURFACES: tuple[Callable[[str], str], ...] = (
    lambda answer: answer.replace(r"\frac", r"\dfrac"),
    lambda answer: answer.replace(r"\frac", r"\tfrac"),
    lambda answer: answer if "$" in answer else f"${answer}$",
    lambda answer: f"{answer}.",
    lambda answer: f" {answer} ",
)


def rewritten(answer: str, draw: Random) -> str:
    """The same answer another way: another form where one applies, another surface, or both."""
    forms = [other for rewrite in REWRITES if (other := rewrite(answer, draw)) != answer]
    if forms and draw.random() < 0.7:
        answer = draw.choice(forms)
        if draw.random() < 0.6:
            return answer
    return draw.choice([other for surface in SURFACES if (other := surface(answer)) != answer])


WORDS = ("None", "no solution", "Tuesday", "parabola", "odd", "west", "(A)", "(D)")

# Wrong answers ----------------------------------------------------------------------------------------------------------------


def perturbed(answer: str, draw: Random) -> str:
    """One of its numbers changed, a little or a lot."""
    found = list(re.finditer(r"\d+", answer))
    if not found:
        return rf"\text{{{draw.choice(WORDS)}}}" if r"\text" in answer else f"{answer} + {draw.randint(1, 9)}"
    at = draw.choice(found)
    number = int(at[0])
    other = draw.choice((number + draw.randint(1, 9), abs(number - draw.randint(1, 9)), number * draw.randint(2, 12),
                         number * 2 + 1, draw.randint(0, 2 * number + 20), number // 2))  # fmt: skip
    return f"{answer[: at.start()]}{other if other != number else number + 1}{answer[at.end() :]}"


def restructured(answer: str, draw: Random) -> str:
    """A sign, a factor or a term is wrong, or the kind of the answer."""
    other, small = draw.randint(2, 60), draw.randint(2, 13)
    choices = [f"-{answer}" if not answer.startswith("-") else answer[1:]]
    if NUMBER.fullmatch(answer):
        top = draw.randint(1, 200)
        choices += [rf"\frac{{{answer}}}{{{small}}}", rf"\frac{{{top}}}{{{other}}}", rf"\frac{{{top}}}{{{other}}}"]
        choices += [
            rf"{answer}\sqrt{{{small}}}",
            rf"{other} + {small}\sqrt{{{draw.choice((2, 3, 5, 7))}}}",
            rf"{answer}\pi",
        ]
        choices += [f"{top / other:.3f}", f"{answer}, {other}", f"{small}n + {other}", f"{other}^{{{small}}}"]
        choices += [rf"\binom{{{other}}}{{2}}", rf"\text{{{draw.choice(WORDS)}}}"]
        return draw.choice(choices)
    if match := FRACTION.fullmatch(answer):
        choices += [
            rf"{match[1]}\frac{{{match[3]}}}{{{match[2]}}}",
            rf"1 - {answer}",
            rf"\frac{{{match[2]}\pi}}{{{match[3]}}}",
        ]
    elif PLAIN.fullmatch(answer) and r"\text" not in answer:
        choices += [f"{small}({answer})", f"{answer} - {small}", rf"\frac{{{answer}}}{{{small}}}", str(other)]
        if any(sign in answer[1:] for sign in "+-"):
            choices += [answer[0] + answer[1:].translate(str.maketrans("+-", "-+"))] * 3
    else:
        choices = [str(other), perturbed(perturbed(answer, draw), draw), rf"\frac{{{other}}}{{{small}}}"]
    return draw.choice(choices)


# Hostile answers --------------------------------------------------------------------------------------------------------------

HOSTILE: dict[str, Callable[[Random], str]] = {
    "power tower": lambda draw: (lambda n: f"{n}^{{{n}^{{{n}^{{{n}}}}}}}")(draw.randint(3, 99)),
    "two powers": lambda draw: f"{draw.randint(3, 99)}^{{{draw.randint(3, 9)}^{{{draw.randint(4, 9)}}}}}",
    "factorial of a tower": lambda draw: f"{draw.randint(10, 99)}^{{{draw.randint(10, 99)}^{{10}}}}!",
    "factorials of factorials": lambda draw: f"(({draw.randint(5, 90)}!)!)!",
    "100,000 digits": lambda draw: str(draw.randint(1, 9)) * 100_000,
    "900 digits": lambda draw: rf"\frac{{{draw.getrandbits(2900)}}}{{{draw.getrandbits(2900)}}}",
    "2,000 parentheses": lambda draw: f"{'(' * 2000}{draw.randint(1, 99)}{')' * 2000}",
    "nested roots": lambda draw: rf"\sqrt{{{draw.randint(2, 9)}+" * 40 + "1" + "}" * 40,
    "nested fractions": lambda draw: rf"\frac{{1}}{{{draw.randint(2, 9)}+" * 40 + "1" + "}" * 40,
    "sum of 10^9 terms": lambda draw: rf"\sum_{{k=1}}^{{10^{draw.randint(6, 9)}}} \frac{{\sin k}}{{k^{draw.randint(2, 9)}+1}}",
    "product of 10^6 terms": lambda draw: rf"\prod_{{k=1}}^{{10^{draw.randint(5, 7)}}} \left(1+\frac{{1}}{{k^{draw.randint(2, 9)}}}\right)",
    "integral in x": lambda draw: rf"\int_0^{{10^{{{draw.randint(5, 9)}}}}} \sin(x^{{x}}) dx",
    "integral of e": lambda draw: rf"\int_{{0}}^{{{draw.randint(1, 99)}}} e^{{-x^{draw.randint(2, 9)}}} \ln(1+x^{{\pi}}) dx",
    "limit": lambda draw: rf"\lim_{{n\to\infty}} \left(1+\frac{{\sin n}}{{n^{draw.randint(2, 9)}}}\right)^{{n^{{{draw.randint(2, 9)}}}}}",
    "power of a sum": lambda draw: f"(x+y+z+w)^{{{draw.randint(100, 900)}}}",
    "100 factors": lambda draw: "".join(f"(x-{draw.randint(1, 999)})" for _ in range(100)),
    "huge binomial": lambda draw: rf"\binom{{10^{{{draw.randint(5, 9)}}}}}{{5 \cdot 10^{{4}}}}",
    "large binomial": lambda draw: rf"\binom{{{draw.randint(20_000, 150_000)}}}{{10000}}",
    "large power": lambda draw: f"{draw.randint(3, 9)}^{{{draw.randint(20_000, 50_000)}}} + 1",
    "sine of a large number": lambda draw: rf"\sin(10^{{{draw.randint(10_000, 49_000)}}})",
    "powers of sines": lambda draw: rf"\sin^{{{draw.randint(30, 90)}}}(x)\cos^{{{draw.randint(30, 90)}}}(x) + \tan^{{30}} x",
    "underbrace": lambda draw: rf"\underbrace{{1+1+\cdots+1}}_{{10^{{{draw.randint(3, 99)}}}}}",
    "1,000 terms": lambda draw: "+".join(str(draw.randint(1, 9)) for _ in range(1000)),
    "800 answers": lambda draw: ",".join(str(draw.randint(1, 99)) for _ in range(800)),
    "large matrix": lambda draw: rf"\begin{{pmatrix}} {chr(92) * 2} {' & '.join([str(draw.randint(1, 99))] * 30)} {chr(92) * 2} \end{{pmatrix}}^{{99}}",
    "roots of roots": lambda draw: rf"\sqrt[{draw.randint(5, 99)}]{{" * 12 + "2+\\sqrt{3}" + "}" * 12,
    "unfinished commands": lambda draw: r"\frac{" * draw.randint(5, 40),
}  # fmt: skip

# The responses ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Response:
    """A response, the gold that it is held against, and what its writer meant it to be."""

    gold: str
    text: str
    answer: str | None
    kind: str


class Writer:
    """Writes responses to problems of MATH500 in an endless, seeded order: all problems in turn, shuffled again each time."""

    def __init__(self, rows: list[dict[str, str]], seed: int, hostile: float = 0.0) -> None:
        self.draw, self.hostile = Random(seed), hostile
        self.golds = [row["answer"] for row in rows]
        self.reasoning = [_without_box(row["solution"]) for row in rows]
        self._turn: list[int] = []

    def responses(self, count: int) -> list[Response]:
        """The next ones."""
        return [self._response() for _ in range(count)]

    def _response(self) -> Response:
        if not self._turn:
            self._turn = self.draw.sample(range(len(self.golds)), len(self.golds))
        problem = self._turn.pop()
        gold, text = self.golds[problem], self._reasoning(problem)
        if self.draw.random() < self.hostile:
            kind = self.draw.choice(list(HOSTILE))
            answer = HOSTILE[kind](self.draw)
        else:
            kind, answer = self._answer(gold)
        if kind == "no box":
            return Response(gold, f"{text}\n\nThe final answer is ${answer}$.", None, kind)
        if kind == "unterminated":
            return Response(gold, rf"{text} So the answer is $\boxed{{{answer}", None, kind)
        return Response(gold, f"{text}\n\nTherefore, the final answer is $\\boxed{{{answer}}}$.", answer, kind)

    def _answer(self, gold: str) -> tuple[str, str]:
        draw = self.draw
        if (whole := draw.random()) < WITHOUT_BOX + UNTERMINATED:
            return "no box" if whole < WITHOUT_BOX else "unterminated", gold
        if draw.random() < RIGHT:
            return "right", rewritten(gold, draw) if draw.random() < REWRITTEN else gold
        wrong = gold
        while wrong == gold:
            wrong = draw.choices(
                (draw.choice(self.golds), perturbed(gold, draw), restructured(gold, draw)), (20, 55, 25)
            )[0]
        return "wrong", rewritten(wrong, draw) if draw.random() < REWRITTEN else wrong

    def _reasoning(self, problem: int) -> str:
        """The problem's own solution between paragraphs of others', cut to a length at a space."""
        length = round(self.draw.gauss(*CHARACTERS))
        parts = [self.reasoning[problem]]
        while sum(map(len, parts)) < length:
            parts.insert(0, self.draw.choice(self.reasoning))
        return "\n\n".join(parts)[-length:].partition(" ")[2]


def _without_box(solution: str) -> str:
    """A solution as reasoning: without drawings, its boxed answer as plain text."""
    solution = re.sub(r"\[asy\].*?\[/asy\]", "", solution, flags=re.DOTALL)
    return re.sub(r"\\(?:boxed|fbox)(?![A-Za-z])", "", solution).strip()
