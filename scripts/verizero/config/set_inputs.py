"""What a set of problems depends on besides its own source: other sets, tokenizers, grades, runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verizero.artifacts.errors import UserError
from verizero.config.expansion import members, parse_run, parse_subject
from verizero.config.load import undefined
from verizero.config.problem_sets import Graded, ProblemSet, Sets
from verizero.config.sources import Pretrained

if TYPE_CHECKING:
    from verizero.config.registry import Registry


@dataclass(frozen=True)
class SetInputs:
    """The artifacts whose manifests a set takes as inputs, by name; of each kind in the order of the entry, once."""

    exclude: tuple[str, ...]
    """Benchmarks."""
    sets: tuple[str, ...]
    tokenizers: tuple[str, ...]
    """Models."""
    grades: tuple[str, ...]
    """`<subject>/<suite>`."""
    histories: tuple[str, ...]
    """Runs."""


def inputs_of(entry: ProblemSet) -> SetInputs:
    """The inputs that an entry names."""
    graded: list[Graded] = [filter.pass_rate for filter in entry.filters if filter.pass_rate]
    runs = [entry.select.run]
    if entry.difficulty:
        graded += [entry.difficulty.graded] if entry.difficulty.graded else []
        runs.append(entry.difficulty.run)
    return SetInputs(
        exclude=tuple(entry.exclude),
        sets=_once(entry.source.names if isinstance(entry.source, Sets) else []),
        tokenizers=_once([filter.prompt_tokens.model for filter in entry.filters if filter.prompt_tokens]),
        grades=_once([f"{one.subject}/{one.suite}" for one in graded]),
        histories=_once([run for run in runs if run]),
    )


def _once(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def check_sets(registry: Registry) -> None:
    """Refuse a set that names what is not there, or that depends on itself.

    Raises:
        UserError: the first mistake, with file and key.
    """
    for file, sets in (("datasets.yaml", registry.datasets), ("benchmarks.yaml", registry.benchmarks)):
        path = registry.root / "registry" / file
        for name, entry in sets.items():
            _check_names(registry, path, name, entry)
    for name in (*registry.datasets, *registry.benchmarks):
        _check_circle(registry, name, ())


def _check_names(registry: Registry, path: Path, name: str, entry: ProblemSet) -> None:
    known = {**registry.datasets, **registry.benchmarks}
    inputs = inputs_of(entry)
    for other in inputs.sets:
        if other not in known or other == name:
            raise undefined(path, f"{name}.source.names", other, [key for key in known if key != name])
    for filter in entry.filters:
        if (how := filter.prompt_tokens) is not None:
            if how.model not in registry.models:
                raise undefined(path, f"{name}.filters.prompt_tokens.model", how.model, list(registry.models))
            if how.template not in registry.templates:
                raise undefined(path, f"{name}.filters.prompt_tokens.template", how.template, list(registry.templates))
    for grades in inputs.grades:
        _check_graded(registry, path, name, grades)
    for run in inputs.histories:
        _check_run(registry, path, name, run)


def _check_graded(registry: Registry, path: Path, name: str, grades: str) -> None:
    subject_id, _, suite = grades.partition("/")
    if suite not in registry.suites:
        raise undefined(path, f"{name}: suite", suite, list(registry.suites))
    try:
        subject = parse_subject(subject_id)
        members(registry.suites[suite], subject.template)
    except UserError as error:
        raise UserError(f"{path}: `{name}` reads the grades of `{grades}`: {error}") from None
    if subject.run is not None:
        _check_run(registry, path, name, subject.run.id)
    elif subject.model not in registry.models:
        raise undefined(path, f"{name}: subject", subject.model, list(registry.models))


def _check_run(registry: Registry, path: Path, name: str, text: str) -> None:
    try:
        run = parse_run(text)
    except UserError as error:
        raise UserError(f"{path}: `{name}`: {error}") from None
    for what, part, known in (
        ("model", run.model, registry.models),
        ("data set", run.train_set, registry.datasets),
        ("template", run.template, registry.templates),
        ("optimizer", run.optimizer, registry.optimizers),
    ):
        if part not in known:
            raise undefined(path, f"{name}: {what} of the run {text}", part, list(known))


def _check_circle(registry: Registry, name: str, above: tuple[str, ...]) -> None:
    if name in above:
        raise UserError(f"the set `{name}` depends on itself: {' -> '.join((*above[above.index(name) :], name))}")
    for other in needed_sets(registry, name):
        _check_circle(registry, other, (*above, name))


def needed_sets(registry: Registry, name: str) -> Iterator[str]:
    """The sets that must be there before a set is made, whatever stands between."""
    inputs = inputs_of(registry.problem_set(name))
    yield from (*inputs.exclude, *inputs.sets)
    for model in inputs.tokenizers:
        yield from _sets_of_model(registry, model)
    for grades in inputs.grades:
        subject_id, _, suite = grades.partition("/")
        subject = parse_subject(subject_id)
        yield from (member.benchmark for member in members(registry.suites[suite], subject.template).values())
        yield from _sets_of_model(registry, subject.model)
        if subject.run:
            yield subject.run.train_set
    for text in inputs.histories:
        run = parse_run(text)
        yield run.train_set
        yield from _sets_of_model(registry, run.model)


def _sets_of_model(registry: Registry, name: str) -> Iterator[str]:
    source = registry.models[name].source
    if isinstance(source, Pretrained):
        yield source.train_set
        yield from _sets_of_model(registry, source.model)
