r"""Grade the samples of one suite: which completions answer their problem, and why.

    python scripts/grade.py --spec "$(python scripts/spec.py grade tiny.plain/toy)" --subject tiny.plain --suite toy \
        --samples results/samples/tiny.plain/toy/manifest.json --benchmark results/datasets/sums-id/manifest.json \
        --out results/grades/tiny.plain/toy/manifest.json
    python scripts/grade.py --pairs answers.jsonl --out graded.jsonl
    python scripts/grade.py --explain --gold '\frac{1}{2}' --response 'So it is \boxed{0.5}.'

Each member of the suite is an artifact of its own beside the suite's manifest; a member whose samples, benchmark, grader and
code are unchanged is kept. `--pairs` reads JSON lines with `gold` (a text, or a list of accepted ones) and `response`, and
writes them with the verdict. `--explain` prints one verdict. No GPU is needed, and no model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.files import write_atomic
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.members import unchanged
from verizero.config.spec import GradeSpec, read_spec
from verizero.reward.graders import grader
from verizero.reward.grading import grade_member, verdict_row
from verizero.reward.pool import GradingPool


def main() -> None:
    """Grade a suite, a file of pairs, or one response."""
    arguments = parsed()
    if arguments.explain:
        if arguments.gold is None or arguments.response is None:
            raise UserError("--explain needs --gold and --response")
        print(
            json.dumps(
                verdict_row(grader(arguments.grader).grade(arguments.gold, arguments.response)),
                ensure_ascii=False,
                indent=1,
            )
        )
    elif arguments.pairs:
        grade_pairs(arguments)
    else:
        grade_suite(arguments)


def grade_suite(arguments: argparse.Namespace) -> None:
    """One artifact of kind `suite-grades`, and one of kind `grades` for each member that is not kept."""
    for name in ("spec", "subject", "suite", "samples", "out"):
        if getattr(arguments, name) is None:
            raise UserError(
                f"--{name} is missing; `python scripts/grade.py --help` shows the three ways to call this program"
            )
    spec, plain = read_spec(GradeSpec, arguments.spec)
    grader(spec.grader)
    benchmarks = {read_manifest(path).id: path for path in arguments.benchmark}
    samples_suite = read_manifest(arguments.samples)
    if missing := sorted(set(spec.members) - set(samples_suite.parts)):
        raise UserError(
            f"{arguments.samples}: has no member `{missing[0]}`; it has {', '.join(sorted(samples_suite.parts)) or 'none'}"
        )

    suite = Job(
        "suite-grades",
        f"{arguments.subject}/{arguments.suite}",
        plain,
        arguments.out,
        inputs={"samples": arguments.samples, **benchmarks},
    )
    parts, kept, graded, totals = {}, [], [], {"samples": 0, "correct": 0}
    with GradingPool(spec.grader, arguments.workers) as pool:
        for member in spec.members:
            samples = arguments.samples.parent / member / "manifest.json"
            name = read_manifest(samples).spec.get("benchmark")
            if name not in benchmarks:
                raise UserError(
                    f"--benchmark: `{name}` is missing, which member `{member}` samples; "
                    f"give --benchmark results/datasets/{name}/manifest.json"
                )
            inputs = {"samples": samples, "benchmark": benchmarks[name]}
            out = parts[member] = arguments.out.parent / member / "manifest.json"
            if unchanged(out, {"grader": spec.grader}, inputs, suite.code):
                kept.append(member)
            else:
                job = Job("grades", f"{suite.id}/{member}", {"grader": spec.grader}, out, inputs=inputs)
                grade_member(job, samples, benchmarks[name], pool)
                graded.append(member)
            counts = read_manifest(out).counts
            totals = {key: totals[key] + counts[key] for key in totals}
    print(f"members kept: {', '.join(kept) or 'none'}; graded: {', '.join(graded) or 'none'}", file=sys.stderr)
    suite.publish(counts=totals, parts=parts)


def grade_pairs(arguments: argparse.Namespace) -> None:
    """JSON lines in, JSON lines with verdicts out."""
    if arguments.out is None:
        raise UserError("--pairs needs --out, the file for the verdicts")
    rows = []
    try:
        lines = arguments.pairs.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{arguments.pairs}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            golds = [row["gold"]] if isinstance(row["gold"], str) else list(row["gold"])
            rows.append((row, golds, str(row["response"])))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise UserError(
                f"{arguments.pairs}, line {number}: {error!r}; a line holds `gold` (a text or a list of texts) and `response`"
            ) from None
    with GradingPool(arguments.grader, arguments.workers) as pool:
        verdicts = pool.grade_all([(golds, response) for _, golds, response in rows])
    write_atomic(
        arguments.out,
        "".join(
            json.dumps({**row, **verdict_row(verdict)}, ensure_ascii=False) + "\n"
            for (row, _, _), verdict in zip(rows, verdicts, strict=True)
        ),
    )
    print(f"{sum(verdict.correct for verdict in verdicts)} of {len(verdicts)} are correct", file=sys.stderr)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", help="JSON, or @FILE")
    parser.add_argument("--subject", help="a base model, or <run>@<step>")
    parser.add_argument("--suite")
    parser.add_argument("--samples", type=Path, metavar="MANIFEST", help="the suite's samples")
    parser.add_argument(
        "--benchmark",
        type=Path,
        nargs="*",
        action="extend",
        default=[],
        metavar="MANIFEST",
        help="each benchmark of the suite",
    )
    parser.add_argument("--out", type=Path, help="the suite's manifest, or the file for the verdicts of --pairs")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(2, len(os.sched_getaffinity(0))),
        help="processes for algebra (default %(default)s); the result does not depend on it",
    )
    parser.add_argument("--pairs", type=Path, metavar="JSONL")
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--gold", action="append", help="an accepted answer; may be given again")
    parser.add_argument("--response")
    parser.add_argument("--grader", default="verizero", help="for --pairs and --explain (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main_program(main)()
