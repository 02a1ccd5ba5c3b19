"""TRL's own loss code, run on random ragged updates: where it has an objective of ours, loss and gradient are the same; where it
means something else by a name, the difference is pinned (docs/objectives.md, "The same name elsewhere").

Its methods run on a trainer that was never initialised and has only the attributes that they read.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from verizero.config.axes import Surrogate
from verizero.objective.advantage import advantages
from verizero.objective.entropy_filter import entropy_threshold
from verizero.objective.kl import kl
from verizero.objective.loss import Objective, loss_sums
from verizero.objective.weight import token_weights

WIDTH, GROUPS, SIZE = 9, 4, 6
COUNT = GROUPS * SIZE
GROUP = torch.arange(GROUPS).repeat_interleave(SIZE)
SEEDS = [0, 1, 2]
END = 2
"""The token that ends a response."""


@pytest.fixture(scope="module")
def trl():
    """TRL's two trainers and their settings; without vLLM, whose import would take longer than all tests here."""
    pytest.importorskip("trl", reason="TRL is not installed (envs/test-jobs.in)", exc_type=ImportError)
    from accelerate import PartialState
    from trl import import_utils

    started = bool(PartialState._shared_state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_utils, "is_vllm_available", lambda *_, **__: False)
        from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
    yield SimpleNamespace(grpo=GRPOTrainer, grpo_config=GRPOConfig, rloo=RLOOTrainer, rloo_config=RLOOConfig)
    if not started:
        PartialState._reset_state()


@dataclass(frozen=True)
class Update:
    """The responses of one update; what stands outside the mask is as random as what stands inside."""

    logprob: Tensor
    old: Tensor
    reference: Tensor
    sampled: Tensor
    uncertainty: Tensor
    """The entropy of a token is this times minus its log-probability, so that it has a gradient."""
    mask: Tensor
    reward: Tensor
    advantage: Tensor

    def of(self, rows):
        """Some of the responses."""
        return Update(**{name: value[rows] for name, value in vars(self).items()})

    @property
    def lengths(self):
        return self.mask.sum(-1)

    @property
    def tokens(self):
        return self.mask.sum()

    def entropy(self, logprob):
        return -self.uncertainty * logprob


def update(seed):
    """An update of several groups, whose policy has moved by half a nat a token since it sampled, partly by response."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=draw)

    lengths = torch.randint(1, WIDTH, (COUNT,), generator=draw)
    lengths[0] = WIDTH
    old = -0.1 - 2 * torch.rand(COUNT, WIDTH, dtype=torch.float64, generator=draw)
    reward = normal(COUNT)
    return Update(
        logprob=(old + 0.5 * (normal(COUNT, WIDTH) + normal(COUNT, 1)) / 2**0.5).clamp(max=-0.01),
        old=old,
        reference=old + 0.3 * normal(COUNT, WIDTH),
        # What an engine says arrives in single precision.
        sampled=(old + 0.3 * normal(COUNT, WIDTH)).float(),
        uncertainty=torch.rand(COUNT, WIDTH, dtype=torch.float64, generator=draw),
        mask=torch.arange(WIDTH) < lengths[:, None],
        reward=reward,
        advantage=advantages(reward, GROUP, "group-mean", "group-std"),
    )


@pytest.fixture(params=SEEDS)
def random_update(request):
    return update(request.param)


def loss_and_gradient(loss, logprob):
    return loss.detach(), torch.autograd.grad(loss, logprob)[0]


def ours(some, kind, weight=None, keep=None, constant=WIDTH, **axes):
    """Loss and gradient by our code; `weight` of each token stands for that of the kind."""
    logprob = some.logprob.clone().requires_grad_()
    if weight is None:
        weight = token_weights(some.lengths, kind, constant).double()
    weight = weight[:, None] * (torch.ones_like(logprob) if keep is None else keep)
    found = loss_sums(
        Objective(**{"surrogate": "clip", **axes}),
        logprob,
        some.entropy(logprob),
        some.old,
        some.reference,
        some.advantage[:, None].expand_as(logprob),
        weight,
        some.mask,
        some.sampled,
    )
    return loss_and_gradient(found.loss, logprob)


def trainer(kind, **settings):
    """A trainer of TRL, as one of `processes`; of its two places for settings, itself and its arguments, one is made."""
    found = object.__new__(kind)
    neutral = {
        "loss_type": "grpo",
        "importance_sampling_level": "token",
        "epsilon_low": 0.2,
        "epsilon_high": 0.2,
        "delta": None,
        "beta": 0.0,
        "use_bias_correction_kl": False,
        "top_entropy_quantile": 1.0,
        "entropy_coef": 0.0,
        "use_adaptive_entropy": False,
        "off_policy_mask_threshold": None,
        "use_vllm": False,
        "vllm_importance_sampling_correction": True,
        "aux_loss_enabled": False,
        "max_completion_length": WIDTH,
        "current_gradient_accumulation_steps": 1,
        "steps_per_generation": 1,
    }
    accelerator = SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=settings.pop("processes", 1),
        process_index=0,
        sync_gradients=True,
        gather=lambda value: value,
        reduce=lambda value, reduction: value,
        pad_across_processes=lambda value, dim, pad_index: value,
    )
    vars(found).update(neutral, accelerator=accelerator, _metrics={"train": defaultdict(list)}, args=found)
    vars(found).update(settings)
    found._entropy_bonus_enabled = found.entropy_coef != 0
    found.model = SimpleNamespace(training=True, is_gradient_checkpointing=False)
    return found


def inputs_of(some):
    """What TRL's loss reads of an update."""
    prompt = torch.ones(len(some.mask), 1, dtype=torch.long)
    return {
        "prompt_ids": prompt,
        "prompt_mask": prompt,
        "completion_ids": torch.ones_like(some.mask, dtype=torch.long),
        "completion_mask": some.mask.long(),
        "advantages": some.advantage,
        "old_per_token_logps": some.old,
        "ref_per_token_logps": some.reference,
        "old_logps": (some.old * some.mask).sum(-1),
        "num_items_in_batch": some.tokens,
    }


