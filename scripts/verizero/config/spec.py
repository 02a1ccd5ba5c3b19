"""The spec of each stage: the resolved slice of configuration that it uses, as canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from verizero.artifacts.canonical import canonical_json
from verizero.artifacts.errors import UserError
from verizero.config.contamination import OverlapRule
from verizero.config.expansion import Run, Step, Subject, cut_members, evaluations, members, runs
from verizero.config.load import sentence
from verizero.config.model import Count, Name, Section, frozen_defaults
from verizero.config.optimizers import Optimizer, Template
from verizero.config.problem_sets import Benchmark
from verizero.config.published import same_problems
from verizero.config.registry import Registry
from verizero.config.sources import Model, ModelSource, Pretrained, Protocol
from verizero.config.study import Study, Validation, ValidationRule

S = TypeVar("S", bound=Section)


class ModelSpec(Section):
    """`prepare_model`."""

    source: ModelSource
    dtype: str = "bfloat16"
    max_model_len: Count | None = None


class PretrainSpec(Section):
    """`pretrain`; the model to start from and the data set are inputs."""

    source: Pretrained
    template: Template
    dtype: str = "bfloat16"
    max_model_len: Count | None = None


class DatasetSpec(Section):
    """`prepare_dataset`; excluded benchmarks, other sets, tokenizers, grades and runs are inputs."""

    problems: Benchmark
    templates: dict[str, Template] = {}
    """Those by which filters count tokens."""


class OverlapSpec(Section):
    """`overlap`; the training set and the benchmarks are inputs."""

    rule: OverlapRule = OverlapRule()


class ValidationSpec(ValidationRule):
    """How a run is measured while it trains; the benchmark is an input too."""

    benchmark: Name
    protocol: Protocol


class TrainSpec(Section):
    """`train`; the model, the data set and the validation's benchmark are inputs."""

    optimizer: Optimizer
    template: Template
    seed: int
    validation: ValidationSpec | None = None


class MemberSpec(Section):
    """One member of a suite, as `generate` sees it; the subject and the benchmark are inputs."""

    benchmark: Name
    template: Template
    protocol: Protocol
    samples: Count = 1
    engine: str = "transformers"
    dtype: str = "float32"
    step: Step = 0
    """0 is the base model."""


class GenerateSpec(Section):
    """`generate`: the members of a suite by id."""

    members: dict[str, MemberSpec]


class CutSpec(Section):
    """A member that is graded again under a shorter limit."""

    member: str
    """The one that was sampled."""
    tokens: Count


class GradeSpec(Section):
    """`grade`: which members' samples, by which grader."""

    members: list[str]
    grader: Name
    cuts: dict[str, CutSpec] = {}


class Cell(Section):
    """One graded suite of one subject, as the tables name it."""

    grades: str
    """`<subject>/<suite>`: the folder under results/grades."""
    model: Name
    train_set: Name | None = None
    template: Name | None = None
    optimizer: Name | None = None
    seed: int | None = None
    step: Step = 0
    suite: Name


class PlannedRun(Section):
    """One run, as the ledger names it."""

    id: str
    model: Name
    train_set: Name
    template: Name
    optimizer: Name
    seed: int


class PaperNumber(Section):
    """A paper's accuracy that stands beside a line of the study, in per cent."""

    line: int
    """Place in the study's `published`."""
    benchmark: Name
    """Ours, with the same problems."""
    metric: str
    value: float
    spread: float | None = None
    seeds: Count | None = None
    protocol: str
    kind: Literal["published", "re-measured"]
    source: str
    note: str = ""


class StudySpec(Section):
    """`aggregate`: small however many runs there are, because a study is a product."""

    name: Name
    study: Study
    kept_steps: dict[str, list[int]]
    """Optimizer -> the steps whose weights it keeps."""
    own_template: dict[str, bool]
    """Suite -> whether a member of it uses the template of the run."""
    corpora: list[Name] = []
    """The sets that models of the study were pretrained on here: a benchmark's problem in them was seen too."""
    published: list[PaperNumber] = []
    """What the papers print for the lines that the study's `published` names."""

    @property
    def compared(self) -> list[str]:
        """The training sets that are compared with the benchmarks."""
        return sorted({*self.study.train_sets, *self.corpora})

    @property
    def question(self) -> str:
        return self.study.question

    @property
    def confidence(self) -> float:
        return self.study.confidence

    @property
    def runs(self) -> list[PlannedRun]:
        """Every run of the study."""
        return [PlannedRun(id=run.id, **vars(run)) for run in runs(self.study)]

    @property
    def cells(self) -> list[Cell]:
        """Every graded suite of the study, base models first."""
        return [
            Cell(
                grades=f"{subject.id}/{suite}",
                model=subject.model,
                train_set=subject.run.train_set if subject.run else None,
                template=subject.template,
                optimizer=subject.run.optimizer if subject.run else None,
                seed=subject.run.seed if subject.run else None,
                step=subject.step,
                suite=suite,
            )
            for subject, suite in evaluations(self.study, self.kept_steps, self.own_template)
        ]


def spec_text(spec: Section) -> str:
    """Canonical JSON of a spec; values equal to their frozen default are dropped."""
    return canonical_json(_pruned(spec))


def read_spec(model: type[S], text: str) -> tuple[S, dict[str, Any]]:
    """A spec from its JSON, or from `@FILE`: the typed model, and the plain value that the manifest keeps.

    Raises:
        UserError: what is wrong, and in which key.
    """
    where = "--spec"
    if text.startswith("@"):
        where = text[1:]
        try:
            text = Path(where).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{where}: {error.strerror}") from None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}: no JSON ({error}); `python scripts/spec.py STAGE NAME` prints a valid spec"
        ) from None
    try:
        typed = model.model_validate_json(text, context={"spec": True})
    except ValidationError as error:
        raise UserError(f"{where}: {sentence(model, error.errors()[0], data)}") from None
    return typed, data


