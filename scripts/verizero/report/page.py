"""`report.html`: one page that can be sent to somebody, with everything in it and nothing fetched."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from verizero.config.spec import StudySpec
from verizero.evidence.cells import KEY_COLUMNS
from verizero.evidence.headline import Headline
from verizero.report.headline_table import headline_legend, label_count, printed
from verizero.report.summary import reading_rule
from verizero.report.table import NUMBERS, Table

PAGE, PARTS = "page.html.jinja", ("contamination.html.jinja", "rollouts.html.jinja")
"""Named here so that the code digest covers them."""
MAX_ROWS, MAX_FIGURES, MAX_ENTRIES = 400, 24, 600
METHODS = (
    "estimate: mean over seeds of each seed's mean over problems; pass@k is the unbiased estimate of Chen et al. "
    "2021. ci_low, ci_high: one checkpoint, Student's t over problems; several seeds, two-way over seeds and "
    "problems with Satterthwaite's degrees of freedom; 0 of N, N of N, and one checkpoint whose problems are each "
    "right or wrong, Wilson. n_problems and n_samples count what enters the estimate, all seeds together: for a "
    "length, only problems and responses of that verdict. Truncated responses count in the lengths, at the limit. "
    "difference and change are paired on the same problems (and seeds); mde: what such a "
    "comparison finds in 80 % of cases at a two-sided 5 %. A template `a/b` was trained under a and evaluated under "
    "b."
)

BEHAVIOURS = (
    "answer_rate: share of responses that a classifier of rules says attempt to answer, right or wrong; box_rate: that end in a "
    "complete box. clip_ratio: cut at the limit; length_stopped: mean tokens of the others. reflection_a, _b, _c: share with a "
    "keyword of the list of papers A, B and C; _per_1k: keywords for each 1,000 tokens; _correct, _incorrect: among such "
    "responses. mixed_language: more than 5 % of the letters outside formulas are not of the commonest script; repetitive: more "
    "than 30 % duplicate 20-grams of words, or an end that compresses to less than a tenth; code: a program in it."
)


def report_html(
    spec: StudySpec,
    headline: Headline,
    answer: Sequence[str],
    findings: Sequence[str],
    tables: Sequence[Table],
    figures: Sequence[Path],
    ledger: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    absent: Sequence[str],
    unpinned: Sequence[str],
    rollouts: Sequence[Mapping[str, Any]] = (),
    rollouts_absent: Sequence[str] = (),
    contamination: Mapping[str, Any] | None = None,
    unread: Sequence[str] = (),
    undrawn: Sequence[str] = (),
) -> str:
    """The page's text.

    Args:
        figures: PNG files, in the order of the page.
        samples, absent: from `browser.browse`.
        rollouts, rollouts_absent: from `rollout_browser.browse_rollouts`.
        contamination: from `contamination_section.contamination_data`.
        unread: members whose texts the table of behaviours was made without.
        undrawn: why a figure that could be expected is not there.
    """
    entries = [{"id": run["id"], "state": run["state"], "sha": run["manifest_sha256"]} for run in ledger["runs"]]
    entries += [
        {"id": cell["grades"], "state": cell["state"], "sha": cell["manifest_sha256"]} for cell in ledger["cells"]
    ]
    head, lines = printed(headline, spec.confidence)
    return (
        Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
        .get_template(PAGE)
        .render(
            name=spec.name,
            question=spec.question,
            ledger=ledger,
            holes=[entry["id"] for entry in entries if entry["state"] != "done"],
            head=head,
            lines=lines,
            labels=label_count(headline),
            legend=headline_legend(headline, spec.confidence),
            answer=" ".join(answer),
            rule=reading_rule(spec.confidence),
            findings=findings,
            figures=[
                {"name": path.stem, "data": base64.b64encode(path.read_bytes()).decode()}
                for path in figures[:MAX_FIGURES]
            ],
            figures_left_out=max(0, len(figures) - MAX_FIGURES),
            undrawn=undrawn,
            tables=[_shown(table) for table in tables if table.rows],
            methods=METHODS,
            behaviours=BEHAVIOURS if any(table.name == "behaviours" for table in tables) else "",
            unread=unread,
            samples=bool(samples),
            samples_json=_script_json(samples),
            absent=absent,
            rollouts=bool(rollouts),
            rollouts_json=_script_json(rollouts),
            rollouts_absent=rollouts_absent,
            contamination=contamination,
            entries=entries[:MAX_ENTRIES],
            entries_left_out=max(0, len(entries) - MAX_ENTRIES),
            unpinned=unpinned,
            command=audit_command(spec, tables[0]),
        )
    )


def audit_command(spec: StudySpec, main: Table) -> str:
    """The command that audits one row of the main table: the first trained one, else the first."""
    row = next((row for row in main.rows if row["optimizer"]), main.rows[0] if main.rows else {})
    where = ",".join(f"{name}={row[name]}" for name in KEY_COLUMNS if name in row)
    return f"python scripts/audit.py results/studies/{spec.name}/tables/main.csv --where {shlex.quote(where)} --verify"


def _shown(table: Table) -> dict[str, Any]:
    numbers = [name in NUMBERS or name.startswith("n_") for name in table.columns]
    rows = [
        [
            {"text": table.short(name, row[name]), "kind": "n" if number else "note" if name == "note" else ""}
            for name, number in zip(table.columns, numbers, strict=True)
        ]
        for row in table.rows[:MAX_ROWS]
    ]
    columns = [{"name": name, "number": number} for name, number in zip(table.columns, numbers, strict=True)]
    return {
        "name": table.name,
        "caption": table.caption,
        "columns": columns,
        "rows": rows,
        "left_out": max(0, len(table.rows) - MAX_ROWS),
    }


def _script_json(value: Any) -> Markup:
    """JSON inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    for letter, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(letter, code)
    return Markup(text)
