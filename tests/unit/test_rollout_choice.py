"""Choosing tokens: the distribution that was asked for, from numbers that only the seed decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verizero.artifacts.errors import UserError
from verizero.rollout.choice import choose
from verizero.rollout.engine import Sampling, check_request
from verizero.rollout.uniforms import uniforms

LOGITS = torch.log(torch.tensor([0.5, 0.0, 0.3, 0.2]))
GOLDEN = [0.5253731582534432, 0.7094013829674582, 0.11925358932941899]
EVEN = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000


def shares(temperature=1.0, top_p=1.0):
    tokens, logprobs = choose(LOGITS.expand(1000, 4), EVEN, temperature, top_p)
    return (torch.bincount(tokens, minlength=4) / 1000).tolist(), tokens, logprobs


def test_even_numbers_give_the_distribution_itself():
    found, tokens, logprobs = shares()
    assert found == pytest.approx([0.5, 0.0, 0.3, 0.2], abs=1e-3)
    assert torch.allclose(logprobs, LOGITS[tokens])


def test_temperature_sharpens_as_the_formula_says():
    found, tokens, logprobs = shares(temperature=0.5)
    expected = torch.tensor([0.25, 0.0, 0.09, 0.04]) / 0.38
    assert found == pytest.approx(expected.tolist(), abs=1.1e-3)
    assert torch.allclose(logprobs.exp(), expected[tokens])


def test_top_p_keeps_the_smallest_sufficient_set_and_renormalises():
    found, tokens, logprobs = shares(top_p=0.7)
    assert found == pytest.approx([0.625, 0.0, 0.375, 0.0], abs=1e-3)
    assert torch.allclose(logprobs.exp(), torch.tensor([0.625, 0.0, 0.375, 0.0])[tokens])


def test_temperature_zero_takes_the_likeliest_with_its_log_probability_at_one():
    tokens, logprobs = choose(LOGITS[None], torch.tensor([0.99], dtype=torch.float64), 0.0, 1.0)
    assert tokens.tolist() == [0]
    assert logprobs.exp().tolist() == pytest.approx([0.5])


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1 - 2.0**-32),
    st.sampled_from([0.3, 1.0, 2.0]),
    st.sampled_from([0.2, 0.9, 1.0]),
)
def test_a_token_of_probability_zero_is_never_taken(seed, number, temperature, top_p):
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(seed))
    logits[:, ::3] = float("-inf")
    tokens, logprobs = choose(logits, torch.tensor([number, 0.0], dtype=torch.float64), temperature, top_p)
    assert all(token % 3 for token in tokens.tolist())
    assert bool(torch.isfinite(logprobs).all())


@given(st.integers(0, 2**32 - 1), st.sampled_from([255, 256, 257, 3000]))
def test_blocks_of_a_large_vocabulary_choose_as_one_sum_over_all_of_it(seed, vocabulary):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, vocabulary, generator=generator)
    numbers = torch.rand(4, generator=generator, dtype=torch.float64)
    cumulative = logits.log_softmax(-1).exp().double().cumsum(-1)
    expected = torch.searchsorted(cumulative, numbers[:, None] * cumulative[:, -1:], right=True).squeeze(-1)
    chosen, _ = choose(logits, numbers, 1.0, 1.0)
    edges = cumulative / cumulative[:, -1:]
    for row in range(4):  # or rounding decides between two neighbours
        between = edges[row, min(int(chosen[row]), int(expected[row]))]
        assert chosen[row] == expected[row] or abs(float(numbers[row] - between)) < 1e-12


def test_the_last_number_below_one_takes_the_last_token_that_can_be_taken():
    logits = torch.full((1, 1000), float("-inf"))
    logits[0, [3, 700]] = 0.0
    last = torch.tensor([1 - 2.0**-53], dtype=torch.float64)
    assert choose(logits, last, 1.0, 1.0)[0].tolist() == [700]
    assert choose(logits, torch.zeros(1, dtype=torch.float64), 1.0, 1.0)[0].tolist() == [3]


@given(st.integers(0, 2**32 - 1))
def test_a_row_does_not_depend_on_the_other_rows(seed):
    generator = torch.Generator().manual_seed(seed)
    logits, numbers = torch.randn(8, 30, generator=generator), torch.rand(8, generator=generator, dtype=torch.float64)
    together, _ = choose(logits, numbers, 1.0, 0.95)
    alone = [choose(logits[row : row + 1], numbers[row : row + 1], 1.0, 0.95)[0].item() for row in range(8)]
    assert together.tolist() == alone


def test_the_numbers_of_a_completion_are_pinned():
    # numpy promises the stream of Philox; a change here would silently change every sample of every study
    assert uniforms(7, 0, 3) == pytest.approx(GOLDEN, abs=0)


@given(st.integers(0, 2**63 - 1), st.integers(0, 100), st.integers(1, 50), st.integers(0, 50))
def test_a_shorter_request_gives_the_beginning_of_a_longer_one(seed, sample, count, more):
    numbers = uniforms(seed, sample, count + more)
    assert np.array_equal(numbers[:count], uniforms(seed, sample, count))
    assert numbers.min() >= 0 and numbers.max() < 1


def test_samples_of_one_prompt_have_different_numbers():
    assert len({float(uniforms(1, sample, 1)[0]) for sample in range(100)}) == 100


def test_a_prompt_that_does_not_fit_is_refused_before_anything_runs():
    with pytest.raises(UserError, match="longest prompt has 5 tokens and max_tokens is 60: together 65"):
        check_request([[1], [1] * 5], 1, Sampling(1.0, 1.0, 60), [0, 1], 64)
    check_request([[1] * 4], 1, Sampling(1.0, 1.0, 60), [0], 64)


def test_an_empty_prompt_is_refused():
    with pytest.raises(UserError, match="no tokens"):
        check_request([[1], []], 1, Sampling(1.0, 1.0, 4), [0, 1], 64)


@pytest.mark.parametrize(
    "sampling", [Sampling(-1.0, 1.0, 4), Sampling(1.0, 0.0, 4), Sampling(1.0, 1.1, 4), Sampling(1.0, 1.0, 0)]
)
def test_numbers_out_of_range_are_refused(sampling):
    with pytest.raises(ValueError, match="out of range"):
        check_request([[1]], 1, sampling, [0], 64)
