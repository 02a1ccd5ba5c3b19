"""What an optimizer's file may not say: one sentence for each option that another one makes meaningless."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from verizero.config.describe import recipe_text
from verizero.config.expansion import parse_run
from verizero.config.load import sentence
from verizero.config.optimizers import Optimizer
from verizero.config.registry import load_registry
from verizero.config.spec import TrainSpec, identity, read_spec, spec_text, train_spec

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load_registry(ROOT / "config")
BASIC: dict[str, Any] = {
    "advantage": {"baseline": "group-mean"},
    "weight": {"kind": "sequence"},
    "learning_rate": 1e-6,
    "rollout": {"prompts": 4, "samples": 4, "max_tokens": 64},
    "updates_per_rollout": 2,
    "steps": 10,
}
CRITIC: dict[str, Any] = {
    "advantage": {"baseline": "critic", "shape": "gae", "gae_lambda": 1.0},
    "critic": {"learning_rate": 1e-6},
}
SPECS = {
    "dr-grpo": "009b5ff1a0fff9165b18f29d312588e1bc121e035e33d23a27c7bdf827c64bd3",
    "dr-grpo-smollm2": "0d11e1753a5e8df2c1415374557a373234133198c0d88f2497095472893460b5",
    "dr-grpo-toy": "5c37afc89d99dd38baccd1ad0283ae28d07a658d8564268eb64ebba44bf31d19",
    "grpo": "c5f4e6b27a3f38332edb099f6aaa4acbd8d9668cec2cc83227f5c3f5a1caf028",
    "grpo-smollm2": "c1e0251a6172f8e3a38d9245c69037962a224586ead77a54430babcf0fefcf1a",
    "grpo-token-mean": "17f01ecca4ebe46f3b35514ff61682c5b857cd75c4a5e02a3dfa1f107e4d1c33",
    "grpo-toy": "655beef184922af5e93df609aae13fdd0c87388471876faffd093648052e586d",
}
"""SHA-256 of each first optimizer's part of the spec, as it was when there were fewer axes."""


@pytest.mark.parametrize("name", SPECS)
def test_more_axes_change_no_spec_of_an_optimizer_that_does_not_use_them(name: str) -> None:
    text = spec_text(identity(REGISTRY.optimizers[name]))
    assert hashlib.sha256(text.encode()).hexdigest() == SPECS[name], text


@pytest.mark.parametrize("name", sorted(REGISTRY.optimizers))
def test_every_optimizer_reads_back_from_its_spec(name: str) -> None:
    spec = train_spec(REGISTRY, parse_run(f"tiny.sums.plain.{name}.s1"))
    assert read_spec(TrainSpec, spec_text(spec))[0] == spec


CONTRADICTIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "scale without a group": ({"advantage": {"baseline": "none", "scale": "group-std"}}, ["group-std", "`none`"]),
    "scale of a sign": ({"advantage": {"baseline": "sign", "scale": "group-std"}}, ["group-std", "`sign`"]),
    "scale of a greedy baseline": ({"advantage": {"baseline": "greedy", "scale": "group-std"}}, ["`greedy`"]),
    "returns over a group's spread": (
        {"advantage": {"baseline": "group-mean", "scale": "group-std", "shape": "returns"}},
        ["`returns`", "`whiten`"],
    ),
    "returns of nothing but the end": (
        {"advantage": {"baseline": "none", "shape": "returns"}},
        ["shape is `returns`", "write `response`"],
    ),
    "tree of others": ({"advantage": {"baseline": "leave-one-out", "shape": "prefix-tree"}}, ["`prefix-tree`"]),
    "whitened tree": (
        {"advantage": {"baseline": "group-mean", "shape": "prefix-tree", "scale": "whiten"}},
        ["`prefix-tree`", "`whiten`"],
    ),
    "a checkpoint at the end": ({"checkpoints_every": 10}, ["checkpoints_every is 10", "steps 10"]),
    "critic without gae": (
        {"advantage": {"baseline": "critic"}, "critic": {"learning_rate": 1e-6}},
        ["`critic`", "`gae`"],
    ),
    "gae without a critic": (
        {"advantage": {"baseline": "group-mean", "shape": "gae", "gae_lambda": 1.0}},
        ["`group-mean`", "`gae`"],
    ),
    "gae without a lambda": (
        {"advantage": {"baseline": "critic", "shape": "gae"}, "critic": {"learning_rate": 1e-6}},
        ["gae_lambda", "length_adaptive"],
    ),
    "two lambdas": (
        {"advantage": {"baseline": "critic", "shape": "gae", "gae_lambda": 1.0, "length_adaptive": 0.05}},
        ["not both"],
    ),
    "lambda of nothing": ({"advantage": {"baseline": "none", "gae_lambda": 0.9}}, ["gae_lambda is 0.9", "`gae`"]),
    "a group's spread under a critic": (
        {"advantage": {"baseline": "critic", "shape": "gae", "gae_lambda": 1.0, "scale": "group-std"}},
        ["group-std", "`critic`"],
    ),
    "no section for the critic": (
        {"advantage": {"baseline": "critic", "shape": "gae", "gae_lambda": 1.0}},
        ["no section `critic`", "learning_rate"],
    ),
    "a critic that nobody asks": ({"critic": {"learning_rate": 1e-6}}, ["critic is given", "`group-mean`"]),
    "a critic alone for ever": (
        CRITIC | {"critic": {"learning_rate": 1e-6, "pretraining_steps": 10}},
        ["pretraining_steps is 10", "steps 10"],
    ),
    "unequal updates of the critic": (
        CRITIC | {"critic": {"learning_rate": 1e-6, "updates_per_rollout": 3}},
        ["critic.updates_per_rollout is 3", "16 completions"],
    ),
    "warm-up of the critic without end": (
        CRITIC | {"schedule": "linear", "critic": {"learning_rate": 1e-6, "warmup_steps": 20}},
        ["critic.warmup_steps is 20", "20 updates"],
    ),
    "imitation of nothing": (
        {"imitation_coefficient": 0.1, "reward": {"rule": "random", "probability": 0.5}},
        ["imitation_coefficient is 0.1", "`random`"],
    ),
    "a checkpoint of the base model": (
        CRITIC | {"checkpoints": [2, 5], "critic": {"learning_rate": 1e-6, "pretraining_steps": 3}},
        ["checkpoints has 2", "pretraining_steps 3"],
    ),
    "a value clip that holds nothing": (
        CRITIC | {"updates_per_rollout": 1, "critic": {"learning_rate": 1e-6, "value_clip": 0.2}},
        ["critic.value_clip is 0.2", "one update per rollout"],
    ),
    "sides of tokens": (CRITIC | {"weight": {"kind": "balanced"}}, ["`balanced`", "`gae`"]),
    "discount of nothing": ({"advantage": {"baseline": "none", "discount": 0.9}}, ["discount is 0.9", "`returns`"]),
    "sign of other rewards": (
        {"advantage": {"baseline": "sign"}, "reward": {"incorrect": -1.0}},
        ["2r - 1", "-1.0, 0.0, 1.0"],
    ),
    "sign of a penalised reward": (
        {"advantage": {"baseline": "sign"}, "reward": {"soft_overlong": 8}},
        ["2r - 1", "soft_overlong"],
    ),
    "sign less a divergence": (
        {"advantage": {"baseline": "sign"}, "kl": {"coefficient": 0.1, "where": "reward"}},
        ["2r - 1", "kl.where"],
    ),
    "a group of one": (
        {"rollout": {"prompts": 4, "samples": 1, "max_tokens": 64}},
        ["rollout.samples is 1", "`group-mean`"],
    ),
    "clip without a clip": (
        {"surrogate": {"kind": "reinforce", "clip_high": 0.28}},
        ["clip_high is 0.28", "`reinforce`"],
    ),
    "dual clip without a clip": (
        {"surrogate": {"kind": "detached-clip", "ratio_min": 0.0, "ratio_max": 2.0, "dual_clip": 3.0}},
        ["dual_clip is 3.0", "`detached-clip`"],
    ),
    "dual clip inside the range": ({"surrogate": {"dual_clip": 1.1}}, ["dual_clip is 1.1", "1.2"]),
    "ratio of reinforce": ({"surrogate": {"kind": "reinforce", "ratio": "sequence"}}, ["`sequence`", "no ratio"]),
    "detached clip without a range": ({"surrogate": {"kind": "detached-clip"}}, ["needs ratio_min"]),
    "range of another kind": ({"surrogate": {"ratio_max": 2.0}}, ["ratio_max is 2.0", "`clip`"]),
    "range without 1": (
        {"surrogate": {"kind": "detached-clip", "ratio_min": 0.0, "ratio_max": 0.5}},
        ["ratio_max is 0.5", "at least 1"],
    ),
    "growth of a token's range": ({"surrogate": {"clip_growth": 0.5}}, ["clip_growth is 0.5", "`token`"]),
    "cumulative without growth": ({"surrogate": {"ratio": "cumulative"}}, ["needs clip_growth"]),
    "ratio with one update": (
        {"surrogate": {"ratio": "sequence"}, "updates_per_rollout": 1},
        ["surrogate.ratio is `sequence`", "every ratio is 1"],
    ),
    "length of another weight": ({"weight": {"kind": "token", "length": 10}}, ["length is 10", "`token`"]),
    "balanced tree": (
        {"weight": {"kind": "balanced"}, "advantage": {"baseline": "group-mean", "shape": "prefix-tree"}},
        ["`balanced`", "`prefix-tree`"],
    ),
    "balanced after whitening": (
        {"weight": {"kind": "balanced"}, "advantage": {"baseline": "group-mean", "scale": "whiten"}},
        ["`balanced`", "`whiten`"],
    ),
    "divergence of nothing in the reward": ({"kl": {"where": "reward"}}, ["kl: where is `reward`", "coefficient is 0"]),
    "estimator of nothing": ({"kl": {"estimator": "k2"}}, ["kl: estimator is `k2`", "coefficient is 0"]),
    "epsilon of nothing": ({"advantage": {"baseline": "group-mean", "epsilon": 1e-6}}, ["epsilon is 1e-06", "`none`"]),
    "no surrogate, but an advantage": (
        {"surrogate": {"kind": "none"}, "entropy_coefficient": 0.1},
        ["surrogate.kind is `none`", "advantage.baseline `none`"],
    ),
    "no term at all": (
        {"surrogate": {"kind": "none"}, "advantage": {"baseline": "none"}},
        ["the loss has no term"],
    ),
    "no surrogate, but a divergence in the reward": (
        {
            "surrogate": {"kind": "none"},
            "advantage": {"baseline": "none"},
            "entropy_coefficient": 0.1,
            "kl": {"coefficient": 0.1, "where": "reward"},
        },
        ["reads no reward"],
    ),
    "balanced without advantages": (
        {
            "surrogate": {"kind": "none"},
            "advantage": {"baseline": "none"},
            "entropy_coefficient": 0.1,
            "weight": {"kind": "balanced"},
        },
        ["`balanced` needs advantages"],
    ),
    "correction of no surrogate": (
        {
            "surrogate": {"kind": "none"},
            "advantage": {"baseline": "none"},
            "entropy_coefficient": 0.1,
            "correction": {"kind": "truncated", "high": 2.0},
        },
        ["correction.kind is `truncated`"],
    ),
    "correction without a limit": ({"correction": {"kind": "truncated"}}, ["`truncated` needs high"]),
    "limit without a correction": ({"correction": {"high": 2.0}}, ["high is 2.0", "`none`"]),
    "truncated from below": ({"correction": {"kind": "truncated", "low": 0.5, "high": 2.0}}, ["low is 0.5"]),
    "correction that excludes agreement": ({"correction": {"kind": "masked", "low": 1.5, "high": 2.0}}, ["ratio of 1"]),
    "window of the whole length": ({"reward": {"soft_overlong": 64}}, ["soft_overlong is 64", "max_tokens 64"]),
    "variance of one": (
        {
            "rollout": {"prompts": 4, "samples": 1, "max_tokens": 64},
            "advantage": {"baseline": "sign"},
            "selection": {"zero_variance": "skipped"},
        },
        ["zero_variance is `skipped`", "rollout.samples is 1"],
    ),
    "refill without an end": ({"selection": {"zero_variance": "refilled"}}, ["`refilled` needs max_rounds"]),
    "rounds of nothing": ({"selection": {"max_rounds": 3}}, ["max_rounds is 3", "`kept`"]),
    "end of a constant rate": ({"schedule_end": 0.1}, ["schedule_end is 0.1", "`constant`"]),
    "only warm-up": ({"schedule": "linear", "warmup_steps": 20}, ["warmup_steps is 20", "20 updates"]),
    "checkpoint behind the end": ({"checkpoints": [5, 11]}, ["checkpoints has 11", "ends at step 10"]),
    "completions of a step behind the end": ({"kept_rollouts": [1, 60]}, ["kept_rollouts has 60", "ends at step 10"]),
    "parts that do not divide": ({"updates_per_rollout": 3}, ["updates_per_rollout is 3", "4 x 4"]),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_an_option_that_another_makes_meaningless_is_refused_in_one_sentence(name: str) -> None:
    changes, words = CONTRADICTIONS[name]
    data = {**BASIC, **changes}
    with pytest.raises(ValidationError) as error:
        Optimizer.model_validate_json(json.dumps(data))
    said = sentence(Optimizer, error.value.errors()[0], data)
    assert "\n" not in said
    for word in words:
        assert word in said, said


