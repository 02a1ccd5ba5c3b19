"""Each rank trains on about as many tokens, and on each response one rank."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from verizero.config.axes import Advantage, Kl  # noqa: E402
from verizero.objective.loss import Objective  # noqa: E402
from verizero.rollout.engine import Completion  # noqa: E402
from verizero.training.balance import balanced, owners  # noqa: E402
from verizero.training.refill import Round  # noqa: E402
from verizero.training.rollouts import Outcome, Outcomes, Response  # noqa: E402
from verizero.training.selection import read_by_updates  # noqa: E402


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


class OfTwo:
    """The first of two ranks; the other holds nothing of this step."""

    rank, size = 0, 2

    def gather(self, mine):
        return []


def test_ranks_share_what_an_update_reads_and_not_what_it_leaves_out():
    rows = [Outcome(n, 100, reward, bool(reward), False, True, "") for n, reward in enumerate([1, 1, 1, 1, 1, 0, 0, 1])]
    mine = [Response(n, [1], Completion([7] * 100, [0.0] * 100, "", "stop")) for n in range(8)]
    step, every = Round(mine, Outcomes(rows, 4)), torch.ones(8, dtype=torch.bool)
    assert [one.number for one in balanced(step, every, OfTwo()).responses] == [0, 1, 2, 3]
    assert [one.number for one in balanced(step, every & False, OfTwo()).responses] == [0, 1, 2, 3]
    read = read_by_updates(step.known, every, SETTINGS, Objective("clip"))
    assert read.tolist() == [False] * 4 + [True] * 4  # the first group was right each time
    assert [one.number for one in balanced(step, read, OfTwo()).responses] == [0, 1, 2, 3, 4, 5]


class SETTINGS:
    """The part of an optimizer's settings that says what is read."""

    advantage, kl = Advantage(baseline="group-mean"), Kl()


def test_a_group_without_signal_is_read_where_something_else_than_its_comparison_counts():
    class Penalised(SETTINGS):
        kl = Kl(where="reward", coefficient=0.1)

    class Alone(SETTINGS):
        advantage = Advantage(baseline="none")

    known, every = (
        Outcomes([Outcome(n, 5, 1.0, True, False, True, "") for n in range(2)], 2),
        torch.tensor([True, True]),
    )
    assert not read_by_updates(known, every, SETTINGS, Objective("clip")).any()
    for settings, objective in (
        (SETTINGS, Objective("clip", entropy_coefficient=0.01)),
        (Penalised, Objective("clip")),
        (Alone, Objective("clip")),
    ):
        assert read_by_updates(known, every, settings, objective).all()
