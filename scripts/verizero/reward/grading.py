"""The samples of one suite member become grades."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tqdm import tqdm

from verizero.artifacts.errors import UserError
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import digest_of, open_artifact
from verizero.artifacts.rows import read_rows, write_rows
from verizero.problems.golds import NoGold, golds
from verizero.problems.problem import read_problems
from verizero.reward.extraction import boxed
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Verdict

BATCH = 2048
"""Samples that are handed to the pool at once."""


def grade_member(job: Job, samples: Path, benchmark: Path, pool: GradingPool) -> None:
    """Grade every sample and publish the artifact.

    Rows of `grades.jsonl.gz`, in the samples' order: problem, sample, correct, status, extracted, rule, tokens, finish, boxed.

    Raises:
        UserError: the samples are of another benchmark, or of a problem that it does not have.
    """
    rows, answers = read_samples(samples, benchmark)
    graded: list[dict[str, Any]] = []
    with tqdm(total=len(rows), desc=f"grade {job.id}", unit="sample", disable=None) as bar:
        for begin in range(0, len(rows), BATCH):
            batch = rows[begin : begin + BATCH]
            verdicts = pool.grade_all([(answers[row["problem"]], row["text"]) for row in batch])
            graded.extend(_graded(row, verdict) for row, verdict in zip(batch, verdicts, strict=True))
            bar.update(len(batch))
    write_rows(job.staging / "grades.jsonl.gz", graded)
    statuses = Counter(row["status"] for row in graded)
    for status in ("error", "unparsable_gold"):
        if statuses[status]:
            job.warn(f"{job.id}: {statuses[status]} of {len(graded)} samples have the status {status}")
    counts = {"samples": len(graded), "correct": 0, **statuses}
    job.publish(counts=counts)


def read_samples(samples: Path, benchmark: Path) -> tuple[list[dict[str, Any]], dict[str, Accepted]]:
    """The rows of a suite member's samples, and the accepted answers of each problem.

    Raises:
        UserError: the samples are of another benchmark, or of a problem that it does not have.
    """
    samples_manifest, samples_payload = open_artifact(samples)
    benchmark_manifest, benchmark_payload = open_artifact(benchmark)
    if samples_manifest.inputs.get("benchmark") != digest_of(benchmark):
        raise UserError(
            f"{samples}: was sampled on another version of {benchmark_manifest.id} than {benchmark}; generate the samples again"
        )
    answers = {problem.id: Accepted.of(problem) for problem in read_problems(benchmark_payload / "problems.jsonl")}
    rows = list(read_rows(samples_payload / "samples.jsonl.gz"))
    if unknown := next((row["problem"] for row in rows if row["problem"] not in answers), None):
        raise UserError(f"{samples}: has a sample of problem {unknown}, which {benchmark} does not have")
    return rows, answers


def read_pairs(path: Path) -> list[tuple[dict[str, Any], Accepted, str]]:
    """The rows of JSON lines with `gold` and `response`, what is accepted in each, and its response.

    A gold is a text, a number, or a list of accepted ones; a row may say the `tolerance` and the `unit` of its gold, as a
    `Problem` does. A response that is null is an empty one.

    Raises:
        UserError: a line has neither or is no JSON.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    pairs = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            known = Accepted(_golds(row["gold"]), row.get("tolerance"), row.get("unit"))
            pairs.append((row, known, row["response"] or ""))
        except (json.JSONDecodeError, KeyError, TypeError, NoGold) as error:
            what = f"there is no {error}" if isinstance(error, KeyError) else error
            raise UserError(
                f"{path}, line {number}: {what}; a line is a JSON record with `gold` (a text, a number or a list) and `response` (a text)"
            ) from None
        if not isinstance(pairs[-1][2], str):
            raise UserError(f"{path}, line {number}: `response` is {row['response']!r}; it must be a text")
    return pairs


def _golds(value: Any) -> tuple[str, ...]:
    """A text stays as it is written, an empty one too, which grades as a gold that cannot be read."""
    values = value if isinstance(value, list) else [value]
    return tuple(item if isinstance(item, str) else golds(item, "field")[0] for item in values)


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain JSON."""
    return dict(vars(verdict))


def _graded(row: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    return {
        "problem": row["problem"],
        "sample": row["sample"],
        "correct": verdict.correct,
        "status": verdict.status,
        "extracted": verdict.extracted,
        "rule": verdict.rule,
        "tokens": row["tokens"],
        "finish": row["finish"],
        "boxed": boxed(row["text"]),  # not every grader asks for a box
    }
