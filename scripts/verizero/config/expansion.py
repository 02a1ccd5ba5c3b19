"""A study's runs and subjects, by name."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from verizero.artifacts.errors import UserError
from verizero.config.sources import Cut, Member, Suite
from verizero.config.study import Study

Step = int | Literal["best"]
"""Whose weights: those after a step, or those that the validation chose, whichever step that is."""


def time_of(step: Step) -> float:
    """A number to sort by: `best` is after every step."""
    return math.inf if step == "best" else step


@dataclass(frozen=True, order=True)
class Run:
    """One training: `<model>.<dataset>.<template>.<optimizer>.s<seed>`."""

    model: str
    train_set: str
    template: str
    optimizer: str
    seed: int

    @property
    def id(self) -> str:
        return f"{self.model}.{self.train_set}.{self.template}.{self.optimizer}.s{self.seed}"


@dataclass(frozen=True, order=True)
class Subject:
    """What is evaluated: a base model, a base model under one of a study's templates, or a run's checkpoint."""

    model: str
    template: str | None = None
    run: Run | None = None
    step: Step = 0

    @property
    def id(self) -> str:
        if self.run is not None:
            return f"{self.run.id}@{self.step}"
        return f"{self.model}.{self.template}" if self.template else self.model


_RUN = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.([a-z0-9-]+)\.([a-z0-9-]+)\.s(\d+)")


def parse_run(text: str) -> Run:
    """A run from its id.

    Raises:
        UserError: the text is no run id.
    """
    if not (match := _RUN.fullmatch(text)):
        raise UserError(f"`{text}` is no run id; one reads <model>.<dataset>.<template>.<optimizer>.s<seed>")
    return Run(match[1], match[2], match[3], match[4], int(match[5]))


def parse_subject(text: str) -> Subject:
    """A subject from its id.

    Raises:
        UserError: the text is no subject id.
    """
    before, at, step = text.partition("@")
    if at:
        run = parse_run(before)
        if not step.isdigit() and step != "best":
            raise UserError(f"`{text}`: behind the @ must be a step, or `best`")
        return Subject(run.model, run.template, run, int(step) if step.isdigit() else "best")
    model, _, template = text.partition(".")
    if "." in template:
        raise UserError(f"`{text}` is no subject; one reads <model>, <model>.<template> or <run>@<step>")
    return Subject(model, template or None)


def runs(study: Study) -> list[Run]:
    """Every run of a study, in the order of its file."""
    return [
        Run(*parts)
        for parts in itertools.product(study.models, study.train_sets, study.templates, study.optimizers, study.seeds)
    ]


def chosen_steps(study: Study, kept: list[int]) -> Sequence[Step]:
    """Which of an optimizer's kept steps the study evaluates."""
    match study.evaluation.checkpoints:
        case "all":
            return kept
        case "best":
            return ["best"]
        case int(step):
            return [step]
        case _:
            return kept[-1:]


def members(suite: Suite, template: str | None) -> dict[str, Member]:
    """A suite's members by id, `<benchmark>.<template>.<protocol>`, under a run's own template."""
    resolved = {}
    for member in suite.members:
        used = member.template or template
        if used is None:
            raise UserError(f"the member {member.benchmark} of a suite names no template, and its subject has none")
        resolved[f"{member.benchmark}.{used}.{member.protocol}"] = member.model_copy(update={"template": used})
    return resolved


def cut_members(suite: Suite, template: str | None, cuts: Mapping[str, Cut]) -> dict[str, tuple[str, int]]:
    """The members of a suite that are graded a second time under a shorter limit.

    Returns:
        `<benchmark>.<template>.<cut>` -> the member that was sampled, and the limit in tokens.
    """
    return {
        f"{key.rpartition('.')[0]}.{name}": (key, cuts[name].tokens)
        for name in suite.cuts
        for key, member in members(suite, template).items()
        if member.protocol == cuts[name].of
    }


def evaluations(
    study: Study, kept: Mapping[str, list[int]], own_template: Mapping[str, bool]
) -> list[tuple[Subject, str]]:
    """Every (subject, suite) pair of a study: base models first, then each chosen checkpoint of each run.

    Args:
        kept: optimizer -> the steps whose weights it keeps.
        own_template: suite -> whether a member of it uses the template of the run.
    """
    pairs: dict[tuple[Subject, str], None] = {}
    for model in study.models:
        for suite in (*study.evaluation.suites, *study.evaluation.probes):
            for template in study.templates if own_template[suite] else [None]:
                pairs[Subject(model, template), suite] = None
    for run in runs(study):
        for step in chosen_steps(study, kept[run.optimizer]):
            for suite in (*study.evaluation.suites, *study.evaluation.checkpoint_suites):
                pairs[Subject(run.model, run.template, run, step), suite] = None
    return list(pairs)