def theirs(kind, some, inputs=None, **settings):
    """Loss and gradient by TRL's code; `inputs` stand for some that it would read of the update."""
    logprob = some.logprob.clone().requires_grad_()
    found = trainer(kind, **settings)
    found._get_per_token_logps_and_entropies = lambda *_, **__: (logprob, some.entropy(logprob), None)
    return loss_and_gradient(found._compute_loss(None, {**inputs_of(some), **(inputs or {})}), logprob)


def rollout(kind, some, reward=None, truncated=None, **settings):
    """What TRL hands to its loss after it sampled these responses and graded them."""
    found = trainer(
        kind,
        **{
            "scale_rewards": "group",
            "multi_objective_aggregation": "sum_then_normalize",
            "normalize_advantages": False,
            "reward_clip_range": None,
            "mask_truncated_completions": False,
            "num_generations": SIZE,
            "num_iterations": 1,
            "gradient_accumulation_steps": 1,
            "per_device_train_batch_size": len(some.mask),
            "gradient_checkpointing_kwargs": None,
            **settings,
        },
        environment_factories=None,
        environments=None,
        tools=None,
        pad_to_multiple_of=None,
        eos_token_ids=[END],
        _tokenizer=SimpleNamespace(pad_token_id=0),
        reward_weights=torch.ones(1),
        reward_func_names=["reward"],
        _pending_extra_logs={},
        _pending_metrics={},
        _logs=defaultdict(list, rewards=defaultdict(list)),
        ref_model=SimpleNamespace(),
    )
    ends = torch.full((len(some.mask),), END) if truncated is None else torch.where(truncated, 1, END)
    completions = [[1] * (length - 1) + [end] for length, end in zip(some.lengths.tolist(), ends.tolist(), strict=True)]
    sampled = [row[:length].tolist() for row, length in zip(some.sampled, some.lengths.tolist(), strict=True)]
    prompts = [[1]] * len(completions)
    generated = (prompts, completions, None, completions, sampled, {}, None, None)
    if kind.__name__ == "RLOOTrainer":
        generated = (prompts, completions, completions)
    found._generate = lambda _: generated
    found._calculate_rewards = lambda *_: (some.reward if reward is None else reward)[:, None]
    found._get_per_token_logps_and_entropies = lambda model, *_, **__: (
        some.reference if model is found.ref_model else some.old,
        None,
        None,
    )
    return found._generate_and_score_completions([{"prompt": ""}] * len(completions))


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)


