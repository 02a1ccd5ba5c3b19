"""What counts as a right answer to each problem of a benchmark, without the problems' texts, which belong to their authors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from verizero.artifacts.errors import UserError
from verizero.artifacts.rows import read_rows
from verizero.problems.problem import Problem
from verizero.reward.verdict import Accepted

GOLDS = "golds.jsonl"
"""Beside the manifest of a published benchmark."""
TEXTS = {"problem", "solution"}


def golds_text(problems: Iterable[Problem]) -> str:
    """One problem a line: its id, accepted answers, and what else a grader needs."""
    rows = (problem.model_dump(exclude=TEXTS, exclude_defaults=True) for problem in problems)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_golds(file: Path) -> dict[str, Accepted]:
    """What is accepted for each problem id.

    Raises:
        UserError: the file is damaged.
    """
    try:
        problems = [Problem.model_validate({**row, "problem": "not published"}) for row in read_rows(file)]
    except ValidationError as error:
        raise UserError(f"{file}: {error.errors()[0]['msg']}") from None
    return {problem.id: Accepted.of(problem) for problem in problems}