def model_spec(registry: Registry, name: str) -> ModelSpec | PretrainSpec:
    """For `prepare_model`, or for `pretrain` when the model's source is another model."""
    model: Model = registry.models[name]
    if isinstance(model.source, Pretrained):
        return PretrainSpec(
            source=model.source,
            template=identity(registry.templates[model.source.template]),
            dtype=model.dtype,
            max_model_len=model.max_model_len,
        )
    return ModelSpec(source=model.source, dtype=model.dtype, max_model_len=model.max_model_len)


def dataset_spec(registry: Registry, name: str) -> DatasetSpec:
    """For `prepare_dataset`."""
    problems = identity(registry.problem_set(name))
    counted = {filter.prompt_tokens.template for filter in problems.filters if filter.prompt_tokens}
    return DatasetSpec(
        problems=Benchmark(**{key: getattr(problems, key) for key in type(problems).model_fields}),
        templates={template: identity(registry.templates[template]) for template in sorted(counted)},
    )


def overlap_spec(study: Study) -> OverlapSpec:
    """For `overlap`; what is flagged is a matter of the tables."""
    return OverlapSpec(rule=OverlapRule(**{key: getattr(study.contamination, key) for key in OverlapRule.model_fields}))


def train_spec(registry: Registry, run: Run, validation: Validation | None = None) -> TrainSpec:
    """For `train`, in a study that validates so."""
    return TrainSpec(
        optimizer=identity(registry.optimizers[run.optimizer]),
        template=identity(registry.templates[run.template]),
        seed=run.seed,
        validation=_validation_spec(registry, validation) if validation else None,
    )


def _validation_spec(registry: Registry, how: Validation) -> ValidationSpec:
    rule = {key: getattr(how, key) for key in ValidationRule.model_fields}
    return ValidationSpec(benchmark=how.benchmark, protocol=registry.protocols[how.protocol], **rule)


def generate_spec(registry: Registry, subject: Subject, suite_name: str) -> GenerateSpec:
    """For `generate`."""
    suite = registry.suites[suite_name]
    return GenerateSpec(
        members={
            key: MemberSpec(
                benchmark=member.benchmark,
                template=identity(registry.templates[str(member.template)]),
                protocol=registry.protocols[member.protocol],
                samples=member.samples,
                engine=suite.engine,
                dtype=suite.dtype,
                step=subject.step,
            )
            for key, member in members(suite, subject.template).items()
        }
    )


def grade_spec(registry: Registry, subject: Subject, suite_name: str) -> GradeSpec:
    """For `grade`."""
    suite = registry.suites[suite_name]
    cuts = {
        key: CutSpec(member=member, tokens=tokens)
        for key, (member, tokens) in cut_members(suite, subject.template, registry.cuts).items()
    }
    return GradeSpec(members=sorted(members(suite, subject.template)), grader=suite.grader, cuts=cuts)


def study_spec(registry: Registry, name: str, study: Study) -> StudySpec:
    """For `aggregate`."""
    suites = sorted(study.evaluation.all_suites)
    return StudySpec(
        name=name,
        study=study,
        kept_steps={optimizer: registry.optimizers[optimizer].kept_steps() for optimizer in sorted(study.optimizers)},
        own_template={
            suite: any(member.template is None for member in registry.suites[suite].members) for suite in suites
        },
        corpora=corpora(registry, study.models),
        published=paper_numbers(registry, study),
    )


def paper_numbers(registry: Registry, study: Study) -> list[PaperNumber]:
    """The accuracies that papers print for the study's lines, on the benchmarks that it samples, and those that others measured again."""
    sampled = dict.fromkeys(
        member.benchmark for name in study.evaluation.all_suites for member in registry.suites[name].members
    )
    shared = PaperNumber.model_fields.keys() - {"line", "benchmark"}
    found = []
    for place, line in enumerate(study.published):
        own = registry.published.at((line.paper, line.table, line.subject, line.variant))
        again = registry.published.re_measured(own[0].checkpoint)
        for benchmark in sampled:
            for one in dict.fromkeys([*own, *again]):
                if one.metric.startswith("avg@") and same_problems(benchmark, one.benchmark):
                    rest = {name: getattr(one, name) for name in sorted(shared)}
                    found.append(PaperNumber(line=place, benchmark=benchmark, **rest))
    return found


def corpora(registry: Registry, models: Iterable[str]) -> list[str]:
    """The sets that models were pretrained on here, those that they start from included."""
    found: set[str] = set()
    for name in models:
        while isinstance(source := registry.models[name].source, Pretrained):
            found.add(source.train_set)
            name = source.model
    return sorted(found)


def identity(section: S) -> S:
    """The section without what only readers use."""
    words = {
        name
        for name in ("note", "licence", "source")
        if name in type(section).model_fields and type(section).model_fields[name].annotation == (str | None)
    }
    return section.model_copy(update=dict.fromkeys(words))


def _pruned(section: Section) -> dict[str, Any]:
    frozen = frozen_defaults().get(type(section).__name__, {})
    kept: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = _plain(getattr(section, name))
        if field.is_required() or value != frozen.get(name, _plain_default(field.default)):
            kept[name] = value
    return kept


def _plain_default(default: Any) -> Any:
    return {} if isinstance(default, Section) else _plain(default)


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return _pruned(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
