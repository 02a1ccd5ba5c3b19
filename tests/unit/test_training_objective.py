"""What an optimizer's file says arrives in the loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from verizero.config.axes import Correction, Kl, Surrogate
from verizero.config.registry import load_registry
from verizero.objective.loss import Objective
from verizero.training.objective import objective_of

GRPO = load_registry(Path(__file__).parents[2] / "config").optimizers["grpo"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Objective("clip", 0.2, 0.2)),
        ({"surrogate": Surrogate(clip_high=0.28, dual_clip=3.0)}, Objective("clip", 0.2, 0.28, dual_clip=3.0)),
        (
            {"surrogate": Surrogate(ratio="cumulative", clip_low=0.025, clip_high=0.05, clip_growth=0.5)},
            Objective("clip", 0.025, 0.05, "cumulative", clip_growth=0.5),
        ),
        (
            {"surrogate": Surrogate(kind="detached-clip", ratio="sequence", ratio_min=0.8, ratio_max=5.0)},
            Objective("detached-clip", ratio="sequence", ratio_min=0.8, ratio_max=5.0),
        ),
        ({"kl": Kl(coefficient=0.1, estimator="k2")}, Objective("clip", kl_coefficient=0.1, kl_estimator="k2")),
        ({"entropy_coefficient": -0.01}, Objective("clip", entropy_coefficient=-0.01)),
        (
            {"correction": Correction(kind="masked", low=0.5, high=5.0)},
            Objective("clip", correction="masked", correction_low=0.5, correction_high=5.0),
        ),
    ],
)
def test_every_key_of_the_loss_arrives(changes, expected):
    assert objective_of(GRPO.model_copy(update=changes)) == expected


def test_a_divergence_in_the_reward_is_no_term_of_the_loss():
    found = objective_of(GRPO.model_copy(update={"kl": Kl(coefficient=0.1, estimator="k1", where="reward")}))
    assert found.kl_coefficient == 0.0
    assert not found.needs_all_tokens
