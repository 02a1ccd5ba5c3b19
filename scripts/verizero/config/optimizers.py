"""An optimizer: one value for each axis of the objective space, and how it is applied.

`loss = sum_{i,t} weight[i,t] * surrogate(ratio[i,t], advantage[i,t]) + kl_coef * sum weight * kl - entropy_coef * sum weight * entropy`
with `sum` over all tokens of the update, on all ranks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from verizero.config.model import Betas, Count, GraderName, Positive, Probability, Section


class Advantage(Section):
    """How good a response is, compared with what."""

    baseline: Literal["none", "group-mean", "leave-one-out"]
    scale: Literal["none", "group-std"] = "none"
    epsilon: Annotated[float, Field(ge=0)] = 1e-8
    """Added to the (unbiased) standard deviation."""


class Surrogate(Section):
    """What is differentiated."""

    kind: Literal["clip", "reinforce"] = "clip"
    clip_low: Probability = 0.2
    clip_high: Annotated[float, Field(ge=0)] = 0.2
    """The ratio is clipped to [1 - clip_low, 1 + clip_high]."""

    @model_validator(mode="after")
    def order(self) -> Surrogate:
        """A range that ends below its start clips everything."""
        if self.clip_high < self.clip_low:
            raise ValueError(
                f"clip_high is {self.clip_high}, below clip_low {self.clip_low}; the clip range is [1 - clip_low, 1 + clip_high]"
            )
        return self


class Weight(Section):
    """How much each token counts: `sequence` 1/(N |o|), `token` 1/sum |o|, `constant` 1/(N L)."""

    kind: Literal["sequence", "token", "constant"]
    length: Count | None = None
    """L of `constant`, in tokens; by default the rollout's `max_tokens`."""


class Kl(Section):
    """Penalty for leaving the reference policy (the base model), in the loss."""

    coefficient: Annotated[float, Field(ge=0)] = 0.0
    estimator: Literal["k1", "k2", "k3"] = "k3"


class Rollout(Section):
    """What is sampled at each step."""

    prompts: Count
    """Prompts per step."""
    samples: Count
    """Completions per prompt (G)."""
    max_tokens: Count
    """Longest completion."""
    max_prompt_tokens: Count = 1024
    """Longer prompts are dropped before training, and counted."""
    temperature: Positive = 1.0
    engine: Literal["transformers", "vllm"] = "transformers"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """In what precision the engine samples."""
    max_logprob_gap: Positive = 0.05
    """Largest mean difference between the engine's and the learner's log-probabilities, in nats; beyond it the run stops."""


class Reward(Section):
    """What a completion earns, by a rule and a table of values.

    Rule `correctness`: `correct` or `incorrect`, boxed or not. `format`: `correct` for a box with something in it,
    `incorrect` without, whatever the answer is. `random`: `correct` with probability `probability`, else `incorrect`.
    `correctness-and-format`: like `correctness`, with values of their own for answers outside a box.
    """

    grader: GraderName = "verizero"
    rule: Literal["correctness", "format", "random", "correctness-and-format"] = "correctness"
    correct: float = 1.0
    incorrect: float = 0.0
    correct_unboxed: float | None = None
    """Of a right answer outside a box, which some graders find (`paper-c`); for `correctness-and-format` only."""
    incorrect_unboxed: float | None = None
    """Of a completion with neither a right answer nor a box; for `correctness-and-format` only."""
    probability: Probability | None = None
    """Of the `random` rule only."""
    truncated: Literal["zero", "graded"] = "zero"
    """What a completion that met `max_tokens` earns: paper A gives 0, B and C grade it as it is."""

    @model_validator(mode="after")
    def complete(self) -> Reward:
        """A rule has the values that it reads, and no others."""
        needed = {
            "correctness-and-format": ("correct_unboxed", "incorrect_unboxed"),
            "random": ("probability",),
        }.get(self.rule, ())
        for name in ("correct_unboxed", "incorrect_unboxed", "probability"):
            if (getattr(self, name) is None) == (name in needed):
                raise ValueError(
                    f"reward.rule `{self.rule}` needs `{name}`"
                    if name in needed
                    else f"reward.{name} is given, but the rule `{self.rule}` does not read it"
                )
        return self


class Optimizer(Section):
    """A complete training recipe under one name."""

    advantage: Advantage
    surrogate: Surrogate = Surrogate()
    weight: Weight
    kl: Kl = Kl()
    entropy_coefficient: Annotated[float, Field(ge=0)] = 0.0
    """Positive: an entropy bonus."""
    learning_rate: Positive
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer updates over which the learning rate rises linearly; then it is constant."""
    adam_betas: Betas = [0.9, 0.95]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Positive = 1.0
    rollout: Rollout
    reward: Reward = Reward()
    updates_per_rollout: Count = 1
    """Optimizer updates per step, on disjoint parts of the rollout."""
    steps: Count
    """Rollout steps."""
    checkpoints: list[Annotated[int, Field(ge=1)]] = []
    """Steps whose weights are kept besides the last."""
    zero_stage: Literal[1, 2, 3] = 1
    """DeepSpeed's ZeRO stage."""
    train_dtype: Literal["float32", "bfloat16"] = "float32"
    """In what precision the learner computes; master weights are float32."""
    gradient_checkpointing: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def consistent(self) -> Optimizer:
        """What one key alone cannot say."""
        if self.rollout.prompts * self.rollout.samples % self.updates_per_rollout:
            raise ValueError(
                f"updates_per_rollout is {self.updates_per_rollout}, which does not divide the "
                f"{self.rollout.prompts} x {self.rollout.samples} completions of a step"
            )
        if beyond := [step for step in self.checkpoints if step > self.steps]:
            raise ValueError(f"checkpoints has {beyond[0]}, but the run ends at step {self.steps}")
        if self.advantage.baseline != "none" and self.rollout.samples < 2:
            raise ValueError(
                f"rollout.samples is 1, but the baseline `{self.advantage.baseline}` needs a group of at least 2"
            )
        return self

    def kept_steps(self) -> list[int]:
        """The steps with a checkpoint, the last one included, ascending."""
        return sorted({*self.checkpoints, self.steps})


class Template(Section):
    """How a problem becomes a prompt."""

    text: str
    """The prompt; `{question}` stands for the problem."""
    stop: list[str] = []
    """Strings that end a completion; they stay part of it."""
    chat: bool = False
    """Put the text into the tokenizer's own chat template, as the user's message."""
    source: str | None = None
    """Where the text comes from; not part of the identity."""

    @model_validator(mode="after")
    def has_question(self) -> Template:
        """A template without the problem asks nothing."""
        if self.text.count("{question}") != 1:
            raise ValueError(f"text holds `{{question}}` {self.text.count('{question}')} times; it must hold it once")
        return self
