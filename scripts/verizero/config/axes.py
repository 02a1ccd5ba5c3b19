"""The axes of the objective space, one section each; `config/coherence.py` says which values exclude each other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from verizero.config.model import Count, Positive, Probability, Section

NotNegative = Annotated[float, Field(ge=0)]


class Advantage(Section):
    """How good a response or a token is, compared with what."""

    baseline: Literal["none", "group-mean", "leave-one-out", "greedy", "sign", "critic"]
    """What is subtracted from the reward: `greedy`, that of a greedy completion to the prompt, sampled besides. `sign` is
    2r - 1, for rewards of 0 and 1. `critic`: what a second model, trained besides, expects from each token on."""
    scale: Literal["none", "group-std", "whiten"] = "none"
    """What it is divided by; `whiten` makes all tokens of the step have mean 0 and variance 1."""
    shape: Literal["response", "returns", "prefix-tree", "gae"] = "response"
    """One value for a response; or the return from each token on; or with what the token at a branch of the group changes; or
    generalised advantage estimation over a critic's values."""
    discount: Probability = 1.0
    """Of `returns` and `gae`, for each token."""
    gae_lambda: Probability | None = None
    """Of `gae`: 1 trusts the reward alone, 0 the critic's value of the next token."""
    length_adaptive: Positive | None = None
    """Of `gae`, in place of gae_lambda: alpha in 1 - 1/(alpha |o|), which is kept at 0 for short responses (VAPO)."""
    epsilon: NotNegative = 1e-8
    """Added to the (unbiased) standard deviation; under `whiten` to the variance."""

    @model_validator(mode="after")
    def compatible(self) -> Advantage:
        """What has nothing to be compared with, or would do nothing."""
        if (self.baseline == "critic") != (self.shape == "gae"):
            raise ValueError(
                f"baseline is `{self.baseline}` and shape `{self.shape}`; a `critic` has a value for each token, which shape `gae` "
                "reads: write both or neither"
            )
        if self.shape == "gae" and (self.gae_lambda is None) == (self.length_adaptive is None):
            raise ValueError("shape `gae` needs either gae_lambda or length_adaptive, and not both")
        for name in ("gae_lambda", "length_adaptive"):
            if self.shape != "gae" and getattr(self, name) is not None:
                raise ValueError(f"{name} is {getattr(self, name)}, but only shape `gae` reads it; leave it out")
        if self.scale == "group-std" and self.baseline in ("none", "greedy", "sign", "critic"):
            raise ValueError(
                f"scale `group-std` divides by the spread of a group, which is 0 where all rewards are equal; with the baseline "
                f"`{self.baseline}` their advantage is not: choose baseline `group-mean` or `leave-one-out`"
            )
        if self.shape == "returns" and self.scale == "group-std":
            raise ValueError(
                "scale `group-std` is of one reward a response, and shape `returns` has one for each token; choose `none` or `whiten`"
            )
        if self.shape == "prefix-tree" and (self.baseline != "group-mean" or self.scale == "whiten"):
            raise ValueError(
                f"shape `prefix-tree` compares a group's branches with its mean: baseline is `{self.baseline}` and scale "
                f"`{self.scale}`; it needs baseline `group-mean` and scale `none` or `group-std`"
            )
        if self.scale == "none" and self.epsilon != type(self).model_fields["epsilon"].default:
            raise ValueError(
                f"epsilon is {self.epsilon}, but scale `none` divides by nothing; leave it out (or write 1.0e-8 over the base's value)"
            )
        if self.discount != 1.0 and self.shape not in ("returns", "gae"):
            raise ValueError(f"discount is {self.discount}, but only shapes `returns` and `gae` read it; leave it out")
        return self


class Critic(Section):
    """A second model that learns what to expect from each token on; it begins as the policy, with a value head at 0."""

    learning_rate: Positive
    """Its peak; the schedule is the policy's."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Of its own updates, over which its learning rate rises linearly."""
    value_clip: Positive | None = None
    """Its loss is the larger one of the value's and of the value's within this of what it was before the step's updates."""
    target_lambda: Probability = 1.0
    """Lambda of what its values are fitted to: 1 is the return."""
    updates_per_rollout: Count | None = None
    """Of the critic, per step and epoch; by default as many as the policy's."""
    pretraining_steps: Annotated[int, Field(ge=0)] = 0
    """So many first steps of the run train the critic and leave the policy as it is."""


