"""The objective that an optimizer's file describes."""

from __future__ import annotations

from verizero.config.optimizers import Optimizer
from verizero.objective.loss import Objective


def objective_of(recipe: Optimizer) -> Objective:
    """The terms of the loss and their coefficients; a divergence in the reward is no term of the loss."""
    surrogate, kl, correction = recipe.surrogate, recipe.kl, recipe.correction
    return Objective(
        surrogate=surrogate.kind,
        clip_low=surrogate.clip_low,
        clip_high=surrogate.clip_high,
        ratio=surrogate.ratio,
        clip_growth=surrogate.clip_growth or 0.0,
        dual_clip=surrogate.dual_clip,
        ratio_min=surrogate.ratio_min or 0.0,
        ratio_max=surrogate.ratio_max or 1.0,
        kl_coefficient=kl.coefficient if kl.where == "loss" else 0.0,
        kl_estimator=kl.estimator,
        entropy_coefficient=recipe.entropy_coefficient,
        imitation_coefficient=recipe.imitation_coefficient,
        correction=None if correction.kind == "none" else correction.kind,
        correction_low=correction.low or 0.0,
        correction_high=correction.high or 1.0,
    )
