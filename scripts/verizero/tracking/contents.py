"""What of a study is published and what is left elsewhere: the one place that decides."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from verizero.artifacts.bundle import Reason
from verizero.artifacts.events import CURVES_FILE, EVENTS_FILE, ROLLOUTS_FOLDER
from verizero.artifacts.manifest import Kind
from verizero.tracking.lineage import Artifact

REASONS: dict[Reason, str] = {
    "weights": "weights, tokenizers and what else a model or a checkpoint is made of: no number is computed from them without sampling again",
    "problems": "texts of problems, which belong to their authors: their own jobs make them again from their source",
    "rollouts": "completions that a run was trained on, which stand beside the texts of their problems: no number is computed from them",
    "drawings": "pictures and the report: they show what the tables and the figures' data say, and `aggregate` draws them again without weights",
    "tracking": "where the DVC and MLflow of the machine that computed it have the study",
}


def left_out(kind: Kind, path: str) -> Reason | None:
    """Why a file of an artifact is not published; None when it is.

    Everything is published from which a number of a table follows (samples, verdicts, training curves), and what the study
    itself says in text. Of the problems only the accepted answers are, in a file of their own (`golds`).

    Args:
        kind: of the artifact.
        path: of the file, inside its payload or beside its manifest.
    """
    match kind:
        case "model" | "run":
            if path.startswith(f"{ROLLOUTS_FOLDER}/"):
                return "rollouts"
            return None if path in (CURVES_FILE, EVENTS_FILE) else "weights"
        case "dataset":
            return "problems"
        case "overlap":
            return None if path == "pairs.jsonl" else "problems"
        case "study":
            return None if path.endswith((".csv", ".md", ".tex", ".json")) else "drawings"
        case "tracking":
            return "tracking"
    return None


def graded_benchmarks(artifacts: Iterable[Artifact]) -> frozenset[Path]:
    """The manifests of the data sets that samples answer."""
    return frozenset(
        artifact.upstream()["benchmark"].path for artifact in artifacts if artifact.manifest.kind == "samples"
    )
