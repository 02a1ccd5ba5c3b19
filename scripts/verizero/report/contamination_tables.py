"""Which benchmark problems the study trained on, and the accuracy without them: tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from verizero.config.contamination import OVERLAP_KINDS
from verizero.evidence.cells import COLUMNS, decimal_text
from verizero.evidence.contamination import Overlap, Without
from verizero.report.table import Table, percent

CONTAMINATION_COLUMNS = (
    *("train_set", "benchmark", "n_problems"),
    *("n_exact", "n_containment", "n_near_duplicate", "n_flagged", "share"),
)
WITHOUT_COLUMNS = (*COLUMNS, "all_problems", "n_flagged")
HEADING = "Contamination: "


def contamination_table(overlaps: Sequence[Overlap]) -> Table:
    """One row for each training set and benchmark; a problem is counted under the first kind that it has."""
    rows = []
    for overlap in overlaps:
        for benchmark in overlap.benchmarks:
            problems, flagged = overlap.count(benchmark, "problems"), len(overlap.flagged.get(benchmark, ()))
            kinds = {f"n_{kind.replace('-', '_')}": str(overlap.count(benchmark, kind)) for kind in OVERLAP_KINDS}
            rows.append(
                {
                    "train_set": overlap.train_set,
                    "benchmark": benchmark,
                    "n_problems": str(problems),
                    **kinds,
                    "n_flagged": str(flagged),
                    "share": decimal_text(flagged / problems),
                }
            )
    caption = "Benchmark problems that are like a training problem, by the first kind that holds"
    return Table("contamination", caption, CONTAMINATION_COLUMNS, tuple(rows))


def without_flagged_table(rows: Sequence[Without], confidence: float) -> Table:
    """The accuracies for benchmarks with flagged problems, without them.

    The columns are those of the main table; behind them `all_problems` is the main table's estimate.
    """
    texts = [
        {**one.row.texts(), "all_problems": decimal_text(one.all_problems), "n_flagged": str(one.flagged)}
        for one in rows
    ]
    caption = f"Accuracy without the flagged problems, {percent(confidence)} intervals; all_problems is the estimate with them"
    return Table("without_flagged", caption, WITHOUT_COLUMNS, tuple(texts))


def sentences(overlaps: Sequence[Overlap]) -> list[str]:
    """What was found, for the summary; nothing where nothing was compared."""
    if not overlaps:
        return []
    said = [
        f"{HEADING}{len(ids)} of the {overlap.count(benchmark, 'problems')} problems of {benchmark} are flagged against "
        f"{overlap.train_set} (by kind: {_kinds(overlap, benchmark)}); tables/without_flagged has the accuracy without them."
        for overlap in overlaps
        for benchmark, ids in sorted(overlap.flagged.items())
    ]
    names = ", ".join(overlap.train_set for overlap in overlaps)
    return said or [f"{HEADING}no benchmark problem is flagged in {names}."]


def _kinds(overlap: Overlap, benchmark: str) -> str:
    counts = {kind: overlap.count(benchmark, kind) for kind in OVERLAP_KINDS}
    return ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
