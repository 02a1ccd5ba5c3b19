"""Properties of the grader: another way of writing an answer is as right, another value is wrong, whatever the values are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import gcd
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.reward.pool import GradingPool

T = TypeVar("T")
Pair = tuple[str, str]
"""A gold and an answer, as written."""
Texts = st.SearchStrategy[str]
Pairs = st.SearchStrategy[Pair]

quick = settings(max_examples=100, deadline=None)
"""Where the quick rules decide: less than a millisecond."""
algebra = settings(max_examples=15, deadline=None)
"""Where a worker does: some tens of milliseconds."""


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    with GradingPool("verizero", 1) as pool:
        yield pool


def right(pool: GradingPool, pair: Pair) -> bool:
    gold, answer = pair
    verdict = pool.grade_all([([gold], rf"So the answer is $\boxed{{{answer}}}$.")])[0]
    assert verdict.correct == (verdict.status == "correct")
    return verdict.correct


def rewritten(values: st.SearchStrategy[T], written: Callable[[T], Texts]) -> Pairs:
    """One value, written twice."""
    return values.flatmap(lambda value: st.tuples(written(value), written(value)))


def changed(
    values: st.SearchStrategy[T], change: Callable[[T], st.SearchStrategy[T]], written: Callable[[T], Texts]
) -> Pairs:
    """A value and another one, each written somehow."""
    return values.flatmap(lambda value: change(value).flatmap(lambda other: st.tuples(written(value), written(other))))


def both_ways(left: Texts, right: Texts) -> Pairs:
    """Either may be the gold."""
    return st.tuples(left, right).flatmap(lambda pair: st.sampled_from([pair, pair[::-1]]))


# Integers

integers = st.one_of(st.integers(-1_000, 1_000), st.integers(-(10**9), 10**9), st.integers(-(10**40), 10**40))


@st.composite
def an_integer(draw: st.DrawFn, value: int) -> str:
    separator = draw(st.sampled_from(["", "", ",", "{,}", r"\,", r",\!"]))
    sign = "-" if value < 0 else draw(st.sampled_from(["", "", "+"]))
    text = sign + f"{abs(value):,}".replace(",", separator) + draw(st.sampled_from(["", "", "."]))
    shell = draw(st.sampled_from(["{}", "{}", "${}$", " {} ", r"\({}\)", r"\displaystyle {}", r"\mathbf{{{}}}"]))
    return shell.format(text)


@quick
@given(pair=rewritten(integers, an_integer))
def test_an_integer_may_have_separators_a_plus_a_point_and_dollars(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(
    pair=changed(
        integers,
        lambda value: st.sampled_from([1, -1, 10, -(10 ** (len(str(value)) - 1))]).map(value.__add__),
        an_integer,
    )
)
def test_an_integer_with_another_digit_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@quick
@given(pair=changed(integers.filter(bool), lambda value: st.just(-value), an_integer))
def test_an_integer_of_the_other_sign_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@quick
@given(value=integers.filter(bool), power=st.sampled_from([1, 2, 3]))
def test_ten_times_an_integer_is_wrong(pool: GradingPool, value: int, power: int) -> None:
    assert not right(pool, (str(value), str(value * 10**power)))


@quick
@given(
    pair=rewritten(
        integers,
        lambda value: (
            an_integer(value)
            .filter(lambda text: "mathbf" not in text)  # a gap: algebra reads bold as a vector, behind another name too
            .flatmap(lambda text: st.sampled_from([text, f"x={text}", f"x = {text}"]))
        ),
    )
)
def test_the_name_of_the_unknown_is_optional(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(value=integers)
def test_the_value_of_another_unknown_is_wrong(pool: GradingPool, value: int) -> None:
    assert not right(pool, (f"x={value}", f"y = {value}"))


@quick
@given(value=integers, other=integers, name=st.sampled_from("xnky"))
def test_the_name_of_the_unknown_hides_no_other_value(pool: GradingPool, value: int, other: int, name: str) -> None:
    assert right(pool, (str(value), f"{name} = {other}")) == (value == other)
    assert right(pool, (f"{name} = {value}", str(other))) == (value == other)


# Fractions and decimals

fractions = st.builds(Fraction, st.integers(-2_000, 2_000), st.integers(2, 400)).filter(
    lambda value: value.denominator > 1
)


@st.composite
def a_fraction(draw: st.DrawFn, value: Fraction) -> str:
    times = draw(st.integers(1, 12))
    over, under = abs(value.numerator) * times, value.denominator * times
    sign = "-" if value < 0 else ""
    forms = [rf"{sign}\frac{{{over}}}{{{under}}}", rf"\dfrac{{{sign}{over}}}{{{under}}}", f"{sign}{over}/{under}",
             rf"{sign}\tfrac {{{over}}} {{{under}}}", rf"${sign}\frac{{{over}}}{{{under}}}$.",
             rf"{sign}{over}\div {under}", rf"{sign}\left(\frac{{{over}}}{{{under}}}\right)"]  # fmt: skip
    if over < 10 and under < 10:
        forms.append(rf"{sign}\frac{over}{under}")
    if over > under:
        forms.append(rf"{sign}{over // under}\frac{{{over % under}}}{{{under}}}")
    return draw(st.sampled_from(forms))


@algebra
@given(pair=rewritten(fractions, a_fraction))
def test_a_fraction_may_be_written_in_each_form_and_unreduced(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@algebra
@given(
    pair=changed(
        fractions,
        lambda value: st.sampled_from([value + 1, value - 1, -value, 1 / value, value + Fraction(1, 10**4)]).filter(
            lambda other: other != value
        ),
        a_fraction,
    )
)
def test_a_fraction_of_another_value_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


def digits_of(value: Fraction) -> str:
    """A fraction as a decimal, its repeating digits under a line."""
    whole, rest = divmod(abs(value.numerator), value.denominator)
    seen: dict[int, int] = {}
    places = ""
    while rest and rest not in seen:
        seen[rest] = len(places)
        digit, rest = divmod(rest * 10, value.denominator)
        places += str(digit)
    begin = seen[rest] if rest else len(places)
    repeating = rf"\overline{{{places[begin:]}}}" if rest else ""
    return f"{'-' if value < 0 else ''}{whole}.{places[:begin]}{repeating}"


exact_decimals = st.builds(
    lambda over, twos, fives: Fraction(over, 2**twos * 5**fives),
    st.integers(-(10**6), 10**6), st.integers(0, 6), st.integers(0, 6),
).filter(lambda value: value.denominator > 1)  # fmt: skip
repeating = st.builds(Fraction, st.integers(-500, 500), st.integers(3, 60)).filter(
    lambda value: any(value.denominator % prime == 0 for prime in (3, 7, 11, 13, 17, 19, 23, 29))
)


@quick
@given(value=exact_decimals, zeros=st.integers(0, 3))
def test_a_fraction_is_its_exact_decimal(pool: GradingPool, value: Fraction, zeros: int) -> None:
    decimal, fraction = digits_of(value) + "0" * zeros, rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert right(pool, (fraction, decimal)) and right(pool, (decimal, fraction))


@quick
@given(value=repeating)
def test_a_fraction_is_its_repeating_decimal(pool: GradingPool, value: Fraction) -> None:
    decimal, fraction = digits_of(value), rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert right(pool, (fraction, decimal)) and right(pool, (decimal, fraction))


@quick
@given(value=repeating.filter(bool), places=st.integers(2, 8))
def test_a_repeating_decimal_cut_off_is_wrong_beyond_the_tolerance(
    pool: GradingPool, value: Fraction, places: int
) -> None:
    cut = Fraction(int(value * 10**places), 10**places)
    gold = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    assert right(pool, (gold, digits_of(cut))) == (abs(cut - value) <= abs(value) / 10**9)


def a_decimal(value: tuple[int, int]) -> Texts:
    """An integer with so many places behind the point."""
    shifted, places = value
    digits = f"{abs(shifted):0{places + 1}d}"
    sign, whole, behind = "-" if shifted < 0 else "", digits[:-places], digits[-places:]
    forms = [
        f"{sign}{whole}.{behind}",
        f"{sign}{whole}.{behind}0",
        f"${sign}{whole}.{behind}$",
        f"{sign}{int(whole):,}.{behind}",
    ]
    return st.sampled_from(forms if whole != "0" else [*forms, f"{sign}.{behind}"])


decimals = st.tuples(st.integers(-(10**7), 10**7), st.integers(1, 9))


@quick
@given(pair=rewritten(decimals, a_decimal))
def test_a_decimal_may_have_more_zeros_and_none_before_the_point(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(
    pair=changed(decimals, lambda value: st.sampled_from([1, -1]).map(lambda by: (value[0] + by, value[1])), a_decimal)
)
def test_a_decimal_with_another_last_digit_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


# Scientific notation: a mantissa of nine digits, and an exponent

scientific = st.tuples(st.integers(10**8, 10**9 - 2_000), st.integers(-300, 300), st.booleans())


@st.composite
def in_powers_of_ten(draw: st.DrawFn, value: tuple[int, int, bool]) -> str:
    mantissa, exponent, negative = value
    by = draw(st.integers(0, 3))  # places that the point is moved
    digits = f"{'-' if negative else ''}{str(mantissa)[: 1 + by]}.{str(mantissa)[1 + by :]}"
    power = exponent - by
    forms = [
        r"{}\times 10^{{{}}}",
        r"{} \cdot 10^{{{}}}",
        "{}e{}",
        "{}E{}",
        r"{}\times10^{{{}}}",
        "{} × 10^{{{}}}",
        "{}*10^{{{}}}",
    ]
    return draw(st.sampled_from(forms)).format(digits, power)


@quick
@given(pair=rewritten(scientific, in_powers_of_ten))
def test_a_power_of_ten_may_be_written_in_each_form(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(
    pair=changed(
        scientific,
        lambda value: st.sampled_from(
            [
                (value[0] + 1_000, *value[1:]),  # relative: 1e-6 to 1e-5
                (value[0], value[1] + 1, value[2]),
                (value[0], value[1] - 1, value[2]),
                (value[0], -value[1] or 1, value[2]),
                (value[0], value[1], not value[2]),
            ]
        ),
        in_powers_of_ten,
    )
)
def test_a_number_however_small_is_wrong_when_a_millionth_off(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@quick
@given(value=scientific)
def test_no_number_however_small_is_zero(pool: GradingPool, value: tuple[int, int, bool]) -> None:
    gold = rf"{value[0]}\times 10^{{{value[1]}}}"
    assert not right(pool, (gold, "0")) and not right(pool, (gold, "0.0")) and not right(pool, ("0", gold))


# Percents, degrees, units, bases


@quick
@given(hundredths=st.integers(-(10**6), 10**6), places=st.integers(1, 3))
def test_a_percent_sign_is_optional(pool: GradingPool, hundredths: int, places: int) -> None:
    value = Fraction(hundredths, 10**places)
    bare, share = digits_of(value), digits_of(value / 100)
    for gold, answer in [(rf"{bare}\%", bare), (bare, rf"{bare}\%"), (rf"{bare}\%", share), (share, rf"{bare}\%"), (f"{bare}%", rf"${bare}\,\%$")]:  # fmt: skip
        assert right(pool, (gold, answer))


@quick
@given(value=st.integers(1, 10**4), by=st.sampled_from([-1, 1]))
def test_another_percentage_is_wrong(pool: GradingPool, value: int, by: int) -> None:
    for answer in (rf"{value + by}\%", str(value + by), rf"{value * 10}\%", str(value * 100)):
        assert not right(pool, (rf"{value}\%", answer))


def an_angle(value: int) -> Texts:
    return st.sampled_from([str(value), rf"{value}^\circ", rf"{value}^{{\circ}}", rf"{value}\degree", f"{value}°", rf"${value}^\circ$",
                            rf"{value}\text{{ degrees}}", f"{value} degrees", rf"{value} ^ {{ \circ }}"])  # fmt: skip


@quick
@given(pair=rewritten(st.integers(-720, 720), an_angle))
def test_degrees_are_optional(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(
    pair=changed(
        st.integers(1, 720), lambda value: st.sampled_from([value + 1, value - 1, -value, value * 10]), an_angle
    )
)
def test_another_angle_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


UNITS = {
    "cm": ["cm", "centimeters"], "m": ["m", "meters", "metres"], "km": ["km", "kilometers"], "kg": ["kg", "kilograms"],
    "g": ["g", "grams"], "hour": ["hours", "hour"], "minute": ["minutes", "min"], "second": ["seconds", "s"], "day": ["days"],
    "dollar": ["dollars"], "cent": ["cents"], "inch": ["inches", "inch"], "foot": ["feet", "ft"],
}  # fmt: skip
POWERS = ("", "^2", "^3")


@st.composite
def measured(draw: st.DrawFn, value: tuple[str, str, str]) -> str:
    number, unit, power = value
    spelling = draw(st.sampled_from(UNITS[unit]))
    forms = [
        r"{}\text{{ {}}}{}",
        r"{} \mathrm{{{}}}{}",
        r"{}\,\text{{{}}}{}",
        r"{}\ \mathrm{{~{}}}{}",
        r"{} \mbox{{ {}}}{}",
    ]
    return draw(st.sampled_from(forms)).format(
        number, spelling, draw(st.sampled_from([power, power.replace("^", "^{") + "}" * bool(power)]))
    )


numbers = st.one_of(st.integers(1, 10**6).map(str), exact_decimals.filter(lambda value: value > 0).map(digits_of))
lengths = st.tuples(numbers, st.sampled_from(sorted(UNITS)), st.sampled_from(POWERS))


@quick
@given(pair=rewritten(lengths, measured))
def test_a_unit_may_be_spelled_in_each_way(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(pair=lengths.flatmap(lambda value: both_ways(st.just(value[0]), measured(value))))
def test_a_unit_is_optional(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(value=numbers, thing=st.sampled_from(["apples", "marbles", "square units", "ways", "people", "units"]))
def test_a_word_for_what_is_counted_is_optional(pool: GradingPool, value: str, thing: str) -> None:
    assert right(pool, (value, rf"{value}\text{{ {thing}}}")) and right(pool, (rf"{value} \text{{ {thing}}}", value))


@quick
@given(
    pair=changed(
        lengths,
        lambda value: st.sampled_from(
            [(value[0], unit, value[2]) for unit in sorted(UNITS) if unit != value[1]]
            + [(*value[:2], power) for power in POWERS if power != value[2]]
        ),
        measured,
    )
)
def test_another_unit_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@quick
@given(pair=changed(lengths, lambda value: st.just((f"1{value[0]}", *value[1:])), measured))
def test_another_number_of_the_same_unit_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


def in_base(value: tuple[int, int]) -> str:
    number, base = value
    digits = ""
    while number:
        number, digit = divmod(number, base)
        digits = f"{digit}{digits}"
    return digits


based = st.tuples(st.integers(16, 5_000), st.integers(2, 9))


@algebra
@given(value=based)
def test_a_base_may_be_written_in_each_form(pool: GradingPool, value: tuple[int, int]) -> None:
    digits, base = in_base(value), value[1]
    for answer in (
        rf"{digits}_{base}",
        rf"{digits}_{{{base}}}",
        rf"({digits})_{{{base}}}",
        rf"{digits}_{{\text{{base }}{base}}}",
    ):
        assert right(pool, (rf"{digits}_{{{base}}}", answer))


@algebra
@given(value=based, other=st.integers(2, 16))
def test_another_base_or_none_is_wrong(pool: GradingPool, value: tuple[int, int], other: int) -> None:
    digits, base = in_base(value), value[1]
    assert not right(pool, (rf"{digits}_{base}", digits))
    assert right(pool, (rf"{digits}_{{{base}}}", rf"{digits}_{{{other}}}")) == (base == other)


@algebra
@given(value=based, by=st.integers(1, 30))
def test_another_numeral_in_the_same_base_is_wrong(pool: GradingPool, value: tuple[int, int], by: int) -> None:
    number, base = value
    assert not right(pool, (f"{in_base(value)}_{base}", f"{in_base((number + by, base))}_{base}"))


# Sets and tuples

entries = st.one_of(st.integers(-99, 99).map(Fraction), st.builds(Fraction, st.integers(-30, 30), st.integers(2, 9)))


def entry(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return rf"{'-' if value < 0 else ''}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


@st.composite
def a_set(draw: st.DrawFn, members: Sequence[Fraction]) -> str:
    texts = [entry(member) for member in draw(st.permutations(members))]
    forms = [r"\{" + ",".join(texts) + r"\}", r"\left\{" + ", ".join(texts) + r"\right\}", ", ".join(texts), ",".join(texts),
             r"$\{ " + r",\ ".join(texts) + r" \}$"]  # fmt: skip
    if len(texts) == 2:
        forms += [r" \text{ or } ".join(texts), r"\text{ and }".join(texts)]
    if len(texts) > 1:
        forms += ["x=" + ", ".join(texts), ", ".join(f"x = {text}" for text in texts)]
    return draw(st.sampled_from(forms))


sets = st.lists(entries, min_size=2, max_size=4, unique=True)


@st.composite
def another_set(draw: st.DrawFn, members: list[Fraction]) -> list[Fraction]:
    place = draw(st.integers(0, len(members) - 1))
    new = draw(entries.filter(lambda member: member not in members))
    rest = [*members[:place], *members[place + 1 :]]
    return draw(st.sampled_from([rest, [*members, new], [*rest, new]]))


@algebra
@given(pair=rewritten(sets, a_set))
def test_the_members_of_a_set_have_no_order(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@algebra
@given(pair=changed(sets, another_set, a_set))
def test_a_member_too_few_too_many_or_another_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


def a_tuple(values: Sequence[Fraction]) -> Texts:
    texts = [entry(value) for value in values]
    return st.sampled_from(["(" + ",".join(texts) + ")", "(" + ", ".join(texts) + ")", r"\left(" + r",\, ".join(texts) + r"\right)",
                            "$( " + " , ".join(texts) + " )$", r"\langle " + ", ".join(texts) + r"\rangle"])  # fmt: skip


tuples = st.lists(entries, min_size=2, max_size=4)


@st.composite
def another_tuple(draw: st.DrawFn, values: list[Fraction]) -> list[Fraction]:
    place = draw(st.integers(0, len(values) - 1))
    other = draw(entries.filter(lambda value: value != values[place]))
    exchanged = [
        [values[right if at == left else left if at == right else at] for at in range(len(values))]
        for left, right in combinations(range(len(values)), 2)
        if values[left] != values[right]
    ]
    replaced = [*values[:place], other, *values[place + 1 :]]
    return draw(st.sampled_from([*exchanged, replaced, [*values, other]]))


@algebra
@given(pair=rewritten(tuples, a_tuple))
def test_a_tuple_may_be_spaced(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@algebra
@given(pair=changed(tuples, another_tuple, a_tuple))
def test_a_tuple_swapped_or_of_another_value_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


# Intervals: low, high (None: without end), and whether they belong to it

Interval = tuple[Fraction | None, Fraction | None, bool, bool]


@st.composite
def intervals(draw: st.DrawFn, least: Fraction = Fraction(-50)) -> Interval:
    low = least + draw(st.integers(0, 40)) + draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(2, 7)]))
    high = low + draw(st.integers(1, 40)) + draw(st.sampled_from([Fraction(0), Fraction(1, 3)]))
    kind = draw(st.sampled_from(["both", "both", "low", "high"]))
    closed = draw(st.booleans()), draw(st.booleans())
    return (
        None if kind == "high" else low,
        None if kind == "low" else high,
        closed[0] and kind != "high",
        closed[1] and kind != "low",
    )


def brackets(interval: Interval) -> list[str]:
    low, high, low_in, high_in = interval
    ends = r"-\infty" if low is None else entry(low), r"\infty" if high is None else entry(high)
    opening, closing = "[" if low_in else "(", "]" if high_in else ")"
    return [f"{opening}{ends[0]},{ends[1]}{closing}", rf"\left{opening}{ends[0]}, {ends[1]}\right{closing}",
            f"{opening} {ends[0]} , {ends[1].replace(chr(92) + 'infty', '+' + chr(92) + 'infty')} {closing}"]  # fmt: skip


def inequalities(interval: Interval) -> list[str]:
    low, high, low_in, high_in = interval
    below, above = (r"\le " if low_in else "<"), (r"\leq " if high_in else "<")
    over, under = (r"\ge " if low_in else ">"), (r"\geq " if high_in else ">")
    if low is None:
        assert high is not None
        return [f"x{above}{entry(high)}", f"{entry(high)}{under}x"]
    if high is None:
        return [f"x{over}{entry(low)}", f"{entry(low)}{below}x"]
    return [f"{entry(low)}{below}x{above}{entry(high)}", f"{entry(high)}{under}x{over}{entry(low)}",
            rf"x{over}{entry(low)} \text{{ and }} x{above}{entry(high)}"]  # fmt: skip


def an_interval(interval: Interval) -> Texts:
    return st.sampled_from([*brackets(interval), rf"x\in {brackets(interval)[0]}", *inequalities(interval)])


@st.composite
def another_interval(draw: st.DrawFn, interval: Interval) -> Interval:
    low, high, low_in, high_in = interval
    others: list[Interval] = []
    if low is not None:
        others += [(low, high, not low_in, high_in), (low - 1, high, low_in, high_in), (None, high, False, high_in)]
    if high is not None:
        others += [(low, high, low_in, not high_in), (low, high + 1, low_in, high_in), (low, None, low_in, False)]
    return draw(st.sampled_from([other for other in others if other[:2] != (None, None)]))


@algebra
@given(pair=rewritten(intervals(), an_interval))
def test_an_interval_is_its_inequality(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@algebra
@given(pair=changed(intervals(), another_interval, an_interval))
def test_an_interval_with_another_end_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


Union = tuple[Interval, Interval]
"""The lower piece and the upper."""


@st.composite
def unions(draw: st.DrawFn) -> Union:
    """Two intervals with a gap between them; the outer ends may be infinite."""
    ends = [Fraction(draw(st.integers(-40, 0)))]
    for _ in range(3):
        ends.append(ends[-1] + draw(st.integers(1, 20)) + draw(st.sampled_from([Fraction(0), Fraction(1, 2)])))
    first, last = draw(st.booleans()), draw(st.booleans())
    inner = draw(st.booleans()), draw(st.booleans())
    return (
        (None if first else ends[0], ends[1], not first and draw(st.booleans()), inner[0]),
        (ends[2], None if last else ends[3], inner[1], not last and draw(st.booleans())),
    )


@st.composite
def a_union(draw: st.DrawFn, pieces: Union) -> str:
    ordered = draw(st.permutations(pieces))
    if draw(st.booleans()):
        return draw(st.sampled_from([r"\cup ", r" \cup "])).join(
            draw(st.sampled_from(brackets(piece))) for piece in ordered
        )
    joint = draw(st.sampled_from([r" \text{ or } ", r"\text{ or }", " or ", r" \lor "]))
    return joint.join(draw(st.sampled_from(inequalities(piece)[:2])) for piece in ordered)


@algebra
@given(pair=rewritten(unions(), a_union))
def test_a_union_is_its_inequalities_joined_by_or(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@algebra
@given(
    pair=changed(
        unions(),
        lambda pieces: st.sampled_from(
            [
                ((*pieces[0][:3], not pieces[0][3]), pieces[1]),
                (pieces[0], (*pieces[1][:2], not pieces[1][2], pieces[1][3])),
                ((pieces[0][0], (pieces[0][1] or 0) + Fraction(1, 10), *pieces[0][2:]), pieces[1]),
            ]
        ),
        a_union,
    )
)
def test_a_union_with_another_end_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@algebra
@given(pieces=unions(), which=st.sampled_from([0, 1]))
def test_a_piece_of_a_union_is_not_the_union(pool: GradingPool, pieces: Union, which: int) -> None:
    gold = r"\cup ".join(brackets(piece)[0] for piece in pieces)
    assert not right(pool, (gold, brackets(pieces[which])[0])) and not right(
        pool, (gold, inequalities(pieces[which])[0])
    )


@algebra
@given(value=entries)
def test_all_but_a_point_is_a_union(pool: GradingPool, value: Fraction) -> None:
    gold = rf"(-\infty,{entry(value)})\cup({entry(value)},\infty)"
    assert right(pool, (gold, rf"x\neq {entry(value)}")) and right(pool, (rf"x \ne {entry(value)}", gold))


# Words and letters

words = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=5, max_size=8), min_size=1, max_size=3).map(" ".join)


def worded(text: str) -> Texts:
    cases = st.sampled_from([str.lower, str.upper, str.title, str.capitalize])
    shells = st.sampled_from(
        [r"\text{{{}}}", r"\text{{ {} }}", r"\textbf{{{}}}", r"\mathrm{{{}}}", "{}", r"$\text{{{}}}$", r"\text{{{}.}}"]
    )
    return st.builds(lambda case, shell: shell.format(case(text)), cases, shells)


@quick
@given(pair=rewritten(words, worded))
def test_words_may_be_in_another_case_and_shell(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(pair=changed(words, lambda text: words.filter(lambda other: other != text), worded))
def test_other_words_are_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


def a_choice(letter: str) -> Texts:
    return st.sampled_from([letter, f"({letter})", rf"\text{{{letter}}}", rf"\text{{({letter})}}", rf"(\text{{{letter}}})", rf"\mathrm{{{letter}}}",
                            rf"\textbf{{({letter})}}", f"{letter}."])  # fmt: skip


def a_choice_with_content(letter: str) -> Texts:
    contents = st.sampled_from(["24", r"\frac{1}{2}", r"\text{none of these}", "-3", "x^2+1", r"\sqrt{2}"])
    forms = st.sampled_from(
        [
            "{}. {}",
            "({}) {}",
            "{}: {}",
            "{}) {}",
            r"\text{{({})}} {}",
            r"\text{{{}. }}{}",
            r"\textbf{{({})}}\ {}",
            r"\text{{Option }} {}",
            "Option {}",
            "choice ({})",
        ]
    )
    return st.builds(lambda form, content: form.format(letter, content), forms, contents)


letters = st.sampled_from("ABCDEFGHIJ")


@quick
@given(
    pair=letters.flatmap(lambda letter: st.tuples(a_choice(letter), a_choice(letter) | a_choice_with_content(letter)))
)
def test_a_letter_may_have_brackets_and_what_it_stands_for(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@quick
@given(
    pair=st.permutations("ABCDEFGHIJ").flatmap(
        lambda order: st.tuples(a_choice(order[0]), a_choice(order[1]) | a_choice_with_content(order[1]))
    )
)
def test_another_letter_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@quick
@given(
    order=st.permutations("ABCDE"), joint=st.sampled_from([", ", " or ", r" \text{ or } ", r"\text{ and }", "/", ";"])
)
def test_two_letters_are_wrong(pool: GradingPool, order: list[str], joint: str) -> None:
    for left, right_one in ((order[0], order[1]), (f"({order[0]})", f"({order[1]})")):
        assert not right(pool, (order[0], f"{left}{joint}{right_one}"))
        assert not right(pool, (order[0], f"{right_one}{joint}{left}"))


# Polynomials, by their coefficients from the constant on; roots

Polynomial = tuple[int, ...]
linear = st.tuples(st.integers(-9, 9), st.integers(-9, 9).filter(bool))


def a_term(coefficient: int, exponent: int, name: str = "x") -> str:
    """A term with its sign."""
    sign = "-" if coefficient < 0 else "+"
    power = "" if exponent == 0 else name if exponent == 1 else f"{name}^{exponent}"
    return sign + (str(abs(coefficient)) if abs(coefficient) != 1 or not power else "") + power


@st.composite
def a_sum(draw: st.DrawFn, polynomial: Polynomial) -> str:
    terms = [a_term(coefficient, exponent) for exponent, coefficient in enumerate(polynomial) if coefficient]
    joint = draw(st.sampled_from(["", " "]))
    return joint.join(draw(st.permutations(terms))).removeprefix("+") if terms else "0"


def multiplied(factors: Sequence[Polynomial]) -> Polynomial:
    product = [1]
    for factor in factors:
        longer = [0] * (len(product) + len(factor) - 1)
        for left, ours in enumerate(product):
            for right, theirs in enumerate(factor):
                longer[left + right] += ours * theirs
        product = longer
    return tuple(product)


@st.composite
def a_product(draw: st.DrawFn, factors: Sequence[Polynomial]) -> str:
    texts = [draw(a_sum(factor)) for factor in draw(st.permutations(factors))]
    return draw(st.sampled_from(["", " ", r"\cdot "])).join(
        draw(st.sampled_from([f"({text})", rf"\left({text}\right)"])) for text in texts
    )


polynomials = st.lists(st.integers(-20, 20), min_size=2, max_size=5).filter(lambda found: any(found[1:])).map(tuple)
products = st.lists(linear, min_size=2, max_size=3)


@algebra
@given(pair=rewritten(polynomials, a_sum))
def test_the_terms_of_a_sum_have_no_order(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@st.composite
def another_polynomial(draw: st.DrawFn, polynomial: Polynomial) -> Polynomial:
    place = draw(st.integers(0, len(polynomial) - 1))
    by = draw(st.sampled_from([1, -1, -2 * polynomial[place]]).filter(bool))
    return (*polynomial[:place], polynomial[place] + by, *polynomial[place + 1 :])


@algebra
@given(pair=changed(polynomials, another_polynomial, a_sum))
def test_a_polynomial_with_another_coefficient_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


@algebra
@given(pair=products.flatmap(lambda factors: both_ways(a_product(factors), a_sum(multiplied(factors)))))
def test_a_product_may_be_expanded(pool: GradingPool, pair: Pair) -> None:
    assert right(pool, pair)


@algebra
@given(
    pair=products.flatmap(
        lambda factors: another_polynomial(multiplied(factors)).flatmap(
            lambda other: both_ways(a_product(factors), a_sum(other))
        )
    )
)
def test_a_product_expanded_with_another_coefficient_is_wrong(pool: GradingPool, pair: Pair) -> None:
    assert not right(pool, pair)


radicands = st.integers(2, 60).filter(lambda number: all(number % (root * root) for root in range(2, 8)))


@algebra
@given(times=st.integers(2, 40), under=radicands, swapped=st.booleans(), by=st.sampled_from([-1, 0, 1]))
def test_a_root_may_be_simplified(pool: GradingPool, times: int, under: int, swapped: bool, by: int) -> None:
    pair = rf"\sqrt{{{times * times * under}}}", rf"{times + by}\sqrt{{{under}}}"
    assert right(pool, pair[::-1] if swapped else pair) == (by == 0)


@algebra
@given(under=radicands, over=st.integers(1, 20), swapped=st.booleans(), sign=st.sampled_from(["", "-"]))
def test_a_denominator_may_be_rational(pool: GradingPool, under: int, over: int, swapped: bool, sign: str) -> None:
    common = gcd(over, under)
    bottom = under // common
    simple = (
        rf"{over // common}\sqrt{{{under}}}"
        if bottom == 1
        else rf"\frac{{{over // common}\sqrt{{{under}}}}}{{{bottom}}}"
    )
    pair = rf"\frac{{{over}}}{{\sqrt{{{under}}}}}", f"{sign}{simple}"
    assert right(pool, pair[::-1] if swapped else pair) == (sign == "")


# What holds for every response

snippets = st.sampled_from(
    ["5", r"\frac{1}{2}", "(1,2)", "x<3", "B", r"\text{Monday}", r"\sqrt{8}", "x+1", "}", "{", "\\", "$", r"\}", "^", "_", ",", " ", "\n",
     r"\boxed", r"\boxed{", r"\fbox{", r"\text{", r"\left(", "5 = ", "=", "?", "100000", "é", "−", "½"]
)  # fmt: skip
texts = st.lists(snippets, max_size=8).map("".join)
golds = st.sampled_from(["5", r"\frac{1}{2}", "(1,2)", "x<3", "B", r"\text{Monday}", r"2\sqrt{2}", "1+x", r"\{1,2\}"])
responses = st.builds(lambda before, inside, after: rf"{before} \boxed{{{inside}}} {after}", texts, texts, texts)


@algebra
@given(questions=st.lists(st.tuples(golds, responses), min_size=1, max_size=6))
def test_a_verdict_is_the_same_twice_in_any_company_and_any_pool(
    pool: GradingPool, two: GradingPool, questions: list[Pair]
) -> None:
    pairs = [([gold], response) for gold, response in questions]
    verdicts = pool.grade_all(pairs)
    assert all(verdict.correct == (verdict.status == "correct") for verdict in verdicts)
    assert verdicts == [pool.grade_all([pair])[0] for pair in pairs]
    assert verdicts == two.grade_all(pairs[::-1])[::-1]


@pytest.fixture(scope="module")
def two() -> Iterator[GradingPool]:
    with GradingPool("verizero", 2) as pool:
        yield pool


@quick
@given(gold=golds, before=texts, inside=texts.filter(lambda text: "}" not in text))
def test_a_last_box_that_never_ends_is_never_correct(pool: GradingPool, gold: str, before: str, inside: str) -> None:
    verdict = pool.grade_all([([gold], rf"{before} \boxed{{{inside} {gold.replace('}', ' ')}")])[0]
    assert (verdict.correct, verdict.status) == (False, "unterminated")


@quick
@given(gold=golds, text=texts.filter(lambda text: "box" not in text))
def test_a_response_without_a_box_is_never_correct(pool: GradingPool, gold: str, text: str) -> None:
    verdict = pool.grade_all([([gold], f"{text} The answer is ${gold}$.")])[0]
    assert (verdict.correct, verdict.status) == (False, "no_box")


@algebra
@given(gold=golds, before=texts, answer=golds)
def test_what_stands_before_the_last_box_does_not_matter(
    pool: GradingPool, gold: str, before: str, answer: str
) -> None:
    alone = pool.grade_all([([gold], rf"\boxed{{{answer}}}")])
    assert pool.grade_all([([gold], rf"{before} \boxed{{{answer}}}")]) == alone
