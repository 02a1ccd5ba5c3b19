"""All that is to be said of one row: its chain, what would be made another way today, and whether it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.tracking.chain import Link, chain
from verizero.tracking.chain_text import chain_text
from verizero.tracking.drift import drift, plan_of
from verizero.tracking.lineage import everything_below
from verizero.tracking.table import TableRow
from verizero.tracking.verification import Verification, verify


@dataclass(frozen=True)
class Audit:
    """What was found for one row. `outcome` is None when nothing was verified."""

    row: TableRow
    top: Link
    differences: list[str]
    outcome: Verification | None

    @property
    def exit_code(self) -> int:
        """0: whole, or not verified; 1: broken; 3: not everything is here."""
        return self.outcome.exit_code if self.outcome else 0

    def text(self) -> str:
        """For a terminal; the outcome is the last line."""
        parts = [chain_text(self.top, self.row.table), *(["\n".join(self.differences)] if self.differences else [])]
        return "\n\n".join([*parts, *([self.outcome.sentence()] if self.outcome else [])])

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        found: dict[str, Any] = {"row": self.row.texts, "chain": self.top.plain(), "drift": self.differences}
        if self.outcome:
            whole = self.outcome.exit_code == 0
            found |= {
                "verified": whole,
                "broken": self.outcome.broken,
                "absent": [str(path) for path in self.outcome.absent],
            }
        return found


def audit(row: TableRow, verified: bool, bundle: Path | None = None) -> Audit:
    """Follow a row down; with `verified`, check every link as well.

    Args:
        bundle: the published study that the row's results were unpacked from.
    """
    found = differences(row, bundle.resolve().parent if bundle else row.results)
    return Audit(row, chain(row), found, verify(row, published=bundle is not None) if verified else None)


def differences(row: TableRow, results: Path) -> list[str]:
    """What of the chain would be made another way today; nothing where there is no config to compare with.

    Args:
        results: a folder inside the checkout whose config is meant.
    """
    plan = plan_of(results, row.study.path.parent.name)
    if plan is None:
        return []
    said: list[str] = []
    try:
        seen = {row.study.path: row.study}
        for source in row.sources:
            seen |= {artifact.path: artifact for artifact in (source.suite, source.grades)}
            seen |= {artifact.path: artifact for artifact in everything_below(source.grades)}
        for artifact in seen.values():
            said += drift(artifact, plan)
    except UserError:
        pass  # what is missing or damaged, the chain and --verify name
    return said
