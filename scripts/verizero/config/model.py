"""The base of every configuration model: unknown keys are errors, numbers are numbers."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, StringConstraints(min_length=1)]
Betas = Annotated[list[Probability], Field(min_length=2, max_length=2)]
GraderName = Literal["verizero", "paper-a-fast", "paper-a-full", "paper-b", "paper-c", "qwen-math-equal", "math-verify"]
"""The names of `reward/graders.py`, which this layer may not import: a misspelt one is found before any job."""

AnswerType = Literal["integer", "decimal", "letter", "words", "expression"]
"""What the golds of a problem are: all whole numbers; numbers, one at least with a decimal point; letters of options; words;
anything else."""

FROZEN_DEFAULTS = Path(__file__).resolve().parents[3] / "workflow" / "schemas" / "defaults.json"


@functools.lru_cache(maxsize=1)
def frozen_defaults() -> dict[str, dict[str, Any]]:
    """What a key means where a spec leaves it out: class -> field -> value, as first published.

    A spec drops values that equal these, so that a new option with a default changes no spec. The file only grows
    (`scripts/schema.py` adds, a test forbids changes): when a default of the schema changes, the new value appears in
    every spec that uses it, and what depends on it runs again.
    """
    return json.loads(FROZEN_DEFAULTS.read_text(encoding="utf-8")) if FROZEN_DEFAULTS.is_file() else {}


class Section(BaseModel):
    """A part of the configuration. `strict` keeps YAML's `1e-6` (a string) from passing as a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def fill_frozen(cls, data: Any, info: ValidationInfo) -> Any:
        """When a spec is read (and only then), what it leaves out has its frozen meaning."""
        if isinstance(data, dict) and info.context and info.context.get("spec"):
            frozen = frozen_defaults().get(cls.__name__, {})
            return {
                **{name: value for name, value in frozen.items() if name in cls.model_fields},
                **data,
            }  # an option may have been taken away
        return data
