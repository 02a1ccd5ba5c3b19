"""A study: a product of named things, and what its runs are evaluated on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from verizero.config.contamination import Contamination
from verizero.config.model import Count, GraderName, Name, Probability, Section, Text

Percent = Annotated[int, Field(ge=1, le=100)]
FigureName = Literal[
    "overview",
    "reward",
    "length",
    "objective",
    "final_accuracy",
    "final_length_incorrect",
    "accuracy_by_step",
    "training_and_test",
    "accuracy_by_tokens",
    "gains",
    "solve_rates",
    "rollout_behaviours",
    "probe_accuracy",
    "probe_pass_at_k",
    "probe_rates",
]
"""What `docs/figures.md` describes; each may have several files (one a benchmark, one a recipe)."""


class Evaluation(Section):
    """Which subjects meet which suites."""

    suites: list[Name]
    """For each chosen checkpoint of each run, and for each base model as step 0."""
    probes: list[Name] = []
    """For the base models only."""
    checkpoint_suites: list[Name] = []
    """For the chosen checkpoints only, where a paper decodes trained models otherwise than base models; such a row has no base model beside
    it, and the table names its protocol."""
    checkpoints: Literal["last", "all", "best"] | Count = "last"
    """The rule by which checkpoints are chosen; `all` are those that the optimizer keeps, `best` is the validation's, a number is that step
    of every run."""
    behaviours: bool = False
    """Measure what the responses are like beyond right or wrong (answer rate, reflection, repetition ...): a table and figures more."""

    @property
    def all_suites(self) -> list[Name]:
        """Every suite that something of the study meets, once."""
        return list(dict.fromkeys((*self.suites, *self.probes, *self.checkpoint_suites)))


class HeadlineColumn(Section):
    """One column of the headline table."""

    benchmark: Name
    protocol: Name


class PublishedLine(Section):
    """Which line of the study stands for which line of a paper's table (`config/published/values.csv`)."""

    paper: Text
    table: Text
    subject: Text
    variant: str = ""
    """As the file has it; empty where the subject says all."""
    model: Name
    optimizer: Name | None = None
    """Without it the line is the base model's."""
    train_set: Name | None = None
    """Needed where the study has several."""
    template: Name | None = None
    """Needed where the study has several."""

    @model_validator(mode="after")
    def base_or_trained(self) -> PublishedLine:
        """A base model was trained on nothing here."""
        if self.train_set and not self.optimizer:
            raise ValueError(
                f"`train_set` is {self.train_set}, but there is no `optimizer`; a line without one is a base model's, leave out `train_set`"
            )
        return self


class ValidationRule(Section):
    """How often a run is measured while it trains, on how much, and whether that chooses a checkpoint."""

    every: Count
    """Steps from one measurement to the next; the last step has one too."""
    problems: Count | None = None
    """How many: those that come first in the order of SHA-256(id); by default all."""
    samples: Count = 1
    """Completions for each problem."""
    grader: GraderName = "verizero"
    keep_best: bool = False
    """Keep the weights of the step whose share of right answers is highest; the earliest of equals."""


class Validation(ValidationRule):
    """A benchmark that each run is measured on while it trains. It changes no weight.

    None of its problems may be a training problem. Where it chooses a checkpoint, the study may not report it.
    """

    benchmark: Name
    protocol: Name


class Primary(Section):
    """The one comparison that decides: two recipes that differ in one thing, on one benchmark."""

    a: Name
    b: Name
    """Two optimizers, or two training sets; `a` minus `b` is tested."""
    benchmark: Name
    protocol: Name


class Sequential(Section):
    """A design that may add seeds after a look: it is declared before, so that looking does no harm."""

    primary: Primary
    start: Annotated[int, Field(ge=2)] = 3
    """Seeds at the first look."""
    most: Annotated[int, Field(ge=2)] = 10
    """Seeds at the last look."""
    every: Count = 1
    """Seeds from one look to the next; the last look is at `most`."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance of a false claim, two-sided, over all looks together."""
    spending: Literal["obrien-fleming", "pocock"] = "obrien-fleming"
    """How alpha is shared out among the looks: `obrien-fleming` keeps almost all for the end, `pocock` spreads it evenly."""
    effect: Probability | None = None
    """The smallest difference worth finding, as a share. Where it is given, a study is called futile only if it would miss this too."""

    @property
    def looks(self) -> list[int]:
        """Seeds at each look."""
        return list(dict.fromkeys([*range(self.start, self.most, self.every), self.most]))

    @model_validator(mode="after")
    def rising(self) -> Sequential:
        """The last look is not before the first."""
        if self.most < self.start:
            raise ValueError(f"most is {self.most} seeds, fewer than the {self.start} of start")
        return self


