"""The samples of one suite member become grades."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from verizero.artifacts.errors import UserError
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import digest_of, open_artifact
from verizero.artifacts.rows import read_rows, write_rows
from verizero.problems.golds import NoGold, golds
from verizero.problems.problem import read_problems
from verizero.reward.answer_classes import answer_classes
from verizero.reward.cut import cut_row
from verizero.reward.extraction import boxed
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Verdict

_WANTED = "a line is a JSON record with `gold` (a text, a number or a list) and `response` (a text)"
FEWEST_VOTES = 3
"""Samples of a problem from which on answers vote."""
BATCH = 2048
"""Samples that are handed to the pool at once."""


def grade_member(job: Job, samples: Path, benchmark: Path, pool: GradingPool, tokens: int | None = None) -> None:
    """Grade every sample, cut after so many tokens where that is said, and publish the artifact.

    Rows of `grades.jsonl.gz`, in the samples' order: problem, sample, correct, status, extracted, rule, tokens, finish, boxed; with three
    samples a problem or more also answer_class, which says whose answers are the same (`answer_classes`).

    Raises:
        UserError: the samples are of another benchmark, or of a problem that it does not have; they can't be cut there.
    """
    rows, answers = read_samples(samples, benchmark)
    rows = [cut_row(row, tokens) for row in rows]
    graded: list[dict[str, Any]] = []
    given: list[Verdict] = []
    with tqdm(total=len(rows), desc=f"grade {job.id}", unit="sample", disable=None) as bar:
        for begin in range(0, len(rows), BATCH):
            batch = rows[begin : begin + BATCH]
            verdicts = pool.grade_all([(answers[row["problem"]], row["text"]) for row in batch])
            graded.extend(_graded(row, verdict) for row, verdict in zip(batch, verdicts, strict=True))
            given.extend(verdicts)
            bar.update(len(batch))
    if votes(rows):
        classes = answer_classes([row["problem"] for row in rows], given, pool)
        graded = [{**row, "answer_class": one} for row, one in zip(graded, classes, strict=True)]
    write_rows(job.staging / "grades.jsonl.gz", graded)
    statuses = Counter(row["status"] for row in graded)
    for status in ("error", "unparsable_gold"):
        if statuses[status]:
            job.warn(f"{job.id}: {statuses[status]} of {len(graded)} samples have the status {status}")
    counts = {"samples": len(graded), "correct": 0, **statuses}
    job.publish(counts=counts)


def votes(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there are so many samples of a problem that a majority says something."""
    return len(rows) >= FEWEST_VOTES * len({row["problem"] for row in rows})


def read_samples(samples: Path, benchmark: Path) -> tuple[list[dict[str, Any]], dict[str, Accepted]]:
    """The rows of a suite member's samples, and the accepted answers of each problem.

    Raises:
        UserError: the samples are of another benchmark, or of a problem that it does not have; a problem has fewer or more
            samples than its protocol asks for.
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
    check_numbers(samples, int(samples_manifest.spec.get("samples", 1)), rows, list(answers))
    return rows, answers


def check_numbers(samples: Path, asked: int, rows: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> None:
    """Refuse a member in which a problem has another number of samples than was asked: avg@32 of 31 is another number.

    Raises:
        UserError: names the first such problem.
    """
    places = Counter(str(row["problem"]) for row in {(row["problem"], row["sample"]): row for row in rows}.values())
    if wrong := next((problem for problem in problems if places[problem] != asked), None):
        raise UserError(
            f"{samples}: problem {wrong} has {places[wrong]} samples, its protocol asks for {asked} of each; "
            "remove this manifest and run `snakemake` to sample them again"
        )


def read_pairs(path: Path) -> list[tuple[dict[str, Any], Accepted, str]]:
    """The rows of JSON lines with `gold` and `response`, what is accepted in each, and its response.

    A gold is a text, a number, or a list of accepted ones; a row may say the `tolerance` and the `unit` of its gold, as a
    `Problem` does. A response that is null is an empty one. Blank lines are passed over.

    Raises:
        UserError: the file cannot be read or has no line; a line is no JSON record, lacks one of the two, or has a wrong value.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines() would cut at U+2028 inside a text too
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 (byte {error.start}); write it as UTF-8") from None
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            pairs.append(_pair(json.loads(line)))
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path}, line {number}: is no JSON ({error.msg} at column {error.colno}); {_WANTED}"
            ) from None
        except (NoGold, UserError, ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: {error}; {_WANTED}") from None
    if not pairs:
        raise UserError(f"{path}: has no line; {_WANTED}")
    return pairs


def checked_tolerance(value: Any) -> float | None:
    """A tolerance that a user wrote.

    Raises:
        UserError: it is no share of the gold between 0 and 1.
    """
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1):
        return value
    raise UserError(f"`tolerance` is {value!r}; it must be a share of the gold, above 0 and below 1, as 0.005")


def check_out(path: Path) -> None:
    """Refuse a file for results that could not be written at the end, before the work for it begins.

    Raises:
        UserError: it is a folder or a device, or lies below something that is no folder.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"--out {path}: is a {'folder' if path.is_dir() else 'device'}; name a file")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise UserError(f"--out {path}: {above} is no folder that can be written")


def _pair(row: Any) -> tuple[dict[str, Any], Accepted, str]:
    if not isinstance(row, dict):
        raise ValueError(f"is a {type(row).__name__}, no record")
    if missing := next((key for key in ("gold", "response") if key not in row), None):
        raise ValueError(f"there is no `{missing}`")
    response, unit = row["response"], row.get("unit")
    if not isinstance(response, str | None):
        raise ValueError(f"`response` is {response!r}; it must be a text")
    if not isinstance(unit, str | None):
        raise ValueError(f"`unit` is {unit!r}; it must be a text")
    if row["gold"] == []:
        raise ValueError("`gold` is an empty list")
    return row, Accepted(_golds(row["gold"]), checked_tolerance(row.get("tolerance")), unit), response or ""


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
