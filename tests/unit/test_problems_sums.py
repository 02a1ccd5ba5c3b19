"""The generator: what every problem and every solution is, for all settings."""

from __future__ import annotations

import re
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import Sums
from verizero.problems.sums import ALPHABET, LABELS, MAX_DOCUMENT, generate

CORPUS = {
    "min_terms": 3,
    "max_terms": 5,
    "two_digit": 0.15,
    "slip": 0.05,
    "redo_after_slip": 0.3,
    "redo": 0.05,
    "second_look": 0.05,
    "second_look_if_wrong": 0.1,
    "repeat_total": 0.6,
    "repeat_total_if_wrong": 0.75,
}
STEP = r"[A-L]\d+=\d+(?:\?[A-L]\d+=\d+)*,"
GRAMMAR = re.compile(rf"(?:{STEP})+(?:~(?:{STEP})+)*(?:~\d+)*\\boxed\{{\d+\}}")


def sums(problems: int = 20, **knobs: float) -> Sums:
    return Sums(**{"kind": "sums", "problems": problems, "seed": 1, "min_terms": 3, "max_terms": 5, **knobs})


def boxed(row: dict) -> int:
    return int(re.search(r"\\boxed\{(\d+)\}$", row["solution"])[1])


def terms(row: dict) -> list[tuple[str, int]]:
    return [(label, int(term)) for label, term in re.findall(r"([A-L])(\d+)", row["problem"])]


probability = st.floats(0, 1)
HABITS = ("two_digit", "slip", "redo_after_slip", "redo", "second_look", "second_look_if_wrong", "verbatim")
knobs = st.fixed_dictionaries(dict.fromkeys((*HABITS, "repeat_total", "repeat_total_if_wrong"), probability))


@given(knobs, st.integers(0, 2**40))
@settings(max_examples=150, deadline=None)
def test_every_document_follows_the_grammar_in_the_alphabet_and_fits_128_tokens(habits: dict, seed: int) -> None:
    for row in generate(Sums(kind="sums", problems=5, seed=seed, min_terms=3, max_terms=6, **habits)):
        assert re.fullmatch(r"(?:[A-L]\d{1,2})+=", row["problem"])
        assert GRAMMAR.fullmatch(row["solution"]), row["solution"]
        assert set(row["problem"] + row["solution"]) <= set(ALPHABET)
        assert len(row["problem"]) + len(row["solution"]) + 1 <= MAX_DOCUMENT


@given(knobs.map(lambda habits: {**habits, "slip": 0.0}), st.integers(0, 2**40))
@settings(max_examples=100, deadline=None)
def test_a_solution_without_slips_boxes_the_right_total(habits: dict, seed: int) -> None:
    for row in generate(Sums(kind="sums", problems=5, seed=seed, min_terms=2, max_terms=6, **habits)):
        assert boxed(row) == row["answer"] == sum(term for _, term in terms(row))


def test_labels_are_consecutive_and_terms_in_range() -> None:
    for row in generate(sums(500, two_digit=0.5)):
        labels = "".join(label for label, _ in terms(row))
        assert labels in LABELS and 3 <= len(labels) <= 5
        assert all(1 <= term <= 99 for _, term in terms(row))


def test_the_share_of_right_solutions_follows_the_slip_probability() -> None:
    no_detours = [boxed(row) == row["answer"] for row in generate(sums(6000, slip=0.05))]
    expected = mean(0.95**n for n in (3, 4, 5))  # two slips that cancel are rare: slips of +1 and -1 are 1 pair in 18
    assert mean(no_detours) == pytest.approx(expected, abs=0.02)
    all_slip = [boxed(row) == row["answer"] for row in generate(sums(500, slip=1.0, max_terms=3))]
    assert mean(all_slip) < 0.2


def test_redoing_after_a_slip_mends_solutions() -> None:
    without = mean(boxed(row) == row["answer"] for row in generate(sums(3000, slip=0.2)))
    with_redo = mean(boxed(row) == row["answer"] for row in generate(sums(3000, slip=0.2, redo_after_slip=0.9)))
    assert with_redo > without + 0.2


def test_the_corpus_has_wrong_solutions_which_are_longer() -> None:
    rows = list(generate(sums(6000, **CORPUS)))
    right = [boxed(row) == row["answer"] for row in rows]
    assert 0.83 < mean(right) < 0.89
    length = [len(row["solution"]) for row in rows]
    assert (
        mean(n for n, ok in zip(length, right, strict=True) if not ok)
        > mean(n for n, ok in zip(length, right, strict=True) if ok) + 3
    )


def test_total_is_repeated_at_most_twelve_times() -> None:
    rows = list(generate(sums(50, min_terms=2, max_terms=2, repeat_total=1.0)))
    assert {row["solution"].count("~") for row in rows} == {12}


def test_row_i_does_not_depend_on_how_many_there_are() -> None:
    assert list(generate(sums(10, **CORPUS))) == list(generate(sums(30, **CORPUS)))[:10]
    assert list(generate(sums(10))) != list(generate(Sums(kind="sums", problems=10, seed=2, min_terms=3, max_terms=5)))


def test_golden_rows_stay_as_they_are() -> None:
    """Published problems: another generator under the same spec would be another data set under the same name."""
    rows = list(generate(sums(2, **CORPUS)))
    assert [row["problem"] for row in rows] == ["D4E2F4G3=", "H2I6J1K3L90="]
    assert rows[1]["solution"] == "H2=2?H2=2,I6=8,J1=9,K3=12,L90=102,~102~102\\boxed{102}"


@pytest.mark.parametrize(("low", "high", "word"), [(3, 13, "labels"), (5, 4, "above")])
def test_impossible_ranges_are_refused(low: int, high: int, word: str) -> None:
    with pytest.raises(UserError, match=word):
        list(generate(Sums(kind="sums", problems=1, seed=1, min_terms=low, max_terms=high)))