def assert_other(found, expected):
    """By more than a hundredth of the largest of the numbers."""
    assert (found - expected).abs().max() > 0.01 * expected.abs().max()


SAME = {
    "grpo": ({"loss_type": "grpo"}, "sequence", {}),
    "bnpo": ({"loss_type": "bnpo"}, "token", {}),
    "dapo": ({"loss_type": "dapo"}, "token", {}),
    "dr_grpo": ({"loss_type": "dr_grpo"}, "constant", {}),
    "clip-higher": ({"loss_type": "dapo", "epsilon_high": 0.28}, "token", {"clip_high": 0.28}),
    "two-sided clip": ({"loss_type": "grpo", "delta": 1.5}, "sequence", {"dual_clip": 1.5}),
    "gspo": (
        {"importance_sampling_level": "sequence", "epsilon_low": 0.0003, "epsilon_high": 0.0004},
        "sequence",
        {"ratio": "sequence", "clip_low": 0.0003, "clip_high": 0.0004},
    ),
    "gspo over all tokens": (
        {"importance_sampling_level": "sequence", "loss_type": "dapo", "delta": 1.25},
        "token",
        {"ratio": "sequence", "dual_clip": 1.25},
    ),
    "cispo": (
        {"loss_type": "cispo", "epsilon_high": 1.3},
        "token",
        {"surrogate": "detached-clip", "ratio_max": 1.3},
    ),
    "cispo of responses": (
        {"loss_type": "cispo", "epsilon_high": 1.1, "importance_sampling_level": "sequence"},
        "token",
        {"surrogate": "detached-clip", "ratio_max": 1.1, "ratio": "sequence"},
    ),
    "divergence in grpo": ({"beta": 0.04}, "sequence", {"kl_coefficient": 0.04}),
    "divergence in dapo": ({"beta": 0.5, "loss_type": "dapo"}, "token", {"kl_coefficient": 0.5}),
    "divergence in dr_grpo": ({"beta": 0.5, "loss_type": "dr_grpo"}, "constant", {"kl_coefficient": 0.5}),
    "divergence in gspo": (
        {"beta": 0.5, "importance_sampling_level": "sequence"},
        "sequence",
        {"kl_coefficient": 0.5, "ratio": "sequence"},
    ),
    "entropy in dapo": ({"entropy_coef": 0.5, "loss_type": "dapo"}, "token", {"entropy_coefficient": 0.5}),
}
"""TRL's settings, and our weight and axes of the same meaning."""


@pytest.mark.parametrize(("settings", "kind", "axes"), SAME.values(), ids=SAME)
def test_the_loss_and_its_gradient_are_those_of_trl(trl, random_update, settings, kind, axes):
    assert_same(ours(random_update, kind, **axes), theirs(trl.grpo, random_update, **settings))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_clip_has_tokens_on_both_of_its_sides(seed):
    some = update(seed)
    good = some.advantage > 0
    drift = (some.logprob - some.old).masked_fill(~some.mask, torch.nan)
    tokens, responses = drift.exp(), drift.nanmean(-1).exp()
    for ratio, dual in ((tokens, 1.5), (responses[:, None], 1.25)):
        assert (ratio[good] > 1.3).any()
        assert (ratio[good] < 0.8).any()
        assert (ratio[~good] > dual).any()
        assert (ratio[~good] < 0.8).any()
        assert ((ratio > 0.8) & (ratio < 1.2)).any()


def test_a_loss_without_old_probabilities_is_ours_on_policy(trl, random_update):
    on_policy = replace(random_update, old=random_update.logprob)
    assert_same(ours(on_policy, "sequence"), theirs(trl.grpo, random_update, {"old_per_token_logps": None}))


def test_luspo_sums_over_a_response_which_is_a_constant_length_of_one(trl, random_update):
    found = theirs(trl.grpo, random_update, loss_type="luspo", importance_sampling_level="sequence")
    assert_same(ours(random_update, "constant", constant=1, ratio="sequence"), found)


def in_micro_batches(kind, some, size, **settings):
    """Loss and gradient of TRL over micro-batches of `size` responses, as it adds them up before an optimizer step."""
    parts = [some.of(slice(start, start + size)) for start in range(0, len(some.mask), size)]
    counts = {"current_gradient_accumulation_steps": len(parts), "steps_per_generation": len(parts)}
    found = [theirs(kind, part, {"num_items_in_batch": some.tokens}, **counts, **settings) for part in parts]
    return sum(loss for loss, _ in found), torch.cat([gradient for _, gradient in found])


