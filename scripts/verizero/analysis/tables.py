"""Tables as CSV (to compute with), Markdown (to read) and LaTeX (to print), from the same rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from verizero.analysis.cells import COLUMNS, Row, decimal_text
from verizero.analysis.paired import Difference
from verizero.analysis.reading import Group, MemberGrades

PAIRED_COLUMNS = (
    *(
        "model",
        "train_set",
        "template",
        "optimizer_a",
        "optimizer_b",
        "checkpoint_a",
        "checkpoint_b",
        "benchmark",
        "protocol",
        "metric",
    ),
    *("difference", "ci_low", "ci_high", "p", "p_holm", "n_problems", "seeds", "mde", "method", "note"),
)
CHANGE_COLUMNS = (
    *("model", "train_set", "template", "optimizer", "checkpoint", "benchmark", "protocol", "metric"),
    *("change", "ci_low", "ci_high", "p", "p_holm", "n_problems", "seeds", "mde", "method", "note"),
)
SEED_COLUMNS = (
    "model",
    "train_set",
    "template",
    "optimizer",
    "checkpoint",
    "benchmark",
    "protocol",
    "metric",
    "seed",
    "estimate",
)
STATUS_COLUMNS = (
    "model",
    "train_set",
    "template",
    "optimizer",
    "checkpoint",
    "benchmark",
    "protocol",
    "status",
    "samples",
    "share",
)
NUMBERS = {"estimate", "ci_low", "ci_high", "difference", "change", "p", "p_holm", "mde", "share", "all_problems"}


@dataclass(frozen=True)
class Table:
    """Named columns of texts; every row has all of them."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    @staticmethod
    def short(column: str, text: str) -> str:
        """A cell for reading: numbers to three digits behind the point."""
        return f"{round(float(text), 3) + 0.0:.3f}" if column in NUMBERS and text else text

    def csv(self) -> str:
        r"""RFC 4180 with `\n`; numbers with six decimals, so that a recomputed table is the same text."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return stream.getvalue()

    def markdown(self) -> str:
        """A table for GitHub, numbers to three digits behind the point."""
        lines = [
            "| " + " | ".join(self.columns) + " |",
            "|"
            + "|".join("---:" if name in NUMBERS or name.startswith("n_") else "---" for name in self.columns)
            + "|",
        ]
        lines += [
            "| " + " | ".join(self.short(name, row[name]).replace("|", "\\|") for name in self.columns) + " |"
            for row in self.rows
        ]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        r"""A `longtable` with the rules of `booktabs`; include it with `\input`."""
        spec = "".join("r" if name in NUMBERS or name.startswith("n_") else "l" for name in self.columns)
        head = " & ".join(_escape(name) for name in self.columns) + r" \\"
        body = [" & ".join(_escape(self.short(name, row[name])) for name in self.columns) + r" \\" for row in self.rows]
        return "\n".join(
            [
                "% needs \\usepackage{booktabs,longtable}",
                rf"\begin{{longtable}}{{{spec}}}",
                rf"\caption{{{_escape(self.caption)}}} \\",
                *(r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"),
                *body,
                r"\end{longtable}",
                "",
            ]
        )

    def texts(self, before: str = "") -> dict[str, str]:
        """The table's three files by name; `before` stands above it in the Markdown."""
        return {
            f"{self.name}.csv": self.csv(),
            f"{self.name}.md": before + self.markdown(),
            f"{self.name}.tex": self.latex(),
        }


def main_table(rows: Sequence[Row], confidence: float) -> Table:
    """Every estimate of the study."""
    caption = f"Estimates with {percent(confidence)} intervals over problems and training seeds"
    return Table("main", caption, COLUMNS, tuple(row.texts() for row in rows))


def seed_table(rows: Sequence[Row]) -> Table:
    """Each seed's own estimate, of which the main table has the mean."""
    texts = []
    for row in rows:
        key = {name: str(value) for name, value in vars(row.key).items()}
        for seed, value in row.estimate.by_seed.items():
            texts.append(
                {
                    **key,
                    "metric": row.metric,
                    "seed": "" if seed is None else str(seed),
                    "estimate": decimal_text(value),
                }
            )
    return Table("seeds", "Estimate of each training seed", SEED_COLUMNS, tuple(texts))


def paired_table(differences: Sequence[Difference], confidence: float) -> Table:
    """Optimizer a minus optimizer b."""
    rows = []
    for one in differences:
        left, right = one.left, one.right
        where = {
            "model": left.model,
            "train_set": left.train_set,
            "template": left.template,
            "benchmark": left.benchmark,
            "protocol": left.protocol,
        }
        sides = {
            "optimizer_a": left.optimizer,
            "optimizer_b": right.optimizer,
            "checkpoint_a": str(left.checkpoint),
            "checkpoint_b": str(right.checkpoint),
        }
        rows.append({**where, **sides, "metric": one.metric, "difference": _estimate(one), **_evidence(one)})
    caption = f"Optimizer a minus optimizer b on the same problems and seeds, {percent(confidence)} intervals"
    return Table("paired", caption, PAIRED_COLUMNS, tuple(rows))


def change_table(differences: Sequence[Difference], confidence: float) -> Table:
    """Checkpoint minus base model."""
    rows = []
    for one in differences:
        key = {name: str(value) for name, value in vars(one.left).items()}
        rows.append({**key, "metric": one.metric, "change": _estimate(one), **_evidence(one)})
    return Table(
        "change",
        f"Checkpoint minus base model on the same problems, {percent(confidence)} intervals",
        CHANGE_COLUMNS,
        tuple(rows),
    )


def status_table(graded: Sequence[tuple[Group, dict[int | None, MemberGrades]]]) -> Table:
    """How the grader decided, all seeds together: a time limit met is reported, not only counted as wrong."""
    rows: dict[tuple[object, ...], dict[str, str]] = {}
    for group, by_seed in graded:
        total = sum(member.correct.size for member in by_seed.values())
        for status in sorted({status for member in by_seed.values() for status in member.statuses}):
            number = sum(member.statuses.get(status, 0) for member in by_seed.values())
            key = {name: str(value) for name, value in vars(group.key).items()}
            rows.setdefault(
                (*vars(group.key).values(), status),
                {**key, "status": status, "samples": str(number), "share": decimal_text(number / total)},
            )
    return Table(
        "statuses",
        "Samples by grader status",
        STATUS_COLUMNS,
        tuple(rows[key] for key in sorted(rows, key=lambda key: tuple(map(_sortable, key)))),
    )


def percent(share: float) -> str:
    """`95 %`."""
    return f"{100 * share:g} %"


def _sortable(value: object) -> tuple[int, object]:
    return (0, value) if isinstance(value, int) else (1, value)


def _estimate(one: Difference) -> str:
    return decimal_text(one.interval.estimate if one.interval else None)


def _evidence(one: Difference) -> dict[str, str]:
    found = one.interval
    return {
        "ci_low": decimal_text(found.low if found else None),
        "ci_high": decimal_text(found.high if found else None),
        "p": decimal_text(one.p),
        "p_holm": decimal_text(one.p_holm),
        "n_problems": str(one.n_problems),
        "seeds": one.seeds_text(),
        "mde": decimal_text(one.mde),
        "method": found.method if found else "none",
        "note": one.note,
    }


def _escape(text: str) -> str:
    special = {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
    return "".join(special.get(letter, letter) for letter in text)
