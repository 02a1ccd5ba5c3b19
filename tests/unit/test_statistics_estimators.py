from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.artifacts.errors import UserError
from verizero.evidence.cells import metric_k
from verizero.statistics.conditional_means import conditional_mean
from verizero.statistics.estimators import avg_at_k, majority, pass_at_k, tries


def _row(right: int, samples: int) -> np.ndarray:
    return np.array([[j < right for j in range(samples)]])


def test_pass_at_k_equals_the_closed_form_of_chen_2021() -> None:
    # 1 - C(7,5)/C(10,5) with 3 of 10 right: 1 - 21/252
    assert pass_at_k(_row(3, 10), 5)[0] == pytest.approx(1 - 21 / 252, abs=1e-15)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(case: tuple[int, int, int]) -> None:
    n, right, k = case
    subsets = list(itertools.combinations(range(n), k))
    share = sum(any(index < right for index in subset) for subset in subsets) / len(subsets)
    assert pass_at_k(_row(right, n), k)[0] == pytest.approx(share, abs=1e-12)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_pass_at_1_is_avg_at_n(case: tuple[int, int]) -> None:
    n, right = case
    assert pass_at_k(_row(right, n), 1)[0] == pytest.approx(avg_at_k(_row(right, n))[0], abs=1e-12)


@given(st.integers(0, 16))
def test_pass_at_k_never_falls_with_k(right: int) -> None:
    values = [pass_at_k(_row(right, 16), k)[0] for k in range(1, 17)]
    assert values == sorted(values)


def test_pass_at_k_does_not_overflow_at_a_thousand_samples() -> None:
    assert pass_at_k(_row(1, 1000), 500)[0] == pytest.approx(0.5, abs=1e-12)


def test_pass_at_more_than_the_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@9 needs at least 9 samples"):
        pass_at_k(_row(1, 8), 9)


def test_tries_are_powers_of_two_and_all_samples() -> None:
    assert [tries(n) for n in (1, 2, 6, 8)] == [[], [2], [2, 4, 6], [2, 4, 8]]


@pytest.mark.parametrize("metric", ["accuracy", "avg@", "avg@0", "pass@x"])
def test_a_metric_without_its_k_is_named(metric: str) -> None:
    with pytest.raises(UserError, match=f"`{metric}` is no metric"):
        metric_k(metric)


def test_length_of_wrong_responses_is_their_mean_over_samples_not_over_problems() -> None:
    tokens, wrong = np.array([[10.0, 20.0], [60.0, 99.0]]), np.array([[True, True], [True, False]])
    found = conditional_mean(tokens, wrong)
    assert found is not None
    assert (found.values.mean(), found.problems, found.samples) == (pytest.approx(30.0), 2, 3)


def test_length_of_responses_that_do_not_exist_is_none() -> None:
    assert conditional_mean(np.ones((3, 2)), np.zeros((3, 2), dtype=bool)) is None


def test_one_response_a_problem_has_the_textbook_standard_error_however_many_problems_say_nothing() -> None:
    lengths = np.array([30.0, 34.0, 41.0, 47.0])
    tokens = np.concatenate([lengths, np.zeros(36)])[:, None]
    found = conditional_mean(tokens, tokens > 0)
    assert found is not None
    se = found.values.std(ddof=1) / np.sqrt(len(found.values))
    assert se == pytest.approx(lengths.std(ddof=1) / 2, rel=1e-12)


@given(st.lists(st.lists(st.tuples(st.integers(1, 99), st.booleans()), min_size=3, max_size=3), min_size=2, max_size=8))
def test_linearised_values_have_the_plain_mean(rows: list[list[tuple[int, bool]]]) -> None:
    tokens, condition = (np.array([[pair[i] for pair in row] for row in rows]) for i in (0, 1))
    found = conditional_mean(tokens.astype(float), condition)
    if not condition.any():
        assert found is None
    else:
        assert found is not None
        assert found.values.mean() == pytest.approx(tokens[condition].mean(), rel=1e-9)


def test_the_majority_is_right_where_most_votes_are_and_ties_count_their_share() -> None:
    classes = np.array(
        [
            [0, 0, 1, 2],  # two for the right one
            [0, 1, 1, 2],  # two for a wrong one
            [0, 0, 1, 1],  # a tie of two
            [0, 1, 2, 3],  # a tie of four
            [-1, -1, -1, 0],  # who has no answer does not vote
            [-1, -1, -1, -1],
            [1, 1, 2, -1],
        ]
    )
    assert majority(classes).tolist() == [1.0, 0.0, 0.5, 0.25, 1.0, 0.0, 0.0]


@given(st.integers(0, 200))
def test_a_majority_is_at_least_half_where_half_of_the_samples_are_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wrong = rng.integers(1, 4, (5, 4))
    classes = np.concatenate([np.zeros((5, 4), dtype=np.int64), wrong], axis=1)
    assert (majority(classes) >= 0.5).all()
    assert (majority(classes[:, :5]) == 1.0).all()
