"""Each rank trains on about as many tokens, and on each response one rank."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from verizero.training.balance import owners  # noqa: E402


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 9))
def test_each_rank_has_its_share_but_for_the_responses_at_its_ends(lengths, ranks):
    owner = owners(torch.tensor(lengths), ranks)
    assert owner == sorted(owner)
    assert set(owner) <= set(range(ranks))
    for rank in range(ranks):
        held = sum(length for length, whose in zip(lengths, owner, strict=True) if whose == rank)
        assert abs(held - sum(lengths) / ranks) <= max(lengths)


def test_a_long_answer_does_not_leave_its_rank_with_half_of_the_work():
    lengths = torch.tensor([300, 300, 300, 300, 10, 10, 10, 10])  # shared by number, the first rank had 1,200 of 1,240
    assert owners(lengths, 2) == [0, 0, 1, 1, 1, 1, 1, 1]