class Surrogate(Section):
    """What is differentiated."""

    kind: Literal["clip", "detached-clip", "reinforce", "none"] = "clip"
    """`none` switches the policy term off: what remains is the divergence and the entropy."""
    ratio: Literal["token", "sequence", "cumulative"] = "token"
    """Whose probabilities are compared: a token's; the geometric mean of the response's; those of all tokens so far."""
    clip_low: Probability = 0.2
    clip_high: NotNegative = 0.2
    """`clip` keeps the ratio in [1 - clip_low, 1 + clip_high]. The log of a `cumulative` one is kept in
    [-clip_low t^clip_growth, clip_high t^clip_growth] at token t = 1, 2, ... of the response."""
    clip_growth: NotNegative | None = None
    """Of `cumulative` only."""
    dual_clip: Positive | None = None
    """With a negative advantage A, `clip` keeps the loss at or below -A dual_clip; `cumulative`: -A exp(dual_clip t^clip_growth)."""
    ratio_min: NotNegative | None = None
    ratio_max: Positive | None = None
    """`detached-clip` keeps the ratio, which carries no gradient there, in [ratio_min, ratio_max]."""

    @model_validator(mode="after")
    def order(self) -> Surrogate:
        """A range that ends below its start clips everything."""
        if self.clip_high < self.clip_low:
            raise ValueError(
                f"clip_high is {self.clip_high}, below clip_low {self.clip_low}; the clip range is [1 - clip_low, 1 + clip_high]"
            )
        if self.ratio_min is not None and self.ratio_max is not None and self.ratio_max < max(1.0, self.ratio_min):
            raise ValueError(
                f"ratio_max is {self.ratio_max}; it must be at least 1 and at least ratio_min {self.ratio_min}"
            )
        if self.dual_clip is not None:
            ends, end = (
                ("clip_high", self.clip_high) if self.ratio == "cumulative" else ("1 + clip_high", 1 + self.clip_high)
            )
            if self.dual_clip < end:
                raise ValueError(
                    f"dual_clip is {self.dual_clip}, below {ends} = {end}, inside the range that is not clipped"
                )
        return self

    @model_validator(mode="after")
    def read(self) -> Surrogate:
        """A kind has the values that it reads, and no others."""
        if self.kind in ("reinforce", "none") and self.ratio != "token":
            raise ValueError(f"ratio is `{self.ratio}`, but the kind `{self.kind}` has no ratio; leave it out")
        if self.kind == "detached-clip" and self.ratio == "cumulative":
            raise ValueError("ratio is `cumulative`, which only the kind `clip` knows; choose `token` or `sequence`")
        if self.kind != "clip":
            for name in ("clip_low", "clip_high", "dual_clip"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"{name} is {getattr(self, name)}, but the kind `{self.kind}` does not read it; leave it out "
                        f"(or write {_yaml(type(self).model_fields[name].default)} over the base's value)"
                    )
        for name in ("ratio_min", "ratio_max"):
            _given_where_read(
                self,
                name,
                self.kind == "detached-clip",
                f"kind `detached-clip` needs {name}",
                f"the kind `{self.kind}`",
            )
        needed = "ratio `cumulative` needs clip_growth, with which its range widens from token to token"
        _given_where_read(self, "clip_growth", self.ratio == "cumulative", needed, f"the ratio `{self.ratio}`")
        return self


