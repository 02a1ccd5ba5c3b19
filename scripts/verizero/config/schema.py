"""JSON schemas and frozen defaults, generated from the models."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticUndefined

from verizero.artifacts.bundle import Bundle
from verizero.artifacts.manifest import Manifest
from verizero.artifacts.record import Record
from verizero.config import optimizers, problem_sets, sources, spec, study
from verizero.config.model import Name, Section


class Models(RootModel[dict[Name, sources.Model]]):
    """config/registry/models.yaml"""


class Datasets(RootModel[dict[Name, problem_sets.ProblemSet]]):
    """config/registry/datasets.yaml"""


class Benchmarks(RootModel[dict[Name, problem_sets.Benchmark]]):
    """config/registry/benchmarks.yaml"""


class Suites(BaseModel):
    """config/registry/suites.yaml"""

    protocols: dict[Name, sources.Protocol]
    cuts: dict[Name, sources.Cut] = {}
    """Shorter limits read off the samples of a protocol."""
    suites: dict[Name, sources.Suite]


class OptimizerFile(optimizers.Optimizer):
    """config/optimizers/*.yaml"""

    base: Name | None = None
    """Start from this optimizer's values."""


SCHEMAS: dict[str, type[BaseModel]] = {
    "config": study.Config,
    "study": study.Study,
    "models": Models,
    "datasets": Datasets,
    "benchmarks": Benchmarks,
    "suites": Suites,
    "optimizer": OptimizerFile,
    "template": optimizers.Template,
    "manifest": Manifest,
    "record": Record,
    "bundle": Bundle,
}


def schema_text(name: str) -> str:
    """One JSON schema (draft 2020-12), as the file in `workflow/schemas/` holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name].model_json_schema()}
    if name == "optimizer":  # with a `base`, every other key may come from there
        schema.pop("required", None)
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def current_defaults() -> dict[str, dict[str, Any]]:
    """The default of every optional field, by class; a section's default is `{}`: its own fields have theirs."""
    found: dict[str, dict[str, Any]] = {}
    for module in (sources, problem_sets, optimizers, study, spec):
        for cls in vars(module).values():
            if not (isinstance(cls, type) and issubclass(cls, Section)):
                continue
            for name, field in cls.model_fields.items():
                if field.is_required() or field.default is PydanticUndefined:
                    continue
                default = field.default
                value = {} if isinstance(default, Section) else json.loads(json.dumps(default))
                found.setdefault(cls.__name__, {})[name] = value
    return found


def grown(frozen: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Frozen defaults with those of new fields added; what is there stays as it was first published."""
    merged = {cls: dict(fields) for cls, fields in frozen.items()}
    for cls, fields in current_defaults().items():
        for name, value in fields.items():
            merged.setdefault(cls, {}).setdefault(name, value)
    return merged
