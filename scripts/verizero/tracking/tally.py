"""How much was checked of a study, for the reader of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verizero.artifacts.bundle import Reason

WHAT: dict[Reason, str] = {
    "weights": "weights",
    "problems": "texts of problems",
    "rollouts": "completions of training",
    "drawings": "pictures and the report",
    "tracking": "links of the tracking",
}


@dataclass(frozen=True)
class Gone:
    """A file that a study has and that is not here, because it is not published."""

    file: Path
    size: int | None
    sha256: str
    reason: Reason


@dataclass
class Tally:
    """Counts.

    Attributes:
        manifests, files: checked and hashed.
        verdicts: given again by the present grader.
        reworded: verdicts that are the same, but whose rule or extracted text is another one under another version.
        other_graders: versions of the grader, other than the present one, that gave verdicts.
        tables, cells: tables computed again, and their cells.
        figures: figures whose data were computed again.
        unread: files that were computed again in part or not at all, because they need texts that are not here.
        since: files that the present version would give besides; a study of another version may lack them.
    """

    manifests: int = 0
    files: int = 0
    verdicts: int = 0
    reworded: int = 0
    other_graders: set[str] = field(default_factory=set)
    tables: int = 0
    cells: int = 0
    figures: int = 0
    unread: int = 0
    since: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """One line for each kind of thing."""
        said = [
            f"manifests  {self.manifests} are the ones that their records describe and that their consumers were made from",
            f"files      {self.files} have the SHA-256 that their manifests state",
            f"verdicts   {self.verdicts} are given again by the present grader from the samples",
            f"cells      {self.cells} of {self.tables} tables, the data of {self.figures} figures and the ledger are computed again, "
            "equal to the last digit",
        ]
        if self.other_graders:
            versions = ", ".join(f"{code[:12]}…" for code in sorted(self.other_graders))
            said.insert(
                3,
                f"           graded by another version of the grader ({versions}); {self.reworded} of the verdicts, equal in "
                "all that tables read, are explained in other words now",
            )
        if self.unread:
            said.append(
                f"           {self.unread} files of behaviours or gains were in part only, or not at all: texts that they need are not here"
            )
        if self.since:
            said.append(
                f"           made by another version of aggregate.py; the present one gives more files: {', '.join(self.since)}"
            )
        return said

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        return {**vars(self), "other_graders": sorted(self.other_graders)}


def gone_lines(gone: Sequence[Gone], where: dict[str, str | None]) -> list[str]:
    """What is elsewhere, one line a reason; `where` is by SHA-256."""
    said = []
    for reason, what in WHAT.items():
        files = [one for one in gone if one.reason == reason]
        if not files:
            continue
        size = sum(one.size or 0 for one in files)
        places = sorted({place for one in files if (place := where.get(one.sha256))})
        at = f"at {places[0]}" + (f" and {len(places) - 1} more places" if len(places) > 1 else "") if places else ""
        if reason == "weights":
            at = at or "nowhere that is known"
        said.append(f"elsewhere  {what}: {', '.join(filter(None, (how_many(len(files), size), at)))}")
    return said


def how_many(files: int, size: int) -> str:
    """A number of files with their size, where that is known."""
    return f"{files} file{'s' if files > 1 else ''}" + (f", {megabytes(size)}" if size else "")


def megabytes(size: int) -> str:
    """Bytes for a reader."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
