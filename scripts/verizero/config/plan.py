"""What the rules need to know: for each stage, the inputs and the spec of an artifact, by its wildcards."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from verizero.artifacts.code import code_digest
from verizero.artifacts.errors import UserError
from verizero.config.expansion import Subject, evaluations, members, parse_run, parse_subject, runs
from verizero.config.registry import Registry, load_config, load_registry
from verizero.config.set_inputs import inputs_of
from verizero.config.sources import Pretrained
from verizero.config.spec import (
    StudySpec,
    dataset_spec,
    generate_spec,
    grade_spec,
    model_spec,
    overlap_spec,
    spec_text,
    study_spec,
    train_spec,
)
from verizero.config.study import Config, Study


@dataclass(frozen=True)
class PlannedJob:
    """A job of the workflow, as far as its identity goes.

    Attributes:
        stage: the rule, and the program in `scripts/`.
        name: of its artifact, as in `scripts/spec.py`.
        output: the manifest that it writes.
        spec: canonical JSON.
        code: the digest of its program.
        inputs: the manifests that it reads.
    """

    stage: str
    name: str
    output: Path
    spec: str
    code: str
    inputs: tuple[Path, ...]


class Plan:
    """One study, resolved.

    Args:
        root: the repository's folder.
        overrides: what the command line says over `config/config.yaml`.

    Raises:
        UserError: the first mistake in the configuration.
    """

    def __init__(self, root: Path, overrides: Mapping[str, object] | None = None) -> None:
        folder = Path("config") if root == Path.cwd() else root / "config"
        self.root = root
        self.config: Config = load_config(folder / "config.yaml", dict(overrides or {}))
        self.registry: Registry = load_registry(folder)
        self.name = self.config.study
        self.study: Study = self.registry.study(self.name)
        self.spec: StudySpec = study_spec(self.registry, self.name, self.study)

    @functools.cache  # noqa: B019 (one plan a process)
    def code(self, stage: str) -> str:
        """The code digest of a stage's program."""
        return code_digest(self.root / "scripts" / f"{stage}.py")

    @functools.cache  # noqa: B019
    def stage_spec(self, stage: str, name: str) -> str:
        """Canonical JSON of a stage's spec; `name` as in `scripts/spec.py`."""
        registry = self.registry
        match stage:
            case "prepare_model" | "pretrain":
                return spec_text(model_spec(registry, name))
            case "prepare_dataset":
                return spec_text(dataset_spec(registry, name))
            case "train":
                return spec_text(train_spec(registry, parse_run(name), self.study.validation))
            case "overlap":
                return spec_text(overlap_spec(self.study))
            case "generate" | "grade":
                subject, _, suite = name.partition("/")
                return spec_text(
                    (generate_spec if stage == "generate" else grade_spec)(registry, parse_subject(subject), suite)
                )
            case "aggregate" | "track":
                return spec_text(self.spec)
        raise ValueError(stage)

    def prepared_models(self) -> list[str]:
        """Models that `prepare_model` makes."""
        return sorted(name for name, model in self.registry.models.items() if not isinstance(model.source, Pretrained))

    def pretrained_models(self) -> list[str]:
        """Models that `pretrain` makes."""
        return sorted(self.registry.models.keys() - set(self.prepared_models()))

    def pretrain_inputs(self, model: str) -> dict[str, str]:
        """The model to start from and the data set."""
        source = self.registry.models[model].source
        if not isinstance(source, Pretrained):
            raise UserError(f"model `{model}` is not pretrained here")
        return {"model": model_manifest(source.model), "dataset": dataset_manifest(source.train_set)}

    def dataset_inputs(self, dataset: str) -> dict[str, list[str]]:
        """The manifests that a set reads besides its source, by the option of `prepare_dataset.py`."""
        inputs = inputs_of(self.registry.problem_set(dataset))
        return {
            "exclude": [dataset_manifest(name) for name in inputs.exclude],
            "set": [dataset_manifest(name) for name in inputs.sets],
            "tokenizer": [model_manifest(name) for name in inputs.tokenizers],
            "grades": [grades_manifest(name) for name in inputs.grades],
            "history": [run_manifest(run) for run in inputs.histories],
        }

    def policy_manifest(self, subject_id: str) -> str:
        """The artifact that holds a subject's weights."""
        subject = parse_subject(subject_id)
        return run_manifest(subject.run.id) if subject.run else model_manifest(subject.model)

    def benchmarks(self, subject_id: str, suite: str) -> list[str]:
        """The benchmarks of a suite, once each."""
        chosen = members(self.registry.suites[suite], parse_subject(subject_id).template)
        return [dataset_manifest(name) for name in sorted({member.benchmark for member in chosen.values()})]

    def validation_manifests(self) -> list[str]:
        """The benchmark that each run of the study is measured on while it trains; none where there is none."""
        return [dataset_manifest(self.study.validation.benchmark)] if self.study.validation else []

    def benchmark_manifests(self) -> list[str]:
        """Every benchmark of the study: of its suites and probes, and of its validation."""
        return [dataset_manifest(name) for name in self._evaluated() if name in self.registry.benchmarks]

    def _evaluated(self) -> list[str]:
        """The sets that something is evaluated on; a probe may sample a training set too."""
        names = {self.study.validation.benchmark} if self.study.validation else set()
        for suite in self.study.evaluation.all_suites:
            names.update(member.benchmark for member in self.registry.suites[suite].members)
        return sorted(names)

    def overlap_manifests(self) -> list[str]:
        """What each set that the study trains on shares with its benchmarks."""
        return [overlap_manifest(self.name, name) for name in self.spec.compared]

    def run_manifests(self) -> list[str]:
        """Every run of the study."""
        return [run_manifest(run.id) for run in runs(self.study)]

    def grade_manifests(self) -> list[str]:
        """Every graded suite of the study."""
        return [grades_manifest(f"{subject.id}/{suite}") for subject, suite in self._evaluations()]

    def dataset_manifests(self) -> list[str]:
        """Every training set and benchmark of the study."""
        return [dataset_manifest(name) for name in sorted({*self.study.train_sets, *self._evaluated()})]

    def targets(self) -> list[str]:
        """What `snakemake` makes without being told: every artifact of the study, so that one that was removed is made again."""
        tracking = self.config.tracking
        wanted = [output for _, _, output, _ in self._artifacts()]
        if tracking.enabled and (tracking.dvc.enabled or tracking.mlflow.enabled):
            wanted.append(f"results/studies/{self.name}/tracking/manifest.json")
        return wanted

    def jobs(self) -> Iterator[PlannedJob]:
        """Every job of the study but `track`, each after those that it needs."""
        for stage, name, output, inputs in self._artifacts():
            read = tuple(Path(path) for path in inputs)
            yield PlannedJob(stage, name, Path(output), self.stage_spec(stage, name), self.code(stage), read)

    def _artifacts(self) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        """Stage, name, manifest and the manifests of the inputs of every artifact; each after those that it needs."""
        roots = [("dataset", Path(path).parent.name) for path in self.dataset_manifests()]
        roots += [("model", model) for model in self.study.models]
        roots += [("overlap", name) for name in self.spec.compared]
        roots += [("run", run.id) for run in runs(self.study)]
        roots += [("grades", f"{subject.id}/{suite}") for subject, suite in self._evaluations()]
        done: set[tuple[str, str]] = set()
        for kind, name in roots:
            yield from self._with_needed(kind, name, done)
        tables = f"results/studies/{self.name}/manifest.json"
        inputs = (*self.run_manifests(), *self.grade_manifests(), *self.overlap_manifests())
        yield ("aggregate", self.name, tables, inputs)

    def _with_needed(
        self, kind: str, name: str, done: set[tuple[str, str]]
    ) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        """An artifact behind those that it needs, as far as they are not there yet. The registry has no circle."""
        if (kind, name) in done:
            return
        done.add((kind, name))
        match kind:
            case "dataset":
                inputs = inputs_of(self.registry.problem_set(name))
                needed = [("dataset", other) for other in (*inputs.exclude, *inputs.sets)]
                needed += [("model", model) for model in inputs.tokenizers]
                needed += [("grades", grades) for grades in inputs.grades]
                needed += [("run", run) for run in inputs.histories]
                read = [path for paths in self.dataset_inputs(name).values() for path in paths]
                job = ("prepare_dataset", name, dataset_manifest(name), read)
            case "model":
                source = self.registry.models[name].source
                if isinstance(source, Pretrained):
                    needed = [("dataset", source.train_set), ("model", source.model)]
                    job = ("pretrain", name, model_manifest(name), [*self.pretrain_inputs(name).values()])
                else:
                    needed, job = [], ("prepare_model", name, model_manifest(name), [])
            case "overlap":
                needed = [("dataset", Path(path).parent.name) for path in self.benchmark_manifests()]
                needed.append(("dataset", name))
                read = [dataset_manifest(name), *self.benchmark_manifests()]
                job = ("overlap", f"{self.name}/{name}", overlap_manifest(self.name, name), read)
            case "run":
                run, validation = parse_run(name), self.validation_manifests()
                needed = [("model", run.model), ("dataset", run.train_set)]
                needed += [("dataset", Path(path).parent.name) for path in validation]
                read = [model_manifest(run.model), dataset_manifest(run.train_set), *validation]
                job = ("train", name, run_manifest(name), read)
            case "grades":
                subject_id, _, suite = name.partition("/")
                subject, benchmarks = parse_subject(subject_id), self.benchmarks(subject_id, suite)
                needed = [("run", subject.run.id) if subject.run else ("model", subject.model)]
                needed += [("dataset", Path(path).parent.name) for path in benchmarks]
                samples = f"results/samples/{name}/manifest.json"
                for other in needed:
                    yield from self._with_needed(*other, done)
                yield ("generate", name, samples, (self.policy_manifest(subject_id), *benchmarks))
                needed, job = [], ("grade", name, grades_manifest(name), [samples, *benchmarks])
            case _:
                raise ValueError(kind)
        for other in needed:
            yield from self._with_needed(*other, done)
        yield job

    def _evaluations(self) -> list[tuple[Subject, str]]:
        return evaluations(self.study, self.spec.kept_steps, self.spec.own_template)


def model_manifest(name: str) -> str:
    """Where a model's manifest is."""
    return f"results/models/{name}/manifest.json"


def dataset_manifest(name: str) -> str:
    """Where a training set's or benchmark's manifest is."""
    return f"results/datasets/{name}/manifest.json"


def grades_manifest(name: str) -> str:
    """Where the manifest of a graded suite is; `name` reads `<subject>/<suite>`."""
    return f"results/grades/{name}/manifest.json"


def overlap_manifest(study: str, dataset: str) -> str:
    """Where it is said what a training set shares with a study's benchmarks."""
    return f"results/overlaps/{study}/{dataset}/manifest.json"


def run_manifest(run: str) -> str:
    """Where a run's manifest is."""
    return f"results/runs/{run}/manifest.json"