def test_keeping_completions_is_part_of_the_spec_only_where_it_is_asked_for() -> None:
    silent, asked = (Optimizer.model_validate({**BASIC, **more}) for more in ({}, {"kept_rollouts": [1, 10]}))
    assert "kept_rollouts" not in json.loads(spec_text(silent))
    assert json.loads(spec_text(asked)) == {**json.loads(spec_text(silent)), "kept_rollouts": [1, 10]}
    assert "completions kept: 1, 10\n" in recipe_text(asked)
    assert "completions" not in recipe_text(silent).split("steps ")[1].split("\n")[0]


COMBINATIONS: dict[str, dict[str, Any]] = {
    "entropy only": {
        "surrogate": {"kind": "none"},
        "advantage": {"baseline": "none"},
        "entropy_coefficient": 0.001,
        "updates_per_rollout": 1,
    },
    "divergence and weight decay only": {
        "surrogate": {"kind": "none"},
        "advantage": {"baseline": "none"},
        "kl": {"coefficient": 0.001},
        "weight_decay": 0.01,
    },
    "entropy held down": {"entropy_coefficient": -0.001},
    "several epochs of one part": {
        "surrogate": {"ratio": "sequence"},
        "updates_per_rollout": 1,
        "epochs_per_rollout": 2,
    },
    "one sample without a group": {
        "advantage": {"baseline": "none", "scale": "whiten"},
        "rollout": {"prompts": 4, "samples": 1, "max_tokens": 64},
    },
}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_what_has_a_meaning_is_allowed(name: str) -> None:
    data = {**BASIC, **COMBINATIONS[name]}
    recipe = Optimizer.model_validate_json(json.dumps(data))
    assert recipe.updates == 10 * recipe.updates_per_rollout * recipe.epochs_per_rollout
