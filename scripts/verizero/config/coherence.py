"""What the keys of an optimizer exclude in each other: one sentence for each contradiction.

An option that another one makes meaningless is an error rather than ignored: a file that says something must mean it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verizero.config.optimizers import Optimizer

GROUPED = ("group-mean", "leave-one-out")
"""Baselines that compare a response with others of its group."""


def contradictions(recipe: Optimizer) -> Iterator[str]:
    """Every contradiction, as one sentence with the keys, their values and what would be right."""
    for rule in (_terms, _advantage, _critic, _weight, _reward, _selection, _correction, _updates, _schedule):
        yield from rule(recipe)


def _terms(recipe: Optimizer) -> Iterator[str]:
    if recipe.surrogate.kind != "none":
        return
    if recipe.advantage.baseline != "none" or recipe.advantage.scale != "none" or recipe.advantage.shape != "response":
        yield (
            "surrogate.kind is `none`, which reads no advantage; write advantage.baseline `none` and leave scale and shape out"
        )
    if recipe.kl.where == "reward":
        yield "kl.where is `reward`, but surrogate.kind `none` reads no reward; put the divergence into the `loss`"
    if recipe.kl.coefficient == 0 and recipe.entropy_coefficient == 0 and recipe.imitation_coefficient == 0:
        yield (
            "surrogate.kind is `none`, and kl.coefficient, entropy_coefficient and imitation_coefficient are 0: the loss has no term; "
            "give one of them a coefficient"
        )


def _advantage(recipe: Optimizer) -> Iterator[str]:
    how, samples = recipe.advantage, recipe.rollout.samples
    if how.baseline in GROUPED and samples < 2:
        yield f"rollout.samples is 1, but the baseline `{how.baseline}` needs a group of at least 2"
    if how.shape == "returns" and how.discount == 1.0 and recipe.kl.where != "reward":
        yield (
            "advantage.shape is `returns`, but with discount 1 and no divergence in the reward each token's return is that of the response; "
            "write `response`, or give kl.where `reward`"
        )
    if how.baseline != "sign":
        return
    rule = "advantage.baseline `sign` is 2r - 1 for rewards of 0 and 1"
    if recipe.reward.values() - {0.0, 1.0}:
        yield f"{rule}, but reward has the values {', '.join(map(str, sorted(recipe.reward.values())))}"
    if recipe.reward.soft_overlong is not None:
        yield f"{rule}, but reward.soft_overlong makes other numbers of them; leave it out"
    if recipe.kl.where == "reward":
        yield f"{rule}, but kl.where `reward` makes other numbers of them; put the divergence into the `loss`"


def _critic(recipe: Optimizer) -> Iterator[str]:
    critic, wanted = recipe.critic, recipe.advantage.baseline == "critic"
    if wanted and critic is None:
        yield "advantage.baseline is `critic`, but there is no section `critic`; give it one with a learning_rate"
    if critic is None:
        return
    if not wanted:
        yield (
            f"critic is given, but advantage.baseline is `{recipe.advantage.baseline}`, which has none; leave it out "
            "(or write null over the base's value)"
        )
    if critic.pretraining_steps >= recipe.steps:
        yield f"critic.pretraining_steps is {critic.pretraining_steps}, not below steps {recipe.steps}: the policy would never be trained"
    if early := [step for step in recipe.checkpoints if step <= critic.pretraining_steps]:
        yield (
            f"checkpoints has {early[0]}, but until step critic.pretraining_steps {critic.pretraining_steps} the policy is the base model"
        )
    completions = recipe.rollout.prompts * recipe.rollout.samples
    updates = critic.updates_per_rollout or recipe.updates_per_rollout
    if completions % updates and critic.updates_per_rollout:
        yield f"critic.updates_per_rollout is {updates}, which does not divide the {completions} completions of a step"
    if critic.value_clip and updates * recipe.epochs_per_rollout == 1:
        yield (
            f"critic.value_clip is {critic.value_clip}, but with one update per rollout no value has moved that it could hold; leave it out, "
            "or raise critic.updates_per_rollout"
        )
    total = recipe.steps * recipe.epochs_per_rollout * updates
    if recipe.schedule != "constant" and critic.warmup_steps >= total:
        yield (
            f"critic.warmup_steps is {critic.warmup_steps}, but the critic has {total} updates: the schedule `{recipe.schedule}` never begins"
        )


def _weight(recipe: Optimizer) -> Iterator[str]:
    if recipe.weight.kind != "balanced":
        return
    if recipe.advantage.shape != "response":
        yield (
            f"weight `balanced` needs one sign for each response, but advantage.shape is `{recipe.advantage.shape}`; choose `response`"
        )
    if recipe.advantage.scale == "whiten":
        yield "weight `balanced` averages the two signs of a comparison apart, and advantage.scale `whiten` moves their border; choose another scale"
    if recipe.surrogate.kind == "none":
        yield "weight `balanced` needs advantages, which surrogate.kind `none` does not read; choose another weight"


def _reward(recipe: Optimizer) -> Iterator[str]:
    if recipe.imitation_coefficient and recipe.reward.rule in ("random", "format"):
        yield (
            f"imitation_coefficient is {recipe.imitation_coefficient}, which follows the right answers, but reward.rule `{recipe.reward.rule}` "
            "knows of none; leave one of them out"
        )
    window = recipe.reward.soft_overlong
    if window is not None and window >= recipe.rollout.max_tokens:
        yield f"reward.soft_overlong is {window}, not below rollout.max_tokens {recipe.rollout.max_tokens}"


def _selection(recipe: Optimizer) -> Iterator[str]:
    if recipe.selection.zero_variance != "kept" and recipe.rollout.samples < 2:
        yield (
            f"selection.zero_variance is `{recipe.selection.zero_variance}`, but rollout.samples is 1: every group has equal rewards; "
            "write `kept`, or sample at least 2"
        )


def _correction(recipe: Optimizer) -> Iterator[str]:
    if recipe.correction.kind != "none" and recipe.surrogate.kind == "none":
        yield (
            f"correction.kind is `{recipe.correction.kind}`, which is a factor of the surrogate, but surrogate.kind is `none`; leave one of them out"
        )


def _updates(recipe: Optimizer) -> Iterator[str]:
    completions = recipe.rollout.prompts * recipe.rollout.samples
    if completions % recipe.updates_per_rollout:
        yield (
            f"updates_per_rollout is {recipe.updates_per_rollout}, which does not divide the "
            f"{recipe.rollout.prompts} x {recipe.rollout.samples} completions of a step"
        )
    if recipe.surrogate.ratio != "token" and recipe.updates_per_rollout * recipe.epochs_per_rollout == 1:
        yield (
            f"surrogate.ratio is `{recipe.surrogate.ratio}`, but with one update per rollout every ratio is 1; "
            "raise updates_per_rollout or epochs_per_rollout, or leave the ratio out"
        )
    for key in ("checkpoints", "kept_rollouts"):
        if beyond := [step for step in getattr(recipe, key) if step > recipe.steps]:
            yield f"{key} has {beyond[0]}, but the run ends at step {recipe.steps}"
    if recipe.checkpoints_every and recipe.checkpoints_every >= recipe.steps:
        yield (
            f"checkpoints_every is {recipe.checkpoints_every}, not below steps {recipe.steps}; the last step is kept anyway, leave it out"
        )


def _schedule(recipe: Optimizer) -> Iterator[str]:
    if recipe.schedule == "constant":
        if recipe.schedule_end:
            yield f"schedule_end is {recipe.schedule_end}, but the schedule `constant` does not read it; leave it out"
    elif recipe.warmup_steps >= recipe.updates:
        yield (
            f"warmup_steps is {recipe.warmup_steps}, but the run has {recipe.updates} updates: the schedule `{recipe.schedule}` never begins"
        )
