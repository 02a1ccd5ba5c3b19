"""The papers' numbers, from `config/published/values.csv`: what each paper prints, and what others measured again on its checkpoints.

One row a number. `subject` is the paper's name of a model or checkpoint; `variant` is how it was trained, and behind the first comma how
it was asked. Accuracies and shares are in per cent, lengths in tokens.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from verizero.artifacts.errors import UserError
from verizero.config.load import sentence
from verizero.config.model import Count, Name, Section, Text

FILE = Path("published") / "values.csv"
Metric = Annotated[str, StringConstraints(pattern=r"^((avg|pass)@[1-9][0-9]*|average|boxed_share|length|best_step)$")]
COPIES = {
    "aime24-paper-a": "aime24",
    "math500-paper-a": "math500",
    "minerva-math-paper-a": "minerva-math",
    "olympiadbench-paper-a": "olympiadbench",
}
"""Benchmarks of ours that hold the same problems as another one: paper A's own files of them."""


class PublishedValue(Section):
    """One number as it is printed."""

    paper: Literal["a", "b", "c", "sober-look"]
    table: Text
    subject: Text
    variant: str = ""
    benchmark: Name
    """Our name where it is the same set of problems; `average` is the paper's own over the benchmarks of the row."""
    metric: Metric
    """`avg@k` is accuracy with k samples of each problem, whatever the paper calls it."""
    value: Annotated[float, Field(ge=0)]
    spread: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation over seeds."""
    seeds: Count | None = None
    protocol: Text
    """Our name of it where there is one, else in words."""
    kind: Literal["published", "re-measured"]
    source: Text
    note: str = ""

    @model_validator(mode="after")
    def plausible(self) -> PublishedValue:
        """A share is at most 100 %, and a spread is over seeds."""
        if self.metric not in ("length", "best_step") and self.value > 100:
            raise ValueError(
                f"`value` is {self.value:g}, but {self.metric} is in per cent; write a number from 0 to 100"
            )
        if self.spread is not None and (self.seeds or 0) < 2:
            raise ValueError("`spread` is a standard deviation over seeds; `seeds` must say how many, at least 2")
        return self

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What a study's line names: paper, table, subject, variant."""
        return self.paper, self.table, self.subject, self.variant

    @property
    def checkpoint(self) -> tuple[str, str]:
        """Whose weights, without how they were asked."""
        return self.subject, self.variant.partition(",")[0]


PARTS = ("paper", "table", "subject", "variant")


@dataclass(frozen=True)
class PublishedValues:
    """All rows of the file, in its order."""

    path: Path
    values: tuple[PublishedValue, ...]

    def choices(self, *before: str) -> list[str]:
        """What may follow: the papers; with a paper, its tables; with a table too, its subjects; then their variants."""
        return list(dict.fromkeys(place[len(before)] for place in self._places if place[: len(before)] == before))

    def at(self, place: tuple[str, str, str, str]) -> list[PublishedValue]:
        """The numbers of one subject and variant in one table."""
        return [one for one in self.values if one.place == place]

    def re_measured(self, checkpoint: tuple[str, str]) -> list[PublishedValue]:
        """What others measured on a checkpoint."""
        return [one for one in self.values if one.kind == "re-measured" and one.checkpoint == checkpoint]

    @cached_property
    def _places(self) -> list[tuple[str, str, str, str]]:
        return list(dict.fromkeys(one.place for one in self.values))


def same_problems(ours: str, theirs: str) -> bool:
    """Whether a benchmark of ours holds the problems that a published number is about."""
    return theirs in (ours, COPIES.get(ours))


def load_published(root: Path) -> PublishedValues:
    """Read `published/values.csv` below a configuration folder.

    Raises:
        UserError: the first mistake, with file, line, column, and what would be right.
    """
    path = root / FILE
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; it holds the papers' numbers that a study's `published` names")
    columns = list(PublishedValue.model_fields)
    found: dict[tuple[str, ...], int] = {}
    values = []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        head = next(reader, [])
        if head != columns:
            raise UserError(f"{path}, line 1: the columns are {','.join(head)}; they must be {','.join(columns)}")
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            value = _value(cells, columns, where)
            key = (*value.place, value.benchmark, value.metric)
            if key in found:
                raise UserError(
                    f"{where}: {value.metric} of {value.benchmark} for `{value.subject}` ({value.variant or 'no variant'}) in {value.table} of "
                    f"paper {value.paper} is in line {found[key]} already; `variant` must tell the two apart"
                )
            found[key] = reader.line_num
            values.append(value)
    return PublishedValues(path, tuple(values))


def _value(cells: Sequence[str], columns: Sequence[str], where: str) -> PublishedValue:
    if len(cells) != len(columns):
        raise UserError(f"{where}: has {len(cells)} cells, the head has {len(columns)}; quote a cell that has a comma")
    row: dict[str, Any] = {name: _typed(name, cell, where) for name, cell in zip(columns, cells, strict=True)}
    row = {name: cell for name, cell in row.items() if cell is not None}
    try:
        return PublishedValue.model_validate(row)
    except ValidationError as error:
        raise UserError(f"{where}: {sentence(PublishedValue, error.errors()[0], row)}") from None


def _typed(column: str, cell: str, where: str) -> str | int | float | None:
    kinds: dict[str, tuple[type[int] | type[float], str]] = {
        "value": (float, "a number such as 20.0"),
        "spread": (float, "a number such as 3.6, or nothing"),
        "seeds": (int, "a whole number, or nothing"),
    }
    if column not in kinds:
        return cell
    if not cell and column != "value":
        return None
    kind, right = kinds[column]
    try:
        return kind(cell)
    except ValueError:
        raise UserError(f"{where}: `{column}` is {cell!r}; it must be {right}") from None
