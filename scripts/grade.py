r"""Grade the samples of one suite: which completions answer their problem, and why.

    python scripts/grade.py --spec "$(python scripts/spec.py grade tiny.plain/toy)" --subject tiny.plain --suite toy \
        --samples results/samples/tiny.plain/toy/manifest.json --benchmark results/datasets/sums-id/manifest.json \
        --out results/grades/tiny.plain/toy/manifest.json
    python scripts/grade.py --pairs answers.jsonl --out graded.jsonl
    python scripts/grade.py --explain --gold '\frac{1}{2}' --response 'So it is \boxed{0.5}.'

Each member of the suite is an artifact of its own beside the suite's manifest; a member whose samples, benchmark, grader and
code are unchanged is kept. A `cut` of the suite grades a member's samples again as a shorter limit would have ended them.
`--pairs` reads JSON lines with `gold` (a text, a number, or a list of accepted ones) and `response`, and writes them with the
verdict: `correct`, `status`, `extracted`, `normalised`, `rule`, `seconds`. A line may have a `tolerance` (a share of the gold, for
golds that are rounded decimals) and a `unit`. `--explain` prints how one verdict comes about.
No GPU is needed, and no model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tqdm import tqdm

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.files import write_atomic
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.members import unchanged
from verizero.config.spec import GradeSpec, read_spec
from verizero.reward.cut import graded_spec
from verizero.reward.explanation import explained
from verizero.reward.graders import GRADERS, grader
from verizero.reward.grading import BATCH, check_out, checked_tolerance, grade_member, read_pairs, verdict_row
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted


def main() -> None:
    """Grade a suite, a file of pairs, or one response."""
    arguments = parsed()
    if arguments.explain:
        if arguments.gold is None or arguments.response is None:
            raise UserError("--explain needs --gold and --response")
        accepted = Accepted(tuple(arguments.gold), checked_tolerance(arguments.tolerance), arguments.unit)
        print(explained(grader(arguments.grader), accepted, arguments.response))
    elif arguments.pairs:
        grade_pairs(arguments)
    elif arguments.spec is None:
        raise UserError("takes --spec for a suite, --pairs for a file of answers, or --explain for one; see --help")
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
        sampled = {member: member for member in spec.members} | {key: cut.member for key, cut in spec.cuts.items()}
        for member, source in sampled.items():
            cut = spec.cuts.get(member)
            own = graded_spec(spec.grader, (cut.member, cut.tokens) if cut else None)
            samples = arguments.samples.parent / source / "manifest.json"
            name = read_manifest(samples).spec.get("benchmark")
            if name not in benchmarks:
                raise UserError(
                    f"--benchmark: `{name}` is missing, which member `{member}` samples; "
                    f"give --benchmark results/datasets/{name}/manifest.json"
                )
            inputs = {"samples": samples, "benchmark": benchmarks[name]}
            out = parts[member] = arguments.out.parent / member / "manifest.json"
            if unchanged(out, own, inputs, suite.code):
                kept.append(member)
            else:
                job = Job("grades", f"{suite.id}/{member}", own, out, inputs=inputs)
                grade_member(job, samples, benchmarks[name], pool, cut.tokens if cut else None)
                graded.append(member)
            counts = read_manifest(out).counts
            totals = {key: totals[key] + counts[key] for key in totals}
    print(f"members kept: {', '.join(kept) or 'none'}; graded: {', '.join(graded) or 'none'}", file=sys.stderr)
    suite.publish(counts=totals, parts=parts)


def grade_pairs(arguments: argparse.Namespace) -> None:
    """JSON lines in, JSON lines with verdicts out."""
    if arguments.out is None:
        raise UserError("--pairs needs --out, the file for the verdicts")
    check_out(arguments.out)
    rows = read_pairs(arguments.pairs)
    with GradingPool(arguments.grader, arguments.workers) as pool:
        verdicts = []
        with tqdm(total=len(rows), desc="grade", unit="response", disable=None) as bar:
            for begin in range(0, len(rows), BATCH):
                batch = rows[begin : begin + BATCH]
                verdicts += pool.grade_all([(accepted, response) for _, accepted, response in batch])
                bar.update(len(batch))
    write_atomic(
        arguments.out,
        "".join(
            json.dumps({**row, **verdict_row(verdict)}) + "\n"  # in ASCII: a response may hold half a surrogate pair
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
    parser.add_argument(
        "--gold",
        action="append",
        help="an accepted answer; may be given again; one that begins with a minus needs an equals sign: --gold='-x'",
    )
    parser.add_argument("--response")
    parser.add_argument(
        "--tolerance", type=float, help="with --explain: how far an answer may be from a gold that is a rounded decimal"
    )
    parser.add_argument("--unit", help="with --explain: what the gold is meant in")
    parser.add_argument(
        "--grader", default="verizero", help=f"for --pairs and --explain: {', '.join(GRADERS)} (default %(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main_program(main)()
