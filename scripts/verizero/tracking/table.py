"""One row of a published table, and the grades that it follows from, found through manifests alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.config.spec import StudySpec, read_spec
from verizero.evidence.cells import COLUMNS, KEY_COLUMNS, metrics_of
from verizero.evidence.reading import key_of
from verizero.tracking.lineage import Artifact


@dataclass(frozen=True)
class Source:
    """One seed's share in a row: the suite that was graded and the member that counts. `seed` is None for a base model."""

    seed: int | None
    suite: Artifact
    member: str

    @property
    def grades(self) -> Artifact:
        """The member's grades."""
        return self.suite.at(*self.suite.path.parent.relative_to(self.suite.results).parts, self.member)


@dataclass(frozen=True)
class TableRow:
    """A row of `results/studies/<study>/tables/main.csv`."""

    table: Path
    texts: dict[str, str]

    @property
    def results(self) -> Path:
        return self.table.parents[3]

    @property
    def study(self) -> Artifact:
        """The study that published the table."""
        return Artifact(self.table.parents[1] / "manifest.json", self.results)

    @cached_property
    def spec(self) -> StudySpec:
        """The study's spec, as its manifest has it."""
        return read_spec(StudySpec, json.dumps(self.study.manifest.spec))[0]

    @cached_property
    def sources(self) -> list[Source]:
        """The grades of each seed that are there; as in the table, the plan's first suite that gives the row."""
        wanted = {name: self.texts[name] for name in KEY_COLUMNS[:-1]}
        found: dict[str, list[Source]] = {}
        for cell in self.spec.cells:
            suite = self.study.at("grades", *cell.grades.split("/"))
            if not suite.path.is_file() or cell.model != wanted["model"] or str(cell.step) != wanted["checkpoint"]:
                continue
            for member in suite.manifest.parts:
                if {name: str(value) for name, value in vars(key_of(cell, member)).items()} == wanted:
                    found.setdefault(cell.suite, []).append(Source(cell.seed, suite, member))
        return next((one for one in found.values() if self._has_metric(one[0])), [])

    def _has_metric(self, source: Source) -> bool:
        """Whether so many samples a problem give the row's metric; unknown counts as yes, the chain names what is missing."""
        try:
            samples = int(source.grades.upstream()["samples"].manifest.spec.get("samples", 1))
            return self.texts["metric"] in metrics_of(samples, voted=True)
        except UserError:
            return True

    @property
    def missing_seeds(self) -> str:
        """What the table itself says is missing."""
        _, _, missing = self.texts["seeds"].partition("(missing")
        return missing.strip(": )") or ("all" if "(missing" in self.texts["seeds"] else "")


def parse_where(text: str) -> dict[str, str]:
    """`optimizer=dr-grpo,benchmark=math500` as column -> value.

    Raises:
        UserError: a column does not exist, or a piece has no `=`.
    """
    wanted: dict[str, str] = {}
    for piece in filter(None, text.split(",")):
        column, equals, value = piece.partition("=")
        column = column.strip()
        if not equals or column not in COLUMNS:
            raise UserError(
                f"--where: `{piece}` is no condition; one reads COLUMN=VALUE with a column of {', '.join(KEY_COLUMNS)}"
            )
        if wanted.get(column, value.strip()) != value.strip():
            raise UserError(f"--where: `{column}` is given twice")
        wanted[column] = value.strip()
    return wanted


def pick(table: Path, where: Mapping[str, str]) -> TableRow:
    """The one row that fulfils all conditions.

    Raises:
        UserError: there is no such table, or no row or more than one; the sentence says which values choose between them.
    """
    if table.name != "main.csv" or table.parent.name != "tables" or len(table.resolve().parts) < 5:
        raise UserError(f"{table}: audit reads a study's main table, results/studies/STUDY/tables/main.csv")
    if not table.is_file():
        raise UserError(
            f"{table}: there is no such table; `snakemake --config study={table.parent.parent.name}` makes it"
        )
    with table.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if list(reader.fieldnames or []) != list(COLUMNS):
            raise UserError(f"{table}: its columns are not those of a main table ({', '.join(COLUMNS)})")
        rows = list(reader)
    found = [row for row in rows if all(row[name] == value for name, value in where.items())]
    if len(found) == 1:
        return TableRow(table, found[0])
    if not found:
        raise UserError(f"{table}: no row has {_said(where)}; {_impossible(rows, where)}")
    raise UserError(f"{table}: {len(found)} rows have {_said(where) or 'no condition'}; add one of: {_choices(found)}")


def _said(where: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in where.items())


def _impossible(rows: Sequence[Mapping[str, str]], where: Mapping[str, str]) -> str:
    """The first condition that leaves nothing, and what it could have been."""
    left = list(rows)
    for name, value in where.items():
        kept = [row for row in left if row[name] == value]
        if not kept:
            values = ", ".join(sorted({row[name] or "(empty)" for row in left}))
            return f"`{name}` could be: {values}"
        left = kept
    return "the table is empty"


def _choices(rows: Sequence[Mapping[str, str]]) -> str:
    columns = [(name, sorted({row[name] for row in rows})) for name in KEY_COLUMNS]
    return (
        "; ".join(
            f"{name}={'|'.join(value or '(empty)' for value in values)}" for name, values in columns if len(values) > 1
        )
        or "nothing (the rows are equal)"
    )
