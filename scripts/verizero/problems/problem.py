"""One problem: its text, the answers that count as right, and, where there is one, a worked solution."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from verizero.artifacts.canonical import canonical_json, sha256_text
from verizero.artifacts.errors import UserError
from verizero.artifacts.files import write_atomic
from verizero.artifacts.rows import read_rows
from verizero.config.model import AnswerType
from verizero.problems.text import normalised


class Problem(BaseModel):
    """A problem as every later stage sees it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(min_length=1)
    problem: str = Field(min_length=1)
    answers: list[str] = Field(min_length=1)
    """Accepted golds: a response that equals any of them is right."""
    solution: str | None = None
    answer_type: AnswerType = "expression"
    tolerance: float | None = Field(default=None, gt=0, lt=1)
    """How far an answer may be from a gold that is a rounded decimal, as a share of the gold."""
    unit: str | None = None
    """What the answer is meant in, where the gold itself does not say it."""
    level: int | None = None
    """How hard its source says it is; MATH has 1 to 5."""
    subject: str | None = None
    """The part of mathematics, as its source names it."""
    difficulty: float | None = None
    """By which a curriculum orders: the larger, the harder. What it was taken from is in the set's registry entry."""
    original_answers: list[str] | None = None
    """What its source accepts, where the set gives it another label on purpose."""


def read_problems(path: Path) -> list[Problem]:
    """The problems of a prepared set (`payload/problems.jsonl`), in their order.

    Raises:
        UserError: the file is damaged, or a line is no problem.
    """
    problems = []
    for number, row in enumerate(read_rows(path), 1):
        try:
            problems.append(Problem.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(f"{path}, line {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return problems


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """One problem a line; equal problems give equal bytes."""
    write_atomic(
        path,
        "".join(
            json.dumps(problem.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n" for problem in problems
        ),
    )


def sha256_problems(problems: Iterable[Problem]) -> str:
    """The identity of a set: SHA-256 over its (id, normalised text, golds) rows in the order of their JSON.

    Whatever file format or row order a source comes in, the same problems give the same digest.
    """
    rows = sorted(canonical_json([problem.id, normalised(problem.problem), problem.answers]) for problem in problems)
    return sha256_text("\n".join(rows))
