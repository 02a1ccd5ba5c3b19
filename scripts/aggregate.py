"""Aggregate a study: tables with intervals, paired comparisons, figures, a report and the ledger.

    python scripts/aggregate.py --spec "$(python scripts/spec.py aggregate demo)" --results results --out results/studies/demo/manifest.json
    python scripts/aggregate.py --spec @spec.json --results results --out results/studies/demo/manifest.json --partial

The spec names the study's runs, graded suites and overlaps; they are read from the results folder. Without --partial a missing one ends the
command; with it, it is shown as missing in the tables, the report and the ledger.

Beside the manifest come tables/{headline,main,paired,change,seeds,statuses,contamination}.{csv,md,tex}, figures/, report.html and ledger.json;
where benchmark problems are flagged, tables/without_flagged.* too; where the study's `published` names a paper's lines,
tables/published.* (docs/published_values.md); and
tables/behaviours.{csv,md,tex} with more figures where the study says `evaluation.behaviours: true` (docs/probes.md, docs/figures.md). That
table reads the texts of samples and problems; where they are not on this machine, their numbers are left empty, and that is said.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.artifacts.job import Job
from verizero.config.spec import StudySpec, read_spec
from verizero.evidence.cells import check_complete
from verizero.evidence.contamination import flagged_problems
from verizero.evidence.looking import FILE as LOOKS
from verizero.evidence.looking import looks_sentence, looks_so_far
from verizero.evidence.reading import study_inputs, warnings_of
from verizero.report.browser import browse
from verizero.report.contamination_section import contamination_data
from verizero.report.figures import draw_all
from verizero.report.page import report_html
from verizero.report.rollout_browser import browse_rollouts
from verizero.report.tabulating import tabulate


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
    found = tabulate(spec, arguments.results)

    looks = looks_so_far(arguments.out.parent, spec, found.graded)
    looked = looks_sentence(looks)

    job = Job("study", spec.name, plain, arguments.out, inputs)
    history = {LOOKS: "".join(look.text() for look in looks)} if spec.study.seeds else {}
    for path, text in {**found.table_texts(), "ledger.json": found.ledger_text(), **history}.items():
        (job.staging / path).parent.mkdir(exist_ok=True)
        (job.staging / path).write_text(text, encoding="utf-8")
    draw_all(spec, found.figures, job.staging / "figures")
    samples, absent = browse([group for group, _ in found.graded], arguments.results)
    pictures = [job.staging / "figures" / f"{one.name}.png" for one in found.figures]
    rollouts, rollouts_absent = browse_rollouts(spec, arguments.results)
    page = report_html(
        spec,
        found.headline,
        [*found.answer, looked] if looked else found.answer,
        found.findings,
        found.tables,
        pictures,
        found.ledger,
        samples,
        absent,
        job.unpinned,
        rollouts,
        rollouts_absent,
        contamination_data(found.overlaps),
        found.unread,
        found.undrawn,
    )
    (job.staging / "report.html").write_text(page, encoding="utf-8")
    for sentence in warnings_of(inputs):
        job.warn(sentence)
    for sentence in [*absent, *rollouts_absent]:
        job.warn(f"not in the report's browser: {sentence}")
    if looked:
        job.warn(looked)
    for sentence in found.unread:
        job.warn(f"no behaviours of its texts: {sentence}")
    for sentence in found.undrawn:
        job.warn(sentence)
    job.publish(
        counts={
            "rows": len(found.rows),
            "comparisons": sum(map(len, found.pairs.values())),
            "changes": len(found.changes),
            "samples_shown": len(samples),
            "flagged_problems": sum(len(ids) for ids in flagged_problems(found.overlaps).values()),
            **{f"runs_{state}": number for state, number in found.ledger["counts"]["runs"].items()},
        },
        seeds=spec.study.seeds,
    )
    overview = arguments.out.parent / "figures" / "overview.png"
    print(
        found.headline_text()
        + f"\ntable   {arguments.out.parent / 'tables' / 'headline.md'}"
        + (f"\nfigure  {overview}" if overview.is_file() else "")
        + f"\nreport  {arguments.out.parent / 'report.html'}"
    )


if __name__ == "__main__":
    main_program(main)()
