from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from verizero.artifacts.errors import UserError
from verizero.evidence.comparisons import changes_from_base, family, pairs_along, seed_floor
from verizero.evidence.reading import Group, Key, MemberGrades
from verizero.statistics.multiplicity import holm


def _member(correct: np.ndarray, tokens: np.ndarray | None = None, problems: int | None = None) -> MemberGrades:
    n = len(correct) if problems is None else problems
    none = np.zeros(correct.shape, dtype=bool)
    return MemberGrades(
        Path("grades/manifest.json"),
        tuple(f"p{i}" for i in range(n)),
        correct.astype(bool),
        np.ones(correct.shape) if tokens is None else tokens,
        none,
        ~none,
        {},
    )


def _graded(
    optimizer: str, by_seed: dict[int | None, MemberGrades], step: int = 60, missing: tuple[int, ...] = ()
) -> tuple[Group, dict[int | None, MemberGrades]]:
    key = Key("tiny", "sums" if optimizer else "", "plain", optimizer, step, "sums-id", "sampled")
    return Group(key, "toy", "sums-id.plain.sampled", dict.fromkeys(by_seed, Path("x")), missing), by_seed


def _random(seed: int, n: int = 20, k: int = 4, p: float = 0.5) -> MemberGrades:
    rng = np.random.default_rng(seed)
    return _member(rng.random((n, k)) < p, rng.integers(10, 60, (n, k)).astype(float))


def test_holm_equals_the_worked_example_of_the_method() -> None:
    # p sorted .005 .01 .03 .04 times 4 3 2 1, never falling: .02 .03 .06 .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_equals_statsmodels() -> None:
    # multipletests(p, method="holm") of statsmodels 0.15.0
    assert holm([0.0008, 0.04, 0.012, 0.2, 0.04, 0.9, 0.013]) == pytest.approx(
        [0.0056, 0.16, 0.072, 0.4, 0.16, 0.9, 0.072]
    )


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_makes_a_p_smaller_nor_reorders(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))
    assert [adjusted[i] for i in sorted(range(len(p)), key=lambda i: p[i])] == sorted(adjusted)


def test_one_seed_is_the_paired_t_test_over_problems_and_says_what_it_is() -> None:
    a, b = _random(1), _random(2)
    one = next(
        found
        for found in pairs_along([_graded("grpo", {1: a}), _graded("dr-grpo", {1: b})], "optimizer", 0.95)
        if found.metric == "avg@4"
    )
    assert one.p == pytest.approx(stats.ttest_rel(a.correct.mean(axis=1), b.correct.mean(axis=1)).pvalue)
    assert "one seed" in one.note


def test_swapping_the_optimizers_turns_the_sign_and_nothing_else() -> None:
    sides = [_graded("grpo", {1: _random(1), 2: _random(2)}), _graded("dr-grpo", {1: _random(3), 2: _random(4)})]
    for one, other in zip(
        pairs_along(sides, "optimizer", 0.95), pairs_along(sides[::-1], "optimizer", 0.95), strict=True
    ):
        assert one.interval is not None
        assert other.interval is not None
        assert (one.interval.estimate, one.interval.low, one.p) == pytest.approx(
            (-other.interval.estimate, -other.interval.high, other.p)
        )


def test_only_common_seeds_are_compared_and_the_others_are_named() -> None:
    sides = [
        _graded("grpo", {1: _random(1), 2: _random(2)}, missing=(3,)),
        _graded("dr-grpo", {1: _random(3), 3: _random(4)}, missing=(2,)),
    ]
    one = pairs_along(sides, "optimizer", 0.95)[0]
    assert (one.seeds, one.missing, one.seeds_text()) == ((1,), (2, 3), "1 (missing: 2,3)")


def test_only_the_last_checkpoints_are_compared() -> None:
    sides = [
        _graded(name, {1: _random(i), 2: _random(i + 9)}, step)
        for i, (name, step) in enumerate([("grpo", 30), ("grpo", 60), ("dr-grpo", 30), ("dr-grpo", 60)])
    ]
    assert {(one.left.checkpoint, one.right.checkpoint) for one in pairs_along(sides, "optimizer", 0.95)} == {(60, 60)}


def test_two_optimizers_that_solve_nothing_are_not_called_equal() -> None:
    zero = _member(np.zeros((30, 1)))
    one = pairs_along([_graded("grpo", {1: zero, 2: zero}), _graded("dr-grpo", {1: zero, 2: zero})], "optimizer", 0.95)[
        0
    ]
    assert one.interval is not None
    assert (one.interval.low, one.interval.high, one.p, one.unresolved) == (
        pytest.approx(-0.11351, abs=1e-5),
        pytest.approx(0.11351, abs=1e-5),
        1.0,
        True,
    )


def test_a_real_difference_in_wrong_length_is_found() -> None:
    rng = np.random.default_rng(5)
    wrong = np.zeros((200, 4), dtype=bool)

    def side(extra: float) -> MemberGrades:
        return _member(wrong, rng.normal(40 + extra, 5, wrong.shape))

    found = pairs_along(
        [_graded("grpo", {s: side(4) for s in (1, 2, 3)}), _graded("dr-grpo", {s: side(0) for s in (1, 2, 3)})],
        "optimizer",
        0.95,
    )
    one = next(one for one in found if one.metric == "length_incorrect")
    assert one.interval is not None
    assert not one.unresolved
    assert one.interval.estimate == pytest.approx(4, abs=0.6)


def test_change_from_base_is_paired_over_problems() -> None:
    base, after = _random(1), _random(2, p=0.8)
    one = next(
        one
        for one in changes_from_base([_graded("", {None: base}, 0), _graded("grpo", {1: after})], 0.95)
        if one.metric == "avg@4"
    )
    assert one.p == pytest.approx(stats.ttest_rel(after.correct.mean(axis=1), base.correct.mean(axis=1)).pvalue)


def test_different_problems_are_not_compared() -> None:
    with pytest.raises(UserError, match="grade different problems"):
        pairs_along(
            [_graded("grpo", {1: _random(1, n=20)}), _graded("dr-grpo", {1: _random(2, n=21)})], "optimizer", 0.95
        )


def test_p_is_adjusted_inside_the_family_of_its_metric() -> None:
    sides = [_graded(name, {1: _random(i), 2: _random(i + 9)}) for i, name in enumerate(["a", "b", "c"])]
    found = pairs_along(sides, "optimizer", 0.95)
    own = [one for one in found if one.metric == "avg@4"]
    assert len(own) == 3
    assert [one.p_holm for one in own] == pytest.approx(holm([one.p or 0 for one in own]))


def test_avg_at_any_k_is_one_family() -> None:
    assert [family(metric) for metric in ("avg@8", "avg@1", "pass@2")] == ["avg@k", "avg@k", "pass@2"]


def test_seed_floor_speaks_up_to_five_seeds() -> None:
    assert seed_floor(3) == "3 seeds: a sign-flip over seeds cannot reach p < 0.05 (its floor is 0.25)"
    assert seed_floor(5)
    assert not seed_floor(6)


def test_mde_is_two_t_quantiles_in_standard_errors() -> None:
    one = pairs_along([_graded("grpo", {1: _random(1)}), _graded("dr-grpo", {1: _random(2)})], "optimizer", 0.95)[0]
    assert one.interval is not None
    quantiles = stats.t.ppf(0.975, one.interval.df) + stats.t.ppf(0.8, one.interval.df)
    assert one.mde == pytest.approx(quantiles * (one.interval.se or 0))
