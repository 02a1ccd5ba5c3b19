r"""Judge the same completions by several graders: for each two, how many do they judge differently?

    python scripts/compare_graders.py --pairs answers.jsonl --graders verizero,paper-a-full,qwen-math-equal --out table.md
    python scripts/compare_graders.py --samples results/samples/tiny.plain/toy/sums-id/manifest.json \
        --benchmark results/datasets/sums-id/manifest.json --out table.csv

`--pairs` reads JSON lines with `gold` (a text, a number, or a list of accepted ones) and `response`; `--samples` those that a suite
member has stored. `--out` is CSV or Markdown by its ending. Nothing is generated: no GPU is needed, and no model.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.files import write_atomic
from verizero.evidence.disagreement import disagreements, verdicts_of
from verizero.report.tables import disagreement_table
from verizero.reward.graders import GRADERS, grader
from verizero.reward.grading import check_out, read_pairs, read_samples
from verizero.reward.verdict import Accepted

ENDINGS = (".csv", ".md")


def main() -> None:
    """Write the table."""
    arguments = parsed()
    names = list(dict.fromkeys(name.strip() for name in arguments.graders.split(",")))
    if len(names) < 2:
        raise UserError(f"--graders {arguments.graders}: takes two or more of {', '.join(GRADERS)}")
    for name in names:
        grader(name)
    if arguments.out.suffix not in ENDINGS:
        raise UserError(f"--out {arguments.out}: ends in none of {', '.join(ENDINGS)}")
    check_out(arguments.out)
    table = disagreement_table(disagreements(verdicts_of(names, completions(arguments), arguments.workers)))
    write_atomic(arguments.out, table.csv() if arguments.out.suffix == ".csv" else table.markdown())
    print(table.markdown(), file=sys.stderr)


def completions(arguments: argparse.Namespace) -> list[tuple[Accepted, str]]:
    """The golds and the response of each completion."""
    if arguments.pairs:
        return [(golds, response) for _, golds, response in read_pairs(arguments.pairs)]
    if not (arguments.samples and arguments.benchmark):
        raise UserError("give --pairs, or --samples and --benchmark")
    rows, answers = read_samples(arguments.samples, arguments.benchmark)
    return [(answers[row["problem"]], row["text"]) for row in rows]


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, metavar="JSONL")
    parser.add_argument("--samples", type=Path, metavar="MANIFEST", help="one member's samples")
    parser.add_argument("--benchmark", type=Path, metavar="MANIFEST", help="the benchmark that they are of")
    parser.add_argument("--graders", default=",".join(GRADERS), help="names with commas between (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--workers",
        type=int,
        default=min(2, len(os.sched_getaffinity(0))),
        help="processes for algebra (default %(default)s); the result does not depend on it",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main_program(main)()
