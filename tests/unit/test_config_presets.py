"""The presets: every number of the papers' own arms (papers.md sections 1 and 12), and the page that lists them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from verizero.artifacts.errors import UserError
from verizero.config.describe import axes_of
from verizero.config.expansion import parse_run
from verizero.config.optimizers import Optimizer
from verizero.config.preset_table import preset_table, with_table
from verizero.config.registry import load_registry, merged
from verizero.config.spec import identity, spec_text, train_spec

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "workflow")]

from presets import at_toy_size  # noqa: E402

REGISTRY = load_registry(ROOT / "config")
OPTIMIZERS = REGISTRY.optimizers
PAGE = ROOT / "docs" / "objectives.md"

A = {
    "advantage.baseline": "group-mean",
    "surrogate.kind": "clip",
    "surrogate.clip_low": 0.2,
    "surrogate.clip_high": 0.2,
    "kl.coefficient": 0.0,
    "entropy_coefficient": 0.0,
    "weight_decay": 0.0,
    "adam_betas": [0.9, 0.95],
    "max_grad_norm": 1.0,
    "learning_rate": 1e-6,
    "schedule": "constant",
    "warmup_steps": 0,
    "rollout.prompts": 128,
    "rollout.samples": 8,
    "rollout.max_tokens": 3000,
    "rollout.max_prompt_tokens": 1024,
    "rollout.temperature": 1.0,
    "reward.truncated": "zero",
    "reward.grader": "paper-a-fast",
    "updates_per_rollout": 8,
    "epochs_per_rollout": 1,
}
BC = {
    "advantage.baseline": "group-mean",
    "advantage.scale": "group-std",
    "advantage.epsilon": 1e-6,
    "weight.kind": "token",
    "surrogate.kind": "clip",
    "surrogate.clip_low": 0.2,
    "surrogate.clip_high": 0.2,
    "kl.estimator": "k3",
    "kl.where": "loss",
    "entropy_coefficient": 1e-3,
    "weight_decay": 0.01,
    "adam_betas": [0.9, 0.999],
    "schedule": "constant",
    "rollout.samples": 8,
    "rollout.max_prompt_tokens": 1024,
    "reward.truncated": "graded",
}
ARMS: dict[str, dict[str, Any]] = {
    "a-grpo": A | {"advantage.scale": "group-std", "advantage.epsilon": 1e-8, "weight.kind": "sequence"},
    "a-dr-grpo": A | {"advantage.scale": "none", "weight.kind": "constant", "weight.length": 3000},
    "a-ppo": A
    | {
        "advantage.baseline": "critic",
        "advantage.scale": "none",
        "advantage.shape": "gae",
        "advantage.gae_lambda": 1.0,
        "advantage.discount": 1.0,
        "weight.kind": "sequence",
        "critic.learning_rate": 9e-6,
        "critic.value_clip": 0.2,
        "critic.target_lambda": 1.0,
        "critic.updates_per_rollout": None,
    },
    "b-ppo": BC
    | {
        "advantage.baseline": "critic",
        "advantage.scale": "whiten",
        "advantage.epsilon": 1e-8,
        "advantage.shape": "gae",
        "advantage.gae_lambda": 1.0,
        "kl.coefficient": 1e-3,
        "learning_rate": 1e-6,
        "rollout.prompts": 128,
        "rollout.max_tokens": 3072,
        "rollout.temperature": 0.6,
        "updates_per_rollout": 1,
        "critic.learning_rate": 1e-5,
        "critic.value_clip": 0.5,
        "critic.updates_per_rollout": 8,
        "steps": 2000,
        "reward.grader": "paper-b",
    },
    "b-grpo": BC
    | {
        "kl.coefficient": 1e-3,
        "learning_rate": 1e-6,
        "max_grad_norm": 1.0,
        "rollout.prompts": 128,
        "rollout.max_tokens": 3072,
        "rollout.temperature": 0.6,
        "updates_per_rollout": 1,
        "steps": 2000,
        "reward.grader": "paper-b",
    },
    "c-grpo": BC
    | {
        "kl.coefficient": 1e-4,
        "learning_rate": 5e-7,
        "rollout.prompts": 1024,
        "rollout.max_tokens": 8192,
        "rollout.temperature": 1.0,
        "updates_per_rollout": 4,
        "reward.grader": "paper-c",
    },
}
PRESETS: dict[str, dict[str, Any]] = {
    "rloo": {"advantage.baseline": "leave-one-out", "surrogate.kind": "reinforce", "weight.length": 1},
    "remax": {"advantage.baseline": "greedy", "surrogate.kind": "reinforce", "weight.length": 1},
    "reinforce-pp": {
        "advantage.baseline": "none",
        "advantage.scale": "whiten",
        "advantage.shape": "returns",
        "advantage.discount": 1.0,
        "weight.kind": "token",
        "kl.estimator": "k1",
        "kl.where": "reward",
    },
    "reinforce-pp-baseline": {
        "advantage.baseline": "group-mean",
        "advantage.scale": "whiten",
        "weight.kind": "token",
        "kl.where": "loss",
    },
    "ppo": {
        "advantage.shape": "gae",
        "advantage.scale": "whiten",
        "critic.value_clip": 0.2,
        "kl.estimator": "k1",
        "kl.where": "reward",
        "weight.kind": "token",
    },
    "vapo": {
        "advantage.length_adaptive": 0.05,
        "surrogate.clip_high": 0.28,
        "weight.kind": "token",
        "critic.target_lambda": 1.0,
        "critic.pretraining_steps": 50,
        "imitation_coefficient": 0.1,
    },
    "dapo": {
        "surrogate.clip_high": 0.28,
        "weight.kind": "token",
        "kl.coefficient": 0.0,
        "reward.soft_overlong": 4096,
        "selection.zero_variance": "refilled",
        "selection.max_rounds": 10,
        "rollout.max_tokens": 20480,
    },
    "gspo": {
        "surrogate.ratio": "sequence",
        "surrogate.clip_low": 3e-4,
        "surrogate.clip_high": 4e-4,
        "weight.kind": "sequence",
        "kl.coefficient": 0.0,
    },
    "cispo": {"surrogate.kind": "detached-clip", "weight.kind": "token", "kl.coefficient": 0.0},
    "tempo": {"advantage.shape": "prefix-tree", "surrogate.clip_high": 0.28, "weight.kind": "token"},
    "ctpo": {
        "surrogate.ratio": "cumulative",
        "surrogate.clip_low": 0.025,
        "surrogate.clip_high": 0.05,
        "surrogate.clip_growth": 0.5,
        "surrogate.dual_clip": 0.05,
        "weight.kind": "sequence",
    },
    "balanced": {"weight.kind": "balanced"},
    "sign": {"advantage.baseline": "sign", "rollout.samples": 4},
    "high-entropy-tokens": {"weight.entropy_quantile": 0.8},
}


def value(name: str, key: str) -> Any:
    found: Any = OPTIMIZERS[name]
    for part in key.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_of_a_paper_has_every_number_of_it(name: str) -> None:
    assert {key: value(name, key) for key in ARMS[name]} == ARMS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_papers_point_in_the_space(name: str) -> None:
    assert {key: value(name, key) for key in PRESETS[name]} == PRESETS[name]


def test_every_preset_names_its_paper_and_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in [*ARMS, *PRESETS, "grpo", "dr-grpo", "grpo-token-mean"]:
        number = (OPTIMIZERS[name].source or "").removeprefix("arXiv ")
        assert f"| `{name}` | [{number}](https://arxiv.org/abs/{number}) |" in text


def test_the_page_holds_the_table_of_the_presets() -> None:
    wanted = with_table(PAGE, preset_table(OPTIMIZERS))
    assert PAGE.read_text(encoding="utf-8") == wanted, "run `python scripts/objectives.py`"


def test_an_optimizer_inherits_values_and_not_the_paper() -> None:
    assert OPTIMIZERS["grpo-toy"].source is None
    assert OPTIMIZERS["grpo-toy"].weight == OPTIMIZERS["grpo"].weight


@pytest.mark.parametrize("name", [name for name, recipe in sorted(OPTIMIZERS.items()) if recipe.source])
def test_every_preset_at_the_size_of_the_toy_keeps_its_axes(name: str) -> None:
    plain = json.loads(spec_text(identity(OPTIMIZERS[name])))
    small = Optimizer.model_validate(merged(plain, at_toy_size(OPTIMIZERS[name], steps=120)))
    assert small.rollout.prompts * small.rollout.samples == 128
    for axis in (
        "advantage",
        "surrogate",
        "kl",
        "selection",
        "correction",
        "entropy_coefficient",
        "imitation_coefficient",
    ):
        assert getattr(small, axis) == getattr(OPTIMIZERS[name], axis)
    assert small.weight.kind == OPTIMIZERS[name].weight.kind
    assert (small.critic is None) == (OPTIMIZERS[name].critic is None)


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Objectives\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"page\.md: there is no line"):
        with_table(page, "")


def test_two_optimizers_that_differ_on_an_axis_read_differently() -> None:
    said = {name: axes_of(OPTIMIZERS[name]) for name in ("grpo", "dr-grpo", "rloo", "gspo", "reinforce-pp", "balanced")}
    assert len({str(axes) for axes in said.values()}) == len(said)
    assert said["gspo"]["surrogate"] != said["grpo"]["surrogate"]
    assert said["gspo"]["weight"] == said["grpo"]["weight"]


def test_a_dry_run_says_what_it_would_do_and_needs_no_model() -> None:
    program = [sys.executable, str(ROOT / "scripts" / "train.py")]
    spec = spec_text(train_spec(REGISTRY, parse_run("tiny.sums.plain.b-grpo.s1")))
    done = subprocess.run([*program, "--dry", "--spec", spec], capture_output=True, text=True, check=True)
    said = {line[:18].strip(): line[20:] for line in done.stdout.splitlines()}
    assert said["updates in all"] == "2,000, each on 1024 completions"
    assert said["tokens in all"] == f"at most {2000 * 1024 * 3072:,} sampled"
    assert said["other terms"] == "k3 · 0.001 in the loss; entropy +0.001; weight decay 0.01"
    assert said["reference policy"] == "held in memory beside the learner"
    wrong = subprocess.run([*program, "--spec", spec], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "without --dry, --run, --model, --dataset, --out must be given" in wrong.stderr
