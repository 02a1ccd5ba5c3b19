"""Evaluation results as MLflow metrics: each run's own, and the table's estimate that it enters."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from verizero.config.expansion import Step, parse_run
from verizero.config.spec import Cell, StudySpec
from verizero.tracking.lineage import Artifact
from verizero.tracking.mlflow_runs import Score, TrainingRun, metric_name, milliseconds


def training_runs(spec: StudySpec, study: Artifact) -> list[TrainingRun]:
    """Every run of a study with its benchmarks and scores.

    Raises:
        UserError: an artifact is missing or damaged.
    """
    rows = table_rows(study.path.parent / "tables" / "main.csv")
    time = milliseconds(study.record.attempts[-1].ended)
    return [
        _training_run(study, run.id, [cell for cell in spec.cells if _evaluates(cell, run.id)], rows, time)
        for run in spec.runs
    ]


def table_rows(table: Path) -> list[dict[str, str]]:
    """The rows of a table as texts."""
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _training_run(
    study: Artifact, run_id: str, cells: Sequence[Cell], rows: Sequence[Mapping[str, str]], time: int
) -> TrainingRun:
    run = study.at("runs", run_id)
    benchmarks: dict[Path, Artifact] = {}
    scores: dict[str, Score] = {}
    for cell in cells:
        for name, member in study.at("grades", *cell.grades.split("/")).members().items():
            benchmark = member.upstream()["benchmark"]
            benchmarks[benchmark.path] = benchmark
            counts, ended = member.manifest.counts, milliseconds(member.record.attempts[-1].ended)
            share = float(counts["correct"] or 0) / float(counts["samples"] or 1)
            key = f"eval/{metric_name(name)}/share_correct"
            scores[f"{key}@{cell.step}"] = Score(key, share, _number(cell.step, run), ended)
    for score in _of_table(run, rows, time):
        scores[f"{score.name}@{score.step}"] = score
    return TrainingRun(run, tuple(benchmarks.values()), tuple(scores.values()))


def _number(step: Step, run: Artifact) -> int:
    """A step as a number: the one that was best in this run, where that is what is meant."""
    return int(run.manifest.counts.get("best step") or 0) if step == "best" else step


def _of_table(artifact: Artifact, rows: Sequence[Mapping[str, str]], time: int) -> list[Score]:
    """The table's numbers are over all seeds of a recipe; their names say so."""
    run, found = parse_run(artifact.path.parent.name), []
    for row in rows:
        trained = row["template"].split("/")[0]
        if (row["model"], row["train_set"], trained, row["optimizer"]) != (
            run.model,
            run.train_set,
            run.template,
            run.optimizer,
        ):
            continue
        name = metric_name(
            f"over_seeds/{row['benchmark']}.{row['template'].split('/')[-1]}.{row['protocol']}/{row['metric']}"
        )
        for column, ending in (("estimate", ""), ("ci_low", "/ci_low"), ("ci_high", "/ci_high")):
            if row[column]:
                found.append(
                    Score(
                        name + ending,
                        float(row[column]),
                        _number("best" if row["checkpoint"] == "best" else int(row["checkpoint"]), artifact),
                        time,
                    )
                )
    return found


def _evaluates(cell: Cell, run_id: str) -> bool:
    return cell.grades.split("@")[0] == run_id
