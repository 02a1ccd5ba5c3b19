"""What responses were like while a run trained, step by step, from the completions that it kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verizero.config.spec import PlannedRun, StudySpec
from verizero.evidence.behaviours import METRICS, behaviour_estimate
from verizero.evidence.cells import decimal_text
from verizero.evidence.kept_completions import kept_completions
from verizero.evidence.reading import MemberGrades
from verizero.evidence.responses import MemberResponses, measured, questions_of
from verizero.reward.extraction import boxed

ROLLOUT_COLUMNS = (
    *("model", "train_set", "template", "optimizer", "seed", "step", "metric"),
    *("estimate", "ci_low", "ci_high", "n_problems", "n_samples"),
)
READ = ("place", "sample", "problem", "completion", "finish", "correct", "token_ids")


def rollout_rows(spec: StudySpec, results: Path) -> tuple[list[dict[str, str]] | None, list[str]]:
    """One row for each run, kept step and metric, its interval over the step's prompts; and what could not be read, in sentences.

    None where no run keeps completions.
    """
    rows: list[dict[str, str]] = []
    unread: list[str] = []
    kept = False
    for of in kept_completions(spec, results):
        kept = kept or bool(of.kept)
        questions = questions_of(of.run.train_set, results) if of.kept else None
        if of.kept and (questions is None or of.gone):
            unread.append(f"runs/{of.run.id}: its kept completions or its problems are not on this machine")
        elif questions is not None:
            for step, file in of.files.items():
                try:
                    rows += _rows(of.run, step, read_step(file, questions), spec.confidence)
                except (pa.ArrowException, OSError, KeyError) as error:
                    unread.append(f"runs/{of.run.id}: {file.name} cannot be read ({type(error).__name__})")
    return rows if kept else None, unread


def read_step(file: Path, questions: dict[str, str]) -> MemberResponses:
    """The completions of a step as [prompt, sample]; as [completion, 1] where prompts differ in their number of samples."""
    rows = sorted(pq.read_table(file, columns=list(READ)).to_pylist(), key=lambda row: (row["place"], row["sample"]))
    places = [row["place"] for row in rows]
    numbers = {places.count(place) for place in set(places)}
    shape = (len(set(places)), numbers.pop()) if len(numbers) == 1 else (len(rows), 1)
    grades = MemberGrades(
        path=file,
        problems=tuple(map(str, range(shape[0]))),
        correct=np.array([bool(row["correct"]) for row in rows]).reshape(shape),
        tokens=np.array([len(row["token_ids"]) for row in rows], dtype=np.float64).reshape(shape),
        truncated=np.array([row["finish"] == "length" for row in rows]).reshape(shape),
        boxed=np.array([boxed(row["completion"]) for row in rows]).reshape(shape),
        statuses={},
    )
    return MemberResponses(
        grades, measured([(row["completion"], questions.get(row["problem"], "")) for row in rows], shape)
    )


def _rows(run: PlannedRun, step: int, member: MemberResponses, confidence: float) -> Sequence[dict[str, str]]:
    about = {name: str(getattr(run, name)) for name in ROLLOUT_COLUMNS[:5]}
    found = []
    for metric in METRICS:
        one = behaviour_estimate({None: member}, metric, confidence)
        numbers = {"estimate": one.estimate, "ci_low": one.low, "ci_high": one.high}
        found.append(
            {
                **about,
                "step": str(step),
                "metric": metric,
                **{name: decimal_text(value) for name, value in numbers.items()},
                "n_problems": str(one.n_problems),
                "n_samples": str(one.n_samples),
            }
        )
    return found
