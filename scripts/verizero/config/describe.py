"""An optimizer in the words of the papers: one phrase for each axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verizero.config.axes import Advantage, Critic, Order, Surrogate, Weight
from verizero.config.optimizers import Optimizer

if TYPE_CHECKING:
    from verizero.config.spec import ValidationSpec


def axes_of(recipe: Optimizer) -> dict[str, str]:
    """Axis -> what the optimizer has there; r reward, A advantage, p ratio, |o| and t tokens, N responses, P prompts."""
    return {
        "advantage": _advantage(recipe.advantage),
        "surrogate": _surrogate(recipe.surrogate),
        "weight": _weight(recipe.weight, recipe.rollout.max_tokens),
        "other terms": _terms(recipe),
        "selection": _selection(recipe),
        "updates": _updates(recipe),
    }


def recipe_text(recipe: Optimizer, validation: ValidationSpec | None = None) -> str:
    """What a run does, for reading before it is started: its axes, and how much it samples and trains."""
    rollout, completions = recipe.rollout, recipe.rollout.prompts * recipe.rollout.samples
    lines = axes_of(recipe) | {
        "learning rate": _learning_rate(recipe),
        "reward": f"{recipe.reward.rule} by {recipe.reward.grader}: {', '.join(f'{v:g}' for v in sorted(recipe.reward.values()))}",
        "rollout": f"{rollout.prompts} prompts × {rollout.samples} completions of at most {rollout.max_tokens} tokens, "
        f"temperature {rollout.temperature:g}, {rollout.engine} in {rollout.dtype}",
        **(
            {"critic": f"held in memory beside the learner, learning rate {recipe.critic.learning_rate:g}"}
            if recipe.critic
            else {}
        ),
        "reference policy": "held in memory beside the learner" if recipe.kl.coefficient else "not needed",
        "steps": _steps(recipe),
        "prompts": _order(recipe.order),
        **({"validation": _validation(validation)} if validation else {}),
        "completions in all": f"{recipe.steps * completions:,}",
        "tokens in all": f"at most {recipe.steps * completions * rollout.max_tokens:,} sampled",
        "updates in all": f"{recipe.updates:,}, each on {completions // recipe.updates_per_rollout} completions",
    }
    width = max(map(len, lines))
    return "".join(f"{name:<{width}}  {value}\n" for name, value in lines.items())


def _validation(how: ValidationSpec) -> str:
    problems = f"{how.problems} problems" if how.problems else "all problems"
    text = f"{problems} of {how.benchmark} × {how.samples} every {how.every} steps and after the last, temperature {how.protocol.temperature:g}, "
    return f"{text}graded by {how.grader}" + ("; the best weights are kept" if how.keep_best else "")


def _steps(recipe: Optimizer) -> str:
    how = f"{recipe.steps}, kept: {', '.join(map(str, recipe.kept_steps()))}"
    if recipe.kept_rollouts:
        how += f"; completions kept: {', '.join(map(str, sorted(set(recipe.kept_rollouts))))}"
    return how


def _order(how: Order) -> str:
    match how.rule:
        case "curriculum":
            return f"from easy to hard over the run, mixed by {how.mix:g}"
        case "pass-rate":
            return f"those about half solved first; least weight {how.floor:g}, newest accuracy {how.recent:g}"
    return "each problem once before any again"


def _learning_rate(recipe: Optimizer) -> str:
    how = f"{recipe.learning_rate:g}, {recipe.schedule}"
    if recipe.schedule != "constant":
        how += f" down to {recipe.learning_rate * recipe.schedule_end:g}"
    return f"{how} after {recipe.warmup_steps} updates of warm-up" if recipe.warmup_steps else how


def _advantage(how: Advantage) -> str:
    compared = {
        "none": "r",
        "group-mean": "r − mean of the group",
        "leave-one-out": "r − mean of the others",
        "greedy": "r − r of the greedy completion",
        "sign": "2r − 1",
        "critic": "",
    }[how.baseline]
    if how.shape == "prefix-tree":
        compared = f"{compared} + what the token changes at a branch"
    if how.shape == "gae":
        decay = f"1 − 1/({how.length_adaptive:g}|o|)" if how.length_adaptive else f"{how.gae_lambda:g}"
        compared = f"GAE over a critic's values, discount {how.discount:g}, λ {decay}"
    if how.scale == "group-std":
        compared = f"({compared}) / (std + {how.epsilon:g})"
    if how.shape == "returns":
        compared = f"return of {compared} from each token on, discount {how.discount:g}"
    return f"{compared}, whitened over the step's tokens" if how.scale == "whiten" else compared


def _surrogate(how: Surrogate) -> str:
    match how.kind:
        case "none":
            return "none"
        case "reinforce":
            return "REINFORCE, −A log π"
        case "detached-clip":
            return f"detached clip of p to [{how.ratio_min:g}, {how.ratio_max:g}]{_level(how)}"
    if how.ratio == "cumulative":
        low, high = (f"{end:g} t^{how.clip_growth:g}" for end in (how.clip_low, how.clip_high))
        clip = f"clip of log p to [−{low}, {high}]"
        dual = f"e^({how.dual_clip:g} t^{how.clip_growth:g})" if how.dual_clip else ""
    else:
        clip = f"clip of p to [1 − {how.clip_low:g}, 1 + {how.clip_high:g}]"
        dual = f"{how.dual_clip:g}" if how.dual_clip else ""
    return clip + _level(how) + (f", dual clip {dual}" if dual else "")


def _level(how: Surrogate) -> str:
    return {
        "token": "",
        "sequence": ", p of the response (geometric mean)",
        "cumulative": ", p of all tokens so far",
    }[how.ratio]


def _weight(how: Weight, max_tokens: int) -> str:
    length = how.length or max_tokens
    found = {
        "sequence": "1/(N |o|)",
        "token": "1/Σ|o|",
        "constant": "1/N" if length == 1 else f"1/(N · {length})",
        "prompt": "1/(P · tokens of the prompt's responses)",
        "balanced": "1/P · share of the side / tokens of the side",
    }[how.kind]
    quantile = how.entropy_quantile
    return found if quantile is None else f"{found}, 0 below the {quantile:g} quantile of the entropy"


def _terms(recipe: Optimizer) -> str:
    terms = []
    if recipe.kl.coefficient:
        terms.append(f"{recipe.kl.estimator} · {recipe.kl.coefficient:g} in the {recipe.kl.where}")
    if recipe.entropy_coefficient:
        terms.append(f"entropy {recipe.entropy_coefficient:+g}")
    if recipe.imitation_coefficient:
        terms.append(f"−log π of right responses · {recipe.imitation_coefficient:g}")
    if recipe.critic:
        terms.append(_critic(recipe.critic))
    if recipe.weight_decay:
        terms.append(f"weight decay {recipe.weight_decay:g}")
    if recipe.correction.kind != "none":
        limits = " to ".join(f"{end:g}" for end in (recipe.correction.low, recipe.correction.high) if end is not None)
        terms.append(f"{recipe.correction.kind} correction, {limits}")
    return "; ".join(terms) or "none"


def _critic(how: Critic) -> str:
    found = f"critic fitted to λ {how.target_lambda:g}"
    found += f", value clip {how.value_clip:g}" if how.value_clip else ", no value clip"
    found += f", {how.updates_per_rollout} updates" if how.updates_per_rollout else ""
    return found + (f", alone for {how.pretraining_steps} steps" if how.pretraining_steps else "")


def _selection(recipe: Optimizer) -> str:
    found = ["truncated earn 0" if recipe.reward.truncated == "zero" else "truncated are graded"]
    if recipe.selection.truncated == "masked":
        found.append("truncated have no part in the loss")
    if recipe.reward.soft_overlong:
        found.append(f"penalty in the last {recipe.reward.soft_overlong} of {recipe.rollout.max_tokens} tokens")
    if recipe.selection.zero_variance != "kept":
        rounds = recipe.selection.max_rounds
        found.append(
            f"groups of equal rewards are {recipe.selection.zero_variance}"
            + (f", {rounds} rounds at most" if rounds else "")
        )
    return "; ".join(found)


def _updates(recipe: Optimizer) -> str:
    epochs = recipe.epochs_per_rollout
    return f"{recipe.updates_per_rollout}" + (f" × {epochs} epochs" if epochs > 1 else "")
