"""A table as CSV (to compute with), Markdown (to read) and LaTeX (to print), from the same rows."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

NUMBERS = {
    *("estimate", "ci_low", "ci_high", "difference", "change", "p", "p_holm", "mde", "share", "all_problems"),
    *("last", "best_on_test", "power", "cross_validated", "optimism"),
    *("published", "diff_low", "diff_high", "re_measured", "re_measured_spread"),
    *("re_measured_difference", "re_measured_low", "re_measured_high"),
}


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
        head = " & ".join(latex_text(name) for name in self.columns) + r" \\"
        body = [
            " & ".join(latex_text(self.short(name, row[name])) for name in self.columns) + r" \\" for row in self.rows
        ]
        return "\n".join(
            [
                "% needs \\usepackage{booktabs,longtable}",
                rf"\begin{{longtable}}{{{spec}}}",
                rf"\caption{{{latex_text(self.caption)}}} \\",
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


def percent(share: float) -> str:
    """`95 %`."""
    return f"{100 * share:g} %"


def latex_text(text: str) -> str:
    """The text with LaTeX's special letters escaped."""
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
