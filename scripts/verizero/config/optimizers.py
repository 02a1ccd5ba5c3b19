"""An optimizer: one value for each axis of the objective space, and how it is applied.

`loss = sum_{i,t} weight[i,t] * (correction[i,t] * surrogate(ratio[i,t], advantage[i,t]) + kl.coefficient * kl[i,t]
- entropy_coefficient * entropy[i,t])` with `sum` over all tokens of the update, on all ranks, and besides `imitation_coefficient`
times the mean of -log p over the tokens of right responses. The axes are in `config/axes.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from verizero.config.axes import Advantage, Correction, Critic, Kl, Order, Selection, Surrogate, Weight
from verizero.config.coherence import contradictions
from verizero.config.model import Betas, Count, GraderName, Positive, Probability, Section


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
    soft_overlong: Count | None = None
    """The last so many tokens before `max_tokens` take up to 1 from the reward, linearly (DAPO, arXiv 2503.14476)."""

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

    def values(self) -> set[float]:
        """Everything that a completion can earn, but for the penalty of `soft_overlong`."""
        found = {self.correct, self.incorrect}
        if self.rule == "correctness-and-format":
            found |= {value for value in (self.correct_unboxed, self.incorrect_unboxed) if value is not None}
        return found | {0.0} if self.truncated == "zero" else found


class Optimizer(Section):
    """A complete training recipe under one name."""

    advantage: Advantage
    surrogate: Surrogate = Surrogate()
    weight: Weight
    kl: Kl = Kl()
    entropy_coefficient: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Positive: an entropy bonus; paper B's alpha is this with the other sign (-0.001 is 0.001 here)."""
    imitation_coefficient: Annotated[float, Field(ge=0)] = 0.0
    """Of the mean of -log p over the tokens of the update's right responses (VAPO's positive-example loss)."""
    critic: Critic | None = None
    """For advantage.baseline `critic`."""
    correction: Correction = Correction()
    selection: Selection = Selection()
    learning_rate: Positive
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer updates over which the learning rate rises linearly; then it follows `schedule`."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate goes on from its peak until the last update."""
    schedule_end: Probability = 0.0
    """Where `linear` and `cosine` end, as a share of the peak."""
    adam_betas: Betas = [0.9, 0.95]
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Positive = 1.0
    rollout: Rollout
    order: Order = Order()
    reward: Reward = Reward()
    updates_per_rollout: Count = 1
    """Optimizer updates per step and epoch, on disjoint parts of the rollout."""
    epochs_per_rollout: Count = 1
    """How many times a step goes through its rollout, cut into other parts each time."""
    steps: Count
    """Rollout steps."""
    checkpoints: list[Annotated[int, Field(ge=1)]] = []
    """Steps whose weights are kept besides the last."""
    checkpoints_every: Count | None = None
    """Keep the weights of every so many steps too."""
    kept_rollouts: list[Annotated[int, Field(ge=1)]] = []
    """Steps whose completions are kept, as `rollouts/step-<n>.parquet` in the run's payload; it changes no weight."""
    zero_stage: Literal[1, 2, 3] = 1
    """DeepSpeed's ZeRO stage."""
    train_dtype: Literal["float32", "bfloat16"] = "float32"
    """In what precision the learner computes; master weights are float32."""
    gradient_checkpointing: bool = False
    source: str | None = None
    """The paper whose objective this is, as `arXiv 2402.03300`; not part of the identity."""
    note: str | None = None

    @model_validator(mode="after")
    def consistent(self) -> Optimizer:
        """What one key alone cannot say."""
        for sentence in contradictions(self):
            raise ValueError(sentence)
        return self

    @property
    def updates(self) -> int:
        """Optimizer updates of the policy in the whole run."""
        frozen = self.critic.pretraining_steps if self.critic else 0
        return (self.steps - frozen) * self.epochs_per_rollout * self.updates_per_rollout

    def kept_steps(self) -> list[int]:
        """The steps that are known to keep a checkpoint, the last one included, ascending."""
        every = range(self.checkpoints_every, self.steps, self.checkpoints_every) if self.checkpoints_every else ()
        return sorted({*self.checkpoints, *every, self.steps})


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