@pytest.mark.parametrize("name", ["grpo", "dapo", "dr_grpo", "cispo", "gspo", "divergence in dapo"])
def test_the_micro_batches_of_trl_add_up_to_our_update(trl, random_update, name):
    settings, kind, axes = SAME[name]
    assert_same(ours(random_update, kind, **axes), in_micro_batches(trl.grpo, random_update, 2, **settings))


@pytest.mark.parametrize("name", ["grpo", "dapo", "dr_grpo", "cispo"])
def test_the_ranks_of_trl_average_to_our_update(trl, random_update, name):
    settings, kind, axes = SAME[name]
    parts = [random_update.of(slice(start, start + COUNT // 2)) for start in (0, COUNT // 2)]
    total = {"num_items_in_batch": random_update.tokens}
    found = [theirs(trl.grpo, part, total, processes=2, **settings) for part in parts]
    average = (found[0][0] + found[1][0]) / 2, torch.cat([gradient / 2 for _, gradient in found])
    assert_same(ours(random_update, kind, **axes), average)


def test_bnpo_has_a_denominator_for_each_micro_batch(trl, random_update):
    found = in_micro_batches(trl.grpo, random_update, 2, loss_type="bnpo")
    assert_other(found[1], ours(random_update, "token")[1])
    apart = [ours(random_update.of(slice(start, start + 2)), "token")[1] for start in range(0, COUNT, 2)]
    assert_same(found[1], torch.cat(apart) / len(apart))


@pytest.mark.parametrize(("loss_type", "axes"), [("dapo", {}), ("cispo", {"surrogate": "detached-clip"})])
def test_dapo_and_cispo_divide_by_the_tokens_of_an_average_update_of_the_rollout(trl, random_update, loss_type, axes):
    settings = {"loss_type": loss_type, "steps_per_generation": 2, "epsilon_high": 1.0 if loss_type == "cispo" else 0.2}
    first = random_update.of(slice(0, COUNT // 2))
    loss, gradient = theirs(trl.grpo, first, {"num_items_in_batch": random_update.tokens}, **settings)
    share = first.tokens / (random_update.tokens / 2)
    assert share != 1
    expected = ours(first, "token", **axes)
    assert_same((loss, gradient), (expected[0] * share, expected[1] * share))


def test_the_limit_of_cispo_is_epsilon_high_itself(trl, random_update):
    found = theirs(trl.grpo, random_update, loss_type="cispo", epsilon_high=0.28)
    assert_same(ours(random_update, "token", surrogate="detached-clip", ratio_max=0.28), found)
    assert_other(ours(random_update, "token", surrogate="detached-clip", ratio_max=1.28)[1], found[1])


def test_cispo_has_no_lower_limit(trl, random_update):
    found = theirs(trl.grpo, random_update, loss_type="cispo", epsilon_low=0.2, epsilon_high=1.28)
    assert_other(ours(random_update, "token", surrogate="detached-clip", ratio_min=0.8, ratio_max=1.28)[1], found[1])


def test_a_delta_inside_the_clip_range_limits_good_responses_in_trl_and_is_refused_here(trl, random_update):
    good = replace(random_update, advantage=random_update.advantage.abs())
    assert_other(theirs(trl.grpo, good, delta=1.1)[1], theirs(trl.grpo, good)[1])
    assert_same(ours(good, "sequence", dual_clip=1.1), ours(good, "sequence"))
    with pytest.raises(ValueError, match="inside the range that is not clipped"):
        Surrogate(kind="clip", dual_clip=1.1)


@pytest.mark.parametrize(("level", "limit"), [("token", 20), ("sequence", 10)])
def test_trl_has_no_limit_of_its_own_for_a_ratio(trl, random_update, level, limit):
    far = replace(random_update, logprob=random_update.old + 22, advantage=-random_update.advantage.abs())
    loss, _ = theirs(trl.grpo, far, importance_sampling_level=level)
    assert_same(ours(far, "sequence", ratio=level)[0] / loss, torch.tensor(limit - 22.0).double().exp())


def test_the_default_of_trl_multiplies_k3_by_the_ratio(trl, random_update):
    found = theirs(trl.grpo, random_update, beta=0.5, use_bias_correction_kl=True)
    assert_other(ours(random_update, "sequence", kl_coefficient=0.5)[1], found[1])
    logprob = random_update.logprob.clone().requires_grad_()
    each = kl(logprob, random_update.reference, "k3") * (logprob - random_update.old).exp()
    weight = token_weights(random_update.lengths, "sequence").double()[:, None]
    loss, gradient = loss_and_gradient(0.5 * (weight * each * random_update.mask).sum(), logprob)
    plain = theirs(trl.grpo, random_update)
    assert_same(found, (plain[0] + loss, plain[1] + gradient))


def test_k3_times_the_ratio_has_the_gradient_of_k2_on_policy(trl, random_update):
    on_policy = replace(random_update, old=random_update.logprob)
    loss, gradient = theirs(trl.grpo, on_policy, beta=0.5, use_bias_correction_kl=True)
    assert_same(loss, ours(on_policy, "sequence", kl_coefficient=0.5)[0])
    assert_same(gradient, ours(on_policy, "sequence", kl_coefficient=0.5, kl_estimator="k2")[1])


@pytest.mark.parametrize(("loss_type", "kind"), [("grpo", "sequence"), ("dr_grpo", "constant")])
def test_the_entropy_of_trl_is_a_mean_over_tokens_whatever_the_weight(trl, random_update, loss_type, kind):
    found = theirs(trl.grpo, random_update, loss_type=loss_type, entropy_coef=0.5)
    assert_other(ours(random_update, kind, entropy_coefficient=0.5)[1], found[1])
    surrogate = ours(random_update, kind)
    entropy = ours(random_update, "token", surrogate="none", entropy_coefficient=0.5)
    assert_same(found, (surrogate[0] + entropy[0], surrogate[1] + entropy[1]))


def uncertain(some, quantile=0.8):
    """1 for the tokens that our entropy filter keeps."""
    entropy = some.entropy(some.logprob)
    threshold = entropy_threshold([entropy[some.mask].float().numpy()], quantile)
    return (entropy >= threshold).double()


@pytest.mark.parametrize("name", ["grpo", "dapo", "dr_grpo", "cispo"])
def test_the_entropy_filter_of_trl_is_ours_in_one_batch(trl, random_update, name):
    settings, kind, axes = SAME[name]
    keep = uncertain(random_update)
    assert 0 < (keep * random_update.mask).sum() < 0.3 * random_update.tokens
    found = theirs(trl.grpo, random_update, top_entropy_quantile=0.2, **settings)
    assert_same(ours(random_update, kind, keep=keep, **axes), found)


def test_the_entropy_filter_of_trl_depends_on_the_micro_batch(trl, random_update):
    found = in_micro_batches(trl.grpo, random_update, 2, loss_type="dapo", top_entropy_quantile=0.2)
    assert_other(ours(random_update, "token", keep=uncertain(random_update))[1], found[1])


def test_the_entropy_filter_of_trl_leaves_the_divergence_on_all_tokens(trl, random_update):
    found = theirs(trl.grpo, random_update, loss_type="dapo", top_entropy_quantile=0.2, beta=0.5)
    keep = uncertain(random_update)
    assert_other(ours(random_update, "token", keep=keep, kl_coefficient=0.5)[1], found[1])
    surrogate = ours(random_update, "token", keep=keep)
    divergence = ours(random_update, "token", surrogate="none", kl_coefficient=0.5)
    assert_same(found, (surrogate[0] + divergence[0], surrogate[1] + divergence[1]))


CORRECTIONS = {
    "truncated": (
        {"mode": "token_truncate", "clip_min": None, "clip_max": 1.2},
        {"correction": "truncated", "correction_high": 1.2},
    ),
    "masked": (
        {"mode": "token_mask", "clip_min": 0.8, "clip_max": 1.2},
        {"correction": "masked", "correction_low": 0.8, "correction_high": 1.2},
    ),
    "masked above": (
        {"mode": "token_mask", "clip_min": None, "clip_max": 1.2},
        {"correction": "masked", "correction_high": 1.2},
    ),
}
"""TRL's settings, and our axes of the same meaning."""


def corrected(trl, some, correction, **settings):
    """Loss and gradient of TRL with the factor that it computed itself when it sampled."""
    how = {f"vllm_importance_sampling_{name}": value for name, value in correction.items()}
    found = rollout(trl.grpo, some, use_vllm=True, **how)
    factor = {"importance_sampling_ratio": found["importance_sampling_ratio"]}
    return theirs(trl.grpo, some, factor, use_vllm=True, **settings)


@pytest.mark.parametrize(("correction", "axes"), CORRECTIONS.values(), ids=CORRECTIONS)
@pytest.mark.parametrize("name", ["grpo", "dapo", "two-sided clip", "cispo", "divergence in dapo"])
def test_a_correction_token_by_token_is_that_of_trl(trl, random_update, name, correction, axes):
    settings, kind, others = SAME[name]
    found = corrected(trl, random_update, correction, **settings)
    assert_same(ours(random_update, kind, **others, **axes), found)
    assert_other(ours(random_update, kind, **others)[1], found[1])


def test_a_correction_of_tokens_under_a_ratio_of_responses_has_its_gradient_at_all_tokens_in_trl(trl, random_update):
    correction, axes = CORRECTIONS["truncated"]
    found = corrected(trl, random_update, correction, importance_sampling_level="sequence")
    expected = ours(random_update, "sequence", ratio="sequence", **axes)
    assert_same(found[0], expected[0])
    assert_same(found[1].sum(-1), expected[1].sum(-1))
    assert_other(found[1], expected[1])


def test_the_default_correction_of_trl_is_the_product_over_a_response_and_zero_above_three(trl):
    some = update(0)
    lower = torch.tensor([0.1, 0.1, 0.2, 0.2, 0.3, 0.3]).repeat(GROUPS)[:, None]
    some = replace(some, sampled=(some.old - lower).float())
    how = {"mode": "sequence_mask", "clip_min": None, "clip_max": 3.0}
    weight = token_weights(some.lengths, "sequence").double()
    product = (lower[:, 0] * some.lengths).exp()
    assert 0 < (product > 3).sum() < len(product)
    assert some.lengths[product > 3].double().mean() > some.lengths[product <= 3].double().mean()
    expected = ours(some, None, weight * product.masked_fill(product > 3, 0.0))
    assert_same(corrected(trl, some, how), expected)


def without(some, truncated):
    """The update with the truncated responses left out, as ours leaves them out."""
    return replace(some, mask=some.mask & ~truncated[:, None])


TRUNCATED = torch.arange(COUNT) % 3 == 1


def test_trl_masks_what_does_not_end(trl, random_update):
    found = rollout(trl.grpo, random_update, truncated=TRUNCATED, mask_truncated_completions=True)
    assert found["completion_mask"].bool().equal(without(random_update, TRUNCATED).mask)
    assert int(found["num_items_in_batch"]) == int(random_update.lengths[~TRUNCATED].sum())


@pytest.mark.parametrize("name", ["bnpo", "dapo", "cispo"])
def test_truncated_responses_left_out_count_for_nothing_in_the_token_means_of_trl(trl, random_update, name):
    settings, kind, axes = SAME[name]
    entering = without(random_update, TRUNCATED)
    assert_same(ours(entering, kind, **axes), theirs(trl.grpo, entering, **settings))


@pytest.mark.parametrize("name", ["grpo", "dr_grpo"])
def test_truncated_responses_left_out_stay_in_the_number_of_responses_of_trl(trl, random_update, name):
    settings, kind, axes = SAME[name]
    entering = without(random_update, TRUNCATED)
    loss, gradient = ours(entering, kind, **axes)
    share = float((~TRUNCATED).double().mean())
    assert_same(theirs(trl.grpo, entering, **settings), (share * loss, share * gradient))


def test_the_group_std_of_trl_is_unbiased_with_an_epsilon_of_its_own(trl, random_update):
    found = rollout(trl.grpo, random_update)["advantages"]
    assert_same(found, advantages(random_update.reward, GROUP, "group-mean", "group-std", 1e-4))
    assert_other(found, advantages(random_update.reward, GROUP, "group-mean", "group-std", 0.1))


def test_the_epsilon_of_trl_lowers_small_rewards_that_ours_does_not(trl, random_update):
    small = 1e-4 * random_update.reward
    found = rollout(trl.grpo, random_update, small)["advantages"]
    assert_same(found, advantages(small, GROUP, "group-mean", "group-std", 1e-4))
    assert_other(found, advantages(small, GROUP, "group-mean", "group-std", 1e-8))


def test_dr_grpo_needs_two_switches_in_trl(trl, random_update):
    found = rollout(trl.grpo, random_update, scale_rewards="none")["advantages"]
    assert_same(found, advantages(random_update.reward, GROUP, "group-mean"))
    assert_other(found, rollout(trl.grpo, random_update, loss_type="dr_grpo")["advantages"])


def test_the_batch_scale_of_trl_divides_by_the_std_of_all_rewards(trl, random_update):
    found = rollout(trl.grpo, random_update, scale_rewards="batch")["advantages"]
    centred = advantages(random_update.reward, GROUP, "group-mean")
    assert_same(found, centred / (random_update.reward.std() + 1e-4))


def test_equal_rewards_have_an_advantage_by_rounding_in_trl(trl):
    equal = torch.full((COUNT,), 0.9)  # in single precision a third of three times 0.9 is another number
    assert rollout(trl.grpo, update(0), equal, num_generations=3)["advantages"].abs().min() > 1e-4
    group = torch.arange(COUNT // 3).repeat_interleave(3)
    assert not advantages(equal, group, "group-mean", "group-std", 1e-4).any()


def test_the_advantages_of_the_rloo_trainer_are_leave_one_out(trl, random_update):
    found = rollout(trl.rloo, random_update)["advantages"]
    assert_same(found, advantages(random_update.reward, GROUP, "leave-one-out"))


def test_the_rloo_trainer_takes_k1_from_the_reward_of_a_response(trl, random_update):
    found = rollout(trl.rloo, random_update, beta=0.05)["advantages"]
    penalty = (kl(random_update.old, random_update.reference, "k1") * random_update.mask).sum(-1)
    assert_same(found, advantages(random_update.reward - 0.05 * penalty, GROUP, "leave-one-out"))


def test_the_rloo_trainer_has_the_gradient_of_reinforce_on_policy(trl, random_update):
    on_policy = replace(random_update, old=random_update.logprob)
    assert_same(theirs(trl.rloo, on_policy)[1], ours(on_policy, "constant", constant=1, surrogate="reinforce")[1])
    assert_other(
        theirs(trl.rloo, random_update)[1], ours(random_update, "constant", constant=1, surrogate="reinforce")[1]
    )


def test_the_rloo_trainer_clips_the_ratio_of_a_whole_response(trl, random_update):
    logprob = random_update.logprob.clone().requires_grad_()
    ratio = ((logprob - random_update.old) * random_update.mask).sum(-1).exp()
    up = random_update.advantage > 0
    kept = torch.where(up, ratio.clamp(max=1.2), ratio.clamp(min=0.8))
    expected = loss_and_gradient(-(kept * random_update.advantage).mean(), logprob)
    assert_same(theirs(trl.rloo, random_update), expected)


def test_the_rloo_trainer_is_our_clip_for_responses_of_one_token(trl, random_update):
    short = replace(random_update, mask=torch.arange(WIDTH) < torch.ones(COUNT, 1))
    assert_same(theirs(trl.rloo, short), ours(short, "constant", constant=1))


DEFAULTS = [
    ("grpo_config", "loss_type", "dapo"),
    ("grpo_config", "scale_rewards", "group"),
    ("grpo_config", "importance_sampling_level", "token"),
    ("grpo_config", "beta", 0.0),
    ("grpo_config", "use_bias_correction_kl", True),
    ("grpo_config", "epsilon", 0.2),
    ("grpo_config", "epsilon_high", None),
    ("grpo_config", "delta", None),
    ("grpo_config", "top_entropy_quantile", 1.0),
    ("grpo_config", "entropy_coef", 0.0),
    ("grpo_config", "mask_truncated_completions", False),
    ("grpo_config", "vllm_importance_sampling_correction", True),
    ("grpo_config", "vllm_importance_sampling_mode", "sequence_mask"),
    ("grpo_config", "vllm_importance_sampling_clip_max", 3.0),
    ("rloo_config", "beta", 0.05),
    ("rloo_config", "normalize_advantages", False),
]


@pytest.mark.parametrize(("config", "name", "value"), DEFAULTS)
def test_trl_has_this_default(trl, config, name, value):
    assert getattr(trl, config).__dataclass_fields__[name].default == value
