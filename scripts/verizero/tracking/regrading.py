"""Every published completion is graded again, with the grader that its spec names, and compared with its verdict.

What counts is all that a table reads: `correct`, `status`, `boxed`, `tokens`, `finish`, `answer_class`. They must be equal whichever version of
the grader gave them, because a number that the present version would not give is not confirmed by it; the sentence then says
that the version is another one. The rule and the extracted text only explain a verdict: under the same version they must be
equal too, under another one they are counted and told.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from verizero.artifacts.code import code_digest
from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import absent_files, open_artifact
from verizero.artifacts.progress import Progress
from verizero.artifacts.rows import read_rows
from verizero.reward.answer_classes import answer_classes
from verizero.reward.cut import cut_row
from verizero.reward.extraction import boxed
from verizero.reward.grading import BATCH, read_samples, votes
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Verdict
from verizero.tracking.golds import GOLDS, read_golds
from verizero.tracking.lineage import Artifact
from verizero.tracking.tally import Tally

T = TypeVar("T")
READ = ("problem", "sample", "correct", "status", "boxed", "tokens", "finish")
EXPLAINING = ("rule", "extracted")
GRADER = Path(__file__).resolve().parents[2] / "grade.py"
BY_THE_CLOCK = ("timeout", "error", "limit")


class NoAlgebra(UserError):
    """The Python at work has no algebra to decide what is equal; nothing is said about the study."""


def regrade(grades: Sequence[Artifact], tally: Tally, workers: int) -> Iterator[str]:
    """Grade the samples of each member again; one sentence for the first verdict of a member that differs.

    Args:
        grades: artifacts of kind `grades`.
        tally: counts what was done.
        workers: processes for algebra.

    Raises:
        UserError: samples do not fit their benchmark.
        NoAlgebra: algebra is needed in an environment without it.
    """
    present = code_digest(GRADER)
    total = sum(int(one.manifest.counts.get("samples") or 0) for one in grades)
    ordered = sorted(grades, key=lambda one: str(one.manifest.spec.get("grader")))
    with Progress("grade again", total, "verdicts") as progress:
        for name, members in itertools.groupby(ordered, key=lambda one: str(one.manifest.spec.get("grader"))):
            with GradingPool(name, workers) as pool:
                for member in members:
                    yield from _member(member, pool, present, tally, progress)


def _member(grades: Artifact, pool: GradingPool, present: str, tally: Tally, progress: Progress) -> Iterator[str]:
    upstream = grades.upstream()
    rows, answers = _samples(upstream["samples"].path, upstream["benchmark"].path)
    rows = [cut_row(row, grades.manifest.spec.get("cut_tokens")) for row in rows]
    payload = open_artifact(grades.path)[1]
    file = payload / "grades.jsonl.gz"
    said = list(read_rows(file))
    if len(said) != len(rows):
        yield f"{file} has {len(said)} verdicts, its samples are {len(rows)}"
    same = grades.record.code_sha256 == present
    if not same:
        tally.other_graders.add(grades.record.code_sha256)
    different: list[str] = []
    given: list[Verdict] = []
    for begin in range(0, len(rows), BATCH):
        batch = rows[begin : begin + BATCH]
        verdicts = _graded(pool, [(answers[row["problem"]], row["text"]) for row in batch])
        for row, verdict, published in zip(batch, verdicts, said[begin : begin + BATCH], strict=True):
            again = _row(row, verdict)
            keys = [key for key in (*READ, *EXPLAINING) if published.get(key) != again[key]]
            counting = keys if same else [key for key in keys if key in READ]
            if counting:
                different.append(_sentence(file, published, again, counting[0]))
            elif keys:
                tally.reworded += 1
        given.extend(verdicts)
        tally.verdicts += len(batch)
        progress.advance(len(batch))
    if (same and votes(rows)) or any("answer_class" in row for row in said):
        classes = _with_algebra(lambda: answer_classes([row["problem"] for row in rows], given, pool))
        for row, verdict, one, published in zip(rows, given, classes, said, strict=True):
            if "answer_class" not in published or published["answer_class"] != one:
                again = {**_row(row, verdict), "answer_class": one}
                different.append(_sentence(file, published, again, "answer_class"))
    if different:
        version = (
            ""
            if same
            else f"; a difference of the grader's version: it was graded by {grades.record.code_sha256[:12]}…, the present one is {present[:12]}…"
        )
        yield f"{different[0]} ({len(different)} of {len(rows)} verdicts of this file differ){version}"


def _samples(samples: Path, benchmark: Path) -> tuple[list[dict[str, Any]], dict[str, Accepted]]:
    """Samples and accepted answers; from the published golds where the problems themselves are not here."""
    golds = benchmark.parent / GOLDS
    if not golds.is_file() or not absent_files(benchmark):
        return read_samples(samples, benchmark)
    answers = read_golds(golds)
    rows = list(read_rows(open_artifact(samples)[1] / "samples.jsonl.gz"))
    if unknown := next((row["problem"] for row in rows if row["problem"] not in answers), None):
        raise UserError(f"{samples}: has a sample of problem {unknown}, which {golds} does not have")
    return rows, answers


def _graded(pool: GradingPool, pairs: Sequence[Any]) -> list[Verdict]:
    return _with_algebra(lambda: pool.grade_all(pairs))


def _with_algebra(work: Callable[[], list[T]]) -> list[T]:
    try:
        return work()
    except RuntimeError:
        if importlib.util.find_spec("math_verify") is None:
            raise NoAlgebra(
                "these answers need algebra, and this Python has no math-verify; run the same with .venv/jobs/bin/python"
            ) from None
        raise


def _row(row: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    return {
        **{key: row.get(key) for key in ("problem", "sample", "tokens", "finish")},
        **{key: getattr(verdict, key) for key in ("correct", "status", "rule", "extracted")},
        "boxed": boxed(row["text"]),
    }


def _sentence(file: Path, published: dict[str, Any], again: dict[str, Any], key: str) -> str:
    clock = key == "answer_class" or {published.get("status"), again["status"]} & set(BY_THE_CLOCK)
    return (
        f"{file}: sample {again['sample']} of problem {again['problem']}: `{key}` is {published.get(key)!r}, "
        f"the present grader says {again[key]!r}" + (" (a limit of time can depend on the machine)" if clock else "")
    )