class Weight(Section):
    """How much each token counts.

    `sequence` 1/(N |o|), `token` 1/sum |o|, `constant` 1/(N L), `prompt` 1/(P tokens of the prompt's responses), `balanced` the
    share of its side in the group, over the tokens of that side and over P; N responses, P prompts of the update.
    """

    kind: Literal["sequence", "token", "constant", "prompt", "balanced"]
    length: Count | None = None
    """L of `constant`, in tokens; by default the rollout's `max_tokens`. 1 sums over a response."""
    entropy_quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Only tokens whose entropy is at or above this quantile of the step's tokens count; the others' weight is 0."""

    @model_validator(mode="after")
    def read(self) -> Weight:
        """Only `constant` has a length."""
        if self.length is not None and self.kind != "constant":
            raise ValueError(
                f"length is {self.length}, but the weight `{self.kind}` does not read it; leave it out (or write null over the base's value)"
            )
        return self


class Kl(Section):
    """Penalty for leaving the reference policy (the base model)."""

    coefficient: NotNegative = 0.0
    estimator: Literal["k1", "k2", "k3"] = "k3"
    where: Literal["loss", "reward"] = "loss"
    """In the loss with its gradient; or taken from the reward, token by token, without."""

    @model_validator(mode="after")
    def read(self) -> Kl:
        """A penalty of nothing is nowhere."""
        for name in ("where", "estimator"):
            default = type(self).model_fields[name].default
            if self.coefficient == 0 and getattr(self, name) != default:
                raise ValueError(
                    f"{name} is `{getattr(self, name)}`, but coefficient is 0; give a coefficient, or leave it out "
                    f"(or write {default} over the base's value)"
                )
        return self


class Correction(Section):
    """For a sampler whose probabilities differ from the learner's: a factor r = p_learner / p_sampler, without gradient."""

    kind: Literal["none", "truncated", "masked"] = "none"
    """`truncated` min(r, high); `masked` r where low <= r <= high, else 0."""
    low: NotNegative | None = None
    high: Positive | None = None

    @model_validator(mode="after")
    def read(self) -> Correction:
        """A kind has the limits that it reads, and no others."""
        reads = {"none": (), "truncated": ("high",), "masked": ("low", "high")}[self.kind]
        for name in ("low", "high"):
            _given_where_read(self, name, name in reads, f"kind `{self.kind}` needs {name}", f"the kind `{self.kind}`")
        if (self.high is not None and self.high < 1) or (self.low is not None and self.low > 1):
            raise ValueError(
                f"low is {self.low} and high {self.high}; equal policies have a ratio of 1, which must lie between"
            )
        return self


class Selection(Section):
    """Which responses enter an update; those that do are compared with all of their group."""

    truncated: Literal["kept", "masked"] = "kept"
    """`masked`: a completion that met `max_tokens` has no part in the loss; what it earned still counts in its group's mean."""
    zero_variance: Literal["kept", "skipped", "refilled"] = "kept"
    """Groups whose rewards are all equal: `skipped` ones are not counted by the weights either, so the others weigh more;
    `refilled` ones are replaced by groups of other prompts, sampled in further rounds."""
    max_rounds: Annotated[int, Field(ge=2)] | None = None
    """Of sampling in a step, the first included, for `refilled`; then the step trains on the groups that there are."""

    @model_validator(mode="after")
    def read(self) -> Selection:
        """Only `refilled` samples again, and only so often."""
        reader = f"zero_variance `{self.zero_variance}`"
        _given_where_read(self, "max_rounds", self.zero_variance == "refilled", f"{reader} needs max_rounds", reader)
        return self


class Order(Section):
    """Which problems the steps take."""

    rule: Literal["epochs", "curriculum", "pass-rate"] = "epochs"
    """`epochs`: each problem once before any again, in a new order each time. `curriculum`: from easy to hard over the whole run, by the
    problems' difficulty. `pass-rate`: those that were answered right about half of the time first."""
    mix: Probability | None = None
    """Of `curriculum`: 0 is strictly sorted, 1 a shuffle."""
    floor: Probability | None = None
    """Of `pass-rate`: the least weight of a problem, where one that is half solved has 1; 0 leaves out what is always or never solved."""
    recent: Annotated[float, Field(gt=0, le=1)] | None = None
    """Of `pass-rate`: the weight of a problem's newest accuracy; the rest is its rate before."""

    @model_validator(mode="after")
    def read(self) -> Order:
        """A rule has what it reads, and nothing else."""
        reader = f"rule `{self.rule}`"
        _given_where_read(self, "mix", self.rule == "curriculum", f"{reader} needs mix", reader)
        for name in ("floor", "recent"):
            _given_where_read(self, name, self.rule == "pass-rate", f"{reader} needs {name}", reader)
        return self


def _given_where_read(section: Section, name: str, read: bool, needed: str, reader: str) -> None:
    """An option without a default is there exactly where something reads it.

    Args:
        needed: the sentence where it is read and absent.
        reader: what does not read it, where it is given.
    """
    value = getattr(section, name)
    if read and value is None:
        raise ValueError(needed)
    if not read and value is not None:
        raise ValueError(f"{name} is {value}, but {reader} does not read it; leave it out")


def _yaml(value: object) -> str:
    return "null" if value is None else str(value)
