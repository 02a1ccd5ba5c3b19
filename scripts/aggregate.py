"""Aggregate a study: tables with intervals, paired comparisons, figures, a report and the ledger.

    python scripts/aggregate.py --spec "$(python scripts/spec.py aggregate demo)" --results results --out results/studies/demo/manifest.json
    python scripts/aggregate.py --spec @spec.json --results results --out results/studies/demo/manifest.json --partial

The spec names the study's runs and graded suites; they are read from the results folder. Without --partial a missing one ends the
command; with it, it is shown as missing in the tables, the report and the ledger.

Beside the manifest come tables/{main,paired,change,seeds,statuses}.{csv,md,tex}, figures/, report.html and ledger.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from verizero.analysis.browser import browse
from verizero.analysis.cells import check_complete, rows_of_groups
from verizero.analysis.curves import read_curves
from verizero.analysis.figures import draw_all
from verizero.analysis.ledger import ledger
from verizero.analysis.paired import changes_from_base, optimizer_pairs
from verizero.analysis.reading import groups_of, study_inputs, warnings_of
from verizero.analysis.report import report_html
from verizero.analysis.summary import findings, reading_rule
from verizero.analysis.tables import change_table, main_table, paired_table, seed_table, status_table
from verizero.artifacts.errors import main_program
from verizero.artifacts.job import Job
from verizero.config.spec import StudySpec, read_spec


def main() -> None:
    """Read the study's grades and curves, estimate, compare, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="the study's spec as JSON, or @FILE")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder with runs/ and grades/")
    parser.add_argument("--out", type=Path, required=True, help=".../manifest.json")
    parser.add_argument("--partial", action="store_true", help="show what is missing as missing instead of stopping")
    arguments = parser.parse_args()

    spec, plain = read_spec(StudySpec, arguments.spec)
    check_complete(spec, arguments.results, arguments.partial)
    inputs = study_inputs(spec, arguments.results)
    graded = [(group, group.read()) for group in groups_of(spec.cells, arguments.results)]
    curves = read_curves(spec, arguments.results)
    planned = ledger(spec, arguments.results)

    rows = rows_of_groups(graded, spec.confidence)
    pairs = optimizer_pairs(graded, spec.confidence)
    changes = changes_from_base(graded, spec.confidence)
    said = findings(rows, changes, pairs, spec.confidence)
    tables = [
        main_table(rows, spec.confidence),
        paired_table(pairs, spec.confidence),
        change_table(changes, spec.confidence),
        seed_table(rows),
        status_table(graded),
    ]

    job = Job("study", spec.name, plain, arguments.out, inputs)
    for table in tables:
        above = (
            f"# {spec.question}\n\n{reading_rule(spec.confidence)}\n\n"
            + "".join(f"- {sentence}\n" for sentence in said)
            + "\n"
            if table.name == "main"
            else ""
        )
        table.write(job.staging / "tables", above)
    drawn = draw_all(spec, curves, rows, job.staging / "figures")
    samples, absent = browse([group for group, _ in graded], arguments.results)
    pictures = [job.staging / "figures" / f"{name}.png" for name in drawn]
    page = report_html(spec, said, tables, pictures, planned, samples, absent, job.unpinned)
    (job.staging / "report.html").write_text(page, encoding="utf-8")
    (job.staging / "ledger.json").write_text(json.dumps(planned, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for sentence in warnings_of(inputs):
        job.warn(sentence)
    for sentence in absent:
        job.warn(f"not in the report's sample browser: {sentence}")
    job.publish(
        counts={
            "rows": len(rows),
            "comparisons": len(pairs),
            "changes": len(changes),
            "samples_shown": len(samples),
            **{f"runs_{state}": number for state, number in planned["counts"]["runs"].items()},
        },
        seeds=spec.study.seeds,
    )
    print(
        "\n".join(said)
        + f"\n\ntable   {arguments.out.parent / 'tables' / 'main.md'}"
        + f"\nfigure  {arguments.out.parent / 'figures' / 'overview.png'}"
        + f"\nreport  {arguments.out.parent / 'report.html'}"
    )


if __name__ == "__main__":
    main_program(main)()
