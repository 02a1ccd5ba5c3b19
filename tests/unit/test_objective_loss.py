"""The objective: closed-form values (papers.md section 12 c, d, e), numbers that other trainers' code gives, and invariances."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.objective.advantage import advantages
from verizero.objective.kl import kl
from verizero.objective.loss import Objective, loss_sums
from verizero.objective.ratio import log_ratio
from verizero.objective.surrogate import clipped
from verizero.objective.weight import token_weights

KINDS = ["sequence", "token", "constant", "prompt", "balanced"]
LENGTHS = torch.tensor([5, 3, 4, 2, 5, 1])
MASK = torch.arange(5) < LENGTHS[:, None]
GROUP = torch.tensor([0, 0, 0, 1, 1, 1])
ADVANTAGE = advantages(torch.tensor([1.0, 0, 0, 1, 1, 0]), GROUP, "group-mean", "group-std", 1e-6)
# A batch on which verl's loss functions were run (trainers.md 1.6); drawn once with torch.manual_seed(0).
OLD = torch.tensor(
    [
        [-0.9925131798, -1.5364435911, -0.1769548655, -0.2640609741, -0.6148456335],
        [-1.2681573629, -0.9801868200, -1.7928894758, -0.9112559557, -1.2646125555],
        [-0.6977869272, -0.8034346104, -0.0446515083, -0.3377178907, -0.5877768993],
        [-1.0370435715, -1.3953351974, -1.6000227928, -0.3220589161, -0.5645371675],
        [-1.3632171154, -1.8303879499, -0.7941998243, -1.7483117580, -0.8388166428],
        [-1.1058140993, -1.9054762125, -0.0723296404, -0.3704620600, -0.7468347549],
    ]
)
LOGPROB = torch.tensor(
    [
        [-1.0499026775, -1.5810873508, -0.4223881066, -0.2514238656, -0.8119164109],
        [-1.1687914133, -0.8043084741, -1.7479250431, -1.2476818562, -2.1910293102],
        [-0.7387107611, -0.4864570200, -0.1605185866, -0.3167148829, -0.3500476778],
        [-0.4202665091, -1.1924014091, -1.8364360332, -0.5497581363, -0.1965486109],
        [-0.9188906550, -1.3144383430, -1.3925657273, -1.8258465528, -0.6606117487],
        [-0.5757041574, -2.5572066307, -0.2922270894, -0.5623957515, -0.9467073679],
    ]
)


def each(value):
    """One value of a response for each of its tokens."""
    return value[:, None].expand(len(value), 5)


def loss(
    weight,
    *,
    logprob=LOGPROB,
    old=OLD,
    advantage=ADVANTAGE,
    mask=MASK,
    entropy=None,
    reference=None,
    sampled=None,
    **axes,
):
    width = mask.shape[1]
    return loss_sums(
        Objective(**{"surrogate": "clip", **axes}),
        logprob,
        torch.zeros_like(logprob) if entropy is None else entropy,
        old,
        reference,
        each(advantage)[:, :width] if advantage.ndim == 1 else advantage,
        each(weight)[:, :width] if weight.ndim == 1 else weight,
        mask,
        sampled,
    )


@pytest.mark.parametrize(
    ("axes", "kind", "expected"),
    [
        ({}, "token", -0.159292),
        ({}, "sequence", 0.149429),
        ({}, "constant", -0.106195),
        ({}, "balanced", 0.156369),
        ({"clip_high": 0.28, "dual_clip": 3.0}, "token", -0.166942),
        ({"clip_high": 0.28, "dual_clip": 3.0}, "sequence", 0.141299),
        ({"clip_high": 0.28, "dual_clip": 3.0}, "constant", -0.111294),
        ({"clip_high": 0.28, "ratio": "sequence"}, "sequence", 0.132994),
        ({"surrogate": "detached-clip", "ratio_min": 0.8, "ratio_max": 1.28}, "token", 0.248998),
    ],
)
def test_losses_equal_those_of_verl(axes, kind, expected):
    found = loss(token_weights(LENGTHS, kind, 5, GROUP, ADVANTAGE), **axes)
    assert float(found.loss) == pytest.approx(expected, abs=2e-6)


def test_clipped_loss_equals_that_of_nemo_rl():
    old, new = torch.tensor([[-1.0, -1.0, -1.0]]), torch.tensor([[-1.69315, -1.0, -0.59453]])
    per_token, changed = clipped(new - old, torch.tensor([[1.0, -1.0, 2.0]]), 0.8, 1.2)
    assert float(per_token.mean()) == pytest.approx(-0.6333, abs=5e-5)
    assert changed.tolist() == [[False, False, True]]


def test_a_sequence_ratio_gives_the_loss_of_nemo_rl():
    old, new = torch.tensor([[-1.0, -1.0, -1.0]]), torch.tensor([[-1.69315, -1.0, -0.59453]])
    ratio = log_ratio(new, old, torch.ones(1, 3, dtype=torch.bool), "sequence")
    per_token, _ = clipped(ratio, torch.tensor([[1.0, -1.0, 2.0]]), 0.8, 1.2)
    assert float(per_token.mean()) == pytest.approx(-0.6057, abs=5e-5)


def test_a_dual_clip_gives_the_loss_of_nemo_rl():
    old, new = torch.tensor([[-1.0, -1.0, -3.0]]), torch.tensor([[-1.69315, -1.0, -0.69741]])
    per_token, changed = clipped(new - old, torch.tensor([[1.0, -1.0, -4.0]]), 0.8, 1.2, dual=3.0)
    assert float(per_token.mean()) == pytest.approx(4.1667, abs=5e-5)
    assert changed.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("sequence", (1 / 20, 1 / 200)), ("constant", (1 / 6000, 1 / 6000)), ("token", (1 / 110, 1 / 110))],
)
def test_a_token_of_a_long_wrong_answer_weighs_less_in_grpo_only(kind, expected):
    assert token_weights(torch.tensor([10, 100]), kind, 3000).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_response_without_tokens_counts_for_nothing(kind):
    group, advantage = torch.tensor([0, 0, 1]), torch.tensor([1.0, 1.0, -1.0])
    first, last = token_weights(torch.tensor([10, 100]), kind, 50, group[::2], advantage[::2]).tolist()
    found = token_weights(torch.tensor([10, 0, 100]), kind, 50, group, advantage)
    assert found.tolist() == pytest.approx([first, 0.0, last])


def test_balanced_averages_the_two_sides_of_a_group_apart():
    # one right answer of 10 tokens against wrong ones of 20 and 40, then a group without a side
    lengths, group = torch.tensor([10, 20, 40, 7, 7]), torch.tensor([0, 0, 0, 1, 1])
    found = token_weights(lengths, "balanced", None, group, torch.tensor([2.0, -1.0, -1.0, 0.0, 0.0]))
    assert found.tolist() == pytest.approx([1 / 3 / 10 / 2, 2 / 3 / 60 / 2, 2 / 3 / 60 / 2, 0.0, 0.0])


@given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=2, max_size=8), st.integers(1, 30))
def test_balanced_is_sequence_and_token_where_all_lengths_are_equal(signs, length):
    lengths, advantage, group = torch.full((len(signs),), length), torch.tensor(signs), torch.zeros(len(signs)).long()
    for kind in ("sequence", "token"):
        torch.testing.assert_close(
            token_weights(lengths, "balanced", None, group, advantage), token_weights(lengths, kind)
        )


def test_every_prompt_counts_the_same():
    found = token_weights(torch.tensor([10, 30, 1, 1]), "prompt", None, torch.tensor([5, 5, 2, 2]))
    assert found.tolist() == pytest.approx([1 / 80, 1 / 80, 1 / 4, 1 / 4])


def test_an_update_without_tokens_is_refused():
    with pytest.raises(ValueError, match="at least one token"):
        token_weights(torch.tensor([0, 0]), "token")


@given(st.floats(-8, 0), st.floats(-8, 0))
def test_k3_is_never_negative_and_zero_only_for_equal_probabilities(logprob, other):
    found = float(
        kl(torch.tensor([[logprob]], dtype=torch.float64), torch.tensor([[other]], dtype=torch.float64), "k3")
    )
    assert found >= 0
    if abs(logprob - other) > 1e-6:
        assert found > 0


def test_estimators_of_the_divergence():
    logprob, other = torch.tensor([[-1.0]]), torch.tensor([[-1.5]])
    assert [float(kl(logprob, other, kind)) for kind in ("k1", "k2", "k3")] == pytest.approx(
        [0.5, 0.125, 0.106531], abs=1e-6
    )


def test_k1_and_k3_are_unbiased():
    policy, other = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    exact = float((policy * (policy / other).log()).sum())
    for kind in ("k1", "k3"):
        assert float((policy * kl(policy.log()[None], other.log()[None], kind)[0]).sum()) == pytest.approx(
            exact, abs=1e-6
        )


def test_a_positive_entropy_coefficient_rewards_entropy():
    weight = token_weights(LENGTHS, "token")
    low, high = (
        loss(weight, entropy=torch.full_like(OLD, value), entropy_coefficient=0.01).loss for value in (0.1, 0.9)
    )
    assert float(high - low) == pytest.approx(-0.01 * 0.8, abs=1e-6)


def test_the_divergence_enters_with_the_weight_of_its_token():
    weight = token_weights(LENGTHS, "sequence")
    with_kl = loss(weight, reference=OLD, kl_coefficient=0.04)
    expected = float(loss(weight).loss) + 0.04 * float((weight[:, None] * kl(LOGPROB, OLD, "k3") * MASK).sum())
    assert float(with_kl.loss) == pytest.approx(expected, abs=1e-6)
    assert float(with_kl.kl_reference) == pytest.approx(float((kl(LOGPROB, OLD, "k3") * MASK).sum()), rel=1e-5)


def test_a_correction_is_a_factor_of_the_surrogate_alone():
    weight = token_weights(LENGTHS, "token")
    terms = {"reference": OLD, "kl_coefficient": 0.1, "entropy": 0.3 * OLD, "entropy_coefficient": 0.1}
    plain, all_terms = loss(weight).loss, loss(weight, **terms).loss
    half = {"sampled": OLD + math.log(2), "correction": "truncated", "correction_high": 2.0}
    found = loss(weight, **half, **terms)
    torch.testing.assert_close(found.loss, all_terms - plain / 2)
    assert float(found.correction) == pytest.approx(float(LENGTHS.sum()) / 2)


def test_a_correction_without_the_engines_probabilities_is_refused():
    with pytest.raises(ValueError, match="of the engine"):
        loss(token_weights(LENGTHS, "token"), correction="truncated")


def test_a_divergence_without_a_reference_is_refused():
    with pytest.raises(ValueError, match="reference policy"):
        loss(token_weights(LENGTHS, "token"), kl_coefficient=0.1)


AXES = {
    "clip": {"clip_high": 0.28},
    "dual clip": {"clip_high": 0.28, "dual_clip": 1.3},
    "sequence ratio": {"ratio": "sequence", "clip_low": 0.1, "clip_high": 0.15},
    "reinforce": {"surrogate": "reinforce"},
    "none": {"surrogate": "none"},
    "k1": {"kl_estimator": "k1"},
    "k2": {"kl_estimator": "k2"},
    "truncated correction": {"correction": "truncated", "correction_high": 1.1},
    "masked correction": {"correction": "masked", "correction_low": 0.5, "correction_high": 1.1},
}
"""Objectives whose gradient is that of their value; `detached-clip` and the cumulative ratio stop it on purpose."""


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_the_gradient_is_that_of_finite_differences(axes):
    logits = torch.randn(*OLD.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logprob, old, reference = (value.double() for value in (LOGPROB, OLD, OLD + 0.1))

    def whole(values):
        return loss(
            token_weights(LENGTHS, "sequence").double(),
            logprob=values,
            old=old,
            entropy=values * logits,
            reference=reference,
            advantage=ADVANTAGE.double(),
            sampled=old - 0.3 * logits.sigmoid() + 0.1,
            **{"kl_coefficient": 0.1, "entropy_coefficient": 0.05, **axes},
        ).loss

    assert torch.autograd.gradcheck(whole, logprob.requires_grad_())


def gradient(kind, **axes):
    """Of the loss on policy, where every ratio is 1."""
    logprob = OLD.clone().requires_grad_()
    return torch.autograd.grad(loss(token_weights(LENGTHS, kind), logprob=logprob, **axes).loss, logprob)[0]


@pytest.mark.parametrize(
    "axes",
    [
        {"surrogate": "reinforce"},
        {"clip_high": 0.28, "dual_clip": 3.0},
        {"ratio": "sequence", "clip_low": 3e-4, "clip_high": 4e-4},
        {"ratio": "cumulative", "clip_low": 0.025, "clip_high": 0.05, "clip_growth": 0.5, "dual_clip": 0.05},
        {"surrogate": "detached-clip", "ratio_max": 1.28},
    ],
    ids=["reinforce", "dual clip", "sequence", "cumulative", "detached clip"],
)
@pytest.mark.parametrize("kind", ["token", "sequence"])
def test_every_surrogate_has_the_gradient_of_clip_on_policy(axes, kind):
    torch.testing.assert_close(gradient(kind, **axes), gradient(kind))


def test_gspo_on_policy_is_the_sequence_mean_of_reinforce():
    gspo = gradient("sequence", ratio="sequence", clip_low=3e-4, clip_high=4e-4)
    expected = -ADVANTAGE[:, None] / (len(LENGTHS) * LENGTHS[:, None]) * MASK
    torch.testing.assert_close(gspo, expected)


def test_what_stands_outside_a_response_has_neither_value_nor_gradient():
    weight = token_weights(LENGTHS, "token")
    absurd = LOGPROB.masked_fill(~MASK, float("nan")).requires_grad_()
    found = loss(weight, logprob=absurd, old=OLD.masked_fill(~MASK, float("-inf"))).loss
    gradient = torch.autograd.grad(found, absurd)[0]
    assert float(found) == pytest.approx(float(loss(weight).loss))
    assert (gradient[~MASK] == 0).all()
    assert (gradient[MASK] != 0).any()


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_no_axis_gives_a_masked_token_a_gradient(axes):
    logprob = LOGPROB.clone().requires_grad_()
    terms = {"reference": OLD + 0.1, "kl_coefficient": 0.1, "sampled": OLD - 0.2, **axes}
    found = loss(
        token_weights(LENGTHS, "token"), logprob=logprob, entropy=logprob * 0.3, entropy_coefficient=0.1, **terms
    )
    gradient = torch.autograd.grad(found.loss, logprob)[0]
    assert (gradient[~MASK] == 0).all()
    assert (gradient[MASK] != 0).any()


def test_clipped_tokens_are_counted_and_have_no_gradient():
    logprob = (OLD + 0.5).requires_grad_()
    up = torch.ones(len(OLD))
    found = loss(token_weights(LENGTHS, "token"), logprob=logprob, advantage=up)
    assert int(found.clipped) == int(LENGTHS.sum())
    assert (torch.autograd.grad(found.loss, logprob)[0] == 0).all()
    assert int(loss(token_weights(LENGTHS, "token"), logprob=OLD + 0.5, advantage=-up).clipped) == 0


DETACHED = {
    "detached clip": {"surrogate": "detached-clip", "ratio_min": 0.8, "ratio_max": 1.28},
    "cumulative": {"ratio": "cumulative", "clip_low": 0.025, "clip_high": 0.05, "clip_growth": 0.5, "dual_clip": 0.05},
}


@st.composite
def splits(draw):
    """A permutation of the six responses, cut into consecutive parts."""
    order = draw(st.permutations(range(6)))
    cuts = sorted(draw(st.sets(st.integers(1, 5))))
    return [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, 6], strict=True)]


@settings(max_examples=25)
@given(splits(), st.sampled_from(KINDS))
@pytest.mark.parametrize("axes", [*AXES.values(), *DETACHED.values()], ids=[*AXES, *DETACHED])
def test_micro_batches_ranks_and_order_cannot_change_loss_or_gradient(axes, parts, kind):
    weight = token_weights(LENGTHS, kind, 5, GROUP, ADVANTAGE)
    coefficients = {"kl_coefficient": 0.1, "entropy_coefficient": 0.01, **axes}

    def of(rows, logprob):
        width = int(LENGTHS[rows].max())  # each part is padded to its own longest row
        cut = [value[rows, :width] for value in (logprob, OLD, OLD + 0.1, MASK, OLD - 0.2 * LOGPROB)]
        return loss(
            weight[rows],
            logprob=cut[0],
            old=cut[1],
            reference=cut[2],
            mask=cut[3],
            sampled=cut[4],
            entropy=cut[0] * 0.3,
            advantage=ADVANTAGE[rows],
            **coefficients,
        )

    whole, pieces = LOGPROB.clone().requires_grad_(), LOGPROB.clone().requires_grad_()
    at_once = of(list(range(6)), whole)
    in_parts = [of(rows, pieces) for rows in parts]
    torch.testing.assert_close(sum(part.loss for part in in_parts), at_once.loss, atol=1e-6, rtol=1e-5)
    assert sum(int(part.clipped) for part in in_parts) == int(at_once.clipped)
    gradients = (
        torch.autograd.grad(at_once.loss, whole)[0],
        torch.autograd.grad(sum(part.loss for part in in_parts), pieces)[0],
    )
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-5)


@given(splits())
def test_averaging_over_ranks_a_loss_multiplied_by_their_number_is_the_sum(parts):
    weight = token_weights(LENGTHS, "sequence")
    ranks = len(parts)
    averaged = (
        sum(
            ranks
            * loss(weight[rows], logprob=LOGPROB[rows], old=OLD[rows], mask=MASK[rows], advantage=ADVANTAGE[rows]).loss
            for rows in parts
        )
        / ranks
    )
    torch.testing.assert_close(averaged, loss(weight).loss, atol=1e-6, rtol=1e-5)


def test_responses_without_advantage_can_be_left_out_of_the_forward_pass():
    advantage = ADVANTAGE.clone()
    advantage[:3] = 0.0
    weight = token_weights(LENGTHS, "sequence")
    whole = loss(weight, advantage=advantage).loss
    kept = loss(weight[3:], logprob=LOGPROB[3:], old=OLD[3:], mask=MASK[3:], advantage=advantage[3:]).loss
    torch.testing.assert_close(kept, whole)
