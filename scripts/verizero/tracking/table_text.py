"""Where a published text and the one that its grades give begin to differ."""

from __future__ import annotations

import csv
import io
import itertools

from verizero.report.table import NUMBERS


def first_difference(name: str, text: str, again: str) -> str | None:
    """One sentence about the first difference; None when there is none.

    Args:
        name: the file's path, which the sentence begins with.
        text: what it holds.
        again: what its grades and curves give.
    """
    if text == again:
        return None
    if name.endswith(".csv") and (found := _first_cell(text, again)):
        return f"{name}, {found}"
    for number, (left, right) in enumerate(
        itertools.zip_longest(text.splitlines(keepends=True), again.splitlines(keepends=True)), 1
    ):
        if left != right:
            return f"{name}, line {number}: is {_shown(left)}, but its grades and curves give {_shown(right)}"
    return f"{name}: differs in its line ends from what its grades and curves give"


def cells_of(text: str) -> int:
    """How many cells a CSV file has, its header aside."""
    return sum(len(row) for row in itertools.islice(csv.reader(io.StringIO(text)), 1, None))


def told(text: str, again: str) -> str:
    """A table's text without the rows that have no estimate when they are computed again, because texts are absent."""
    known = {_key(row) for row in csv.DictReader(io.StringIO(again)) if row.get("estimate")}
    head, *lines = text.splitlines(keepends=True) or [""]
    rows = csv.DictReader(io.StringIO(text))
    return head + "".join(line for line, row in zip(lines, rows, strict=False) if _key(row) in known)


def _key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(
        value for name, value in row.items() if name not in (*NUMBERS, "n_problems", "n_samples", "seeds", "by_seed")
    )


def _first_cell(text: str, again: str) -> str | None:
    left, right = (list(csv.DictReader(io.StringIO(one))) for one in (text, again))
    for number, (row, wanted) in enumerate(zip(left, right, strict=False), 2):
        for column, value in wanted.items():
            if row.get(column) != value:
                about = ", ".join(f"{name}={said}" for name, said in wanted.items() if said and name not in NUMBERS)
                given = row.get(column) or "empty"
                return (
                    f"line {number} ({about}): {column} is {given}, but its grades and curves give {value or 'nothing'}"
                )
    return None


def _shown(line: str | None) -> str:
    return "not there" if line is None else f"`{line.rstrip()[:120]}`"