class Study(Section):
    """One question, asked of every combination of the named things."""

    question: str
    """One sentence; it heads the report."""
    models: Annotated[list[Name], Field(min_length=1)]
    templates: Annotated[list[Name], Field(min_length=1)]
    train_sets: list[Name] = []
    """With `optimizers` and `seeds`; a study that has none of the three trains nothing, and evaluates its models as they are."""
    optimizers: list[Name] = []
    seeds: list[Annotated[int, Field(ge=0)]] = []
    evaluation: Evaluation
    validation: Validation | None = None
    contamination: Contamination = Contamination()
    """How training sets are compared with benchmarks."""
    sequential: Sequential | None = None
    """How seeds may be added after a look at the results; `seeds` are those that are trained so far."""
    headline: list[HeadlineColumn] = []
    """The columns of the headline table, in this order. By default each benchmark of the suites under the protocol with most samples."""
    published: list[PublishedLine] = []
    """Lines that are shown beside a paper's numbers, in this order: `tables/published.csv`."""
    figures: list[FigureName] | None = None
    """Which figures, in the order of the report. By default all that the study has data for."""
    confidence: Probability = 0.95
    """Of every interval."""

    @model_validator(mode="after")
    def trains_or_not(self) -> Study:
        """A run needs all three; a study that forgot one of them would silently train nothing."""
        parts = {name: getattr(self, name) for name in ("train_sets", "optimizers", "seeds")}
        absent = [name for name, values in parts.items() if not values]
        if 0 < len(absent) < len(parts):
            raise ValueError(
                f"`{absent[0]}` is empty, so nothing would be trained; name at least one, or leave out {', '.join(f'`{name}`' for name in parts)} "
                "for a study that evaluates its models as they are"
            )
        if absent and self.validation:
            raise ValueError("`validation` measures runs while they train, and the study trains none; leave it out")
        if absent and self.evaluation.checkpoint_suites:
            raise ValueError(
                "`evaluation.checkpoint_suites` is for the checkpoints of runs, and the study trains none; leave it out"
            )
        if absent and not self.evaluation.all_suites:
            raise ValueError(
                "the study trains nothing and evaluates nothing; name `evaluation.suites` or `evaluation.probes`"
            )
        return self

    @model_validator(mode="after")
    def looks_fit(self) -> Study:
        """The design is about seeds and recipes that the study has."""
        design = self.sequential
        if design is None:
            return self
        if design.primary.a == design.primary.b:
            raise ValueError(f"sequential.primary compares {design.primary.a} with itself")
        if len(self.seeds) > design.most:
            raise ValueError(f"`seeds` lists {len(self.seeds)}, but sequential.most is {design.most}")
        sides = [design.primary.a, design.primary.b]
        for name in ("optimizers", "train_sets"):
            if set(sides) <= set(getattr(self, name)):
                return self
        raise ValueError(
            f"sequential.primary compares {sides[0]} with {sides[1]}, which are neither two `optimizers` nor two `train_sets` of the study"
        )

    @field_validator("models", "train_sets", "templates", "optimizers", "seeds", "figures")
    @classmethod
    def distinct(cls, values: list[object] | None) -> list[object] | None:
        """Twice the same seed would count one run as two."""
        twice = [value for value in values or () if (values or []).count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]} is listed {(values or []).count(twice[0])} times; list each once")
        return values


class Dvc(Section):
    """DVC tracks payloads."""

    enabled: bool = True
    push: bool = False
    """Push to the default remote after each study."""


class Mlflow(Section):
    """MLflow logs runs."""

    enabled: bool = True
    uri: str = "sqlite:///results/mlflow.db"
    """Any tracking server; recorded, never compared."""


class Tracking(Section):
    """Where results are copied to. Nothing here is part of any result's identity."""

    enabled: bool = True
    """False switches off both."""
    dvc: Dvc = Dvc()
    mlflow: Mlflow = Mlflow()


class Runtime(Section):
    """How jobs are run. Nothing here changes a result's identity; a profile's `set-resources` goes before it."""

    train_threads: Count = 1
    generate_threads: Count = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs of a training job on each of its nodes, and processes: one each. Generating takes as many on one node, pretraining
    one of them."""
    nodes: Count = 1
    """Nodes of a training job; more than one on Slurm only."""
    micro_batch_tokens: Count = 2048
    """Tokens in one forward pass of the learner."""
    vllm_train_memory_percent: Percent = 50
    """Of a GPU's memory that vLLM may take beside the learner, weights and cache together."""
    vllm_generate_memory_percent: Percent = 90
    """The same for generating, where it is alone."""
    vllm_tensor_parallel: Count = 1
    """GPUs that share one vLLM, in training and in generating; it divides `gpus`. The others hold copies of the model."""
    vllm_eager: bool = False
    """Start vLLM without compilation and CUDA graphs: a minute faster, and slower tokens. Its CPU build always does."""
    vllm_cpu_cache_gib: Count = 2
    """What vLLM's CPU build takes for keys and values, in GiB for each process."""
    offload_optimizer: bool = False
    """Keep master weights and moments of the learner in the memory of the CPU, and compute the update there."""
    train_minutes: Count = 720
    stall_minutes: Annotated[int, Field(ge=0)] = 60
    """A training that makes no progress for so long (no new phase of a step, no update, no finished completion) is ended, so that it
    can start again; 0: never."""
    generate_minutes: Count = 240
    mem_mb: Count = 6000
    """Memory of the machine that a job asks for, in megabytes; training and generating ask for as much for each of their processes."""
    recompute: list[Literal["pretrain", "train"]] = []
    """Stages that may run again for weights that are needed, are not here, and that no DVC remote holds. The others, which
    are cheap, do so without being told."""

    @model_validator(mode="after")
    def whole_groups(self) -> Runtime:
        """A GPU that is left over belongs to no vLLM."""
        if max(1, self.gpus) % self.vllm_tensor_parallel:
            raise ValueError(
                f"vllm_tensor_parallel is {self.vllm_tensor_parallel}, but gpus is {self.gpus}; so many GPUs share one vLLM, and the "
                "number must divide those of a node"
            )
        return self


class Config(Section):
    """`config/config.yaml`."""

    study: Name = "demo"
    """Which of `config/studies/` to run; `--config study=NAME` overrides it."""
    tracking: Tracking = Tracking()
    runtime: Runtime = Runtime()
