"""What models made of problems, as far as the choice of a set depends on it: pass rates out of grades, histories out of runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import HISTORY_FILE
from verizero.artifacts.manifest import open_artifact, read_manifest
from verizero.artifacts.rows import read_rows
from verizero.config.problem_sets import Graded, History, PromptTokens
from verizero.problems.local import checked_file
from verizero.problems.problem import Problem

Histories = Mapping[str, Sequence[float]]
"""Problem id -> its accuracies, one for each epoch; in the order that decides ties."""


def _no_tokenizer(problem: Problem, how: PromptTokens) -> int:
    raise UserError(f"--tokenizer: the manifest of the model {how.model} is missing; the spec counts tokens by it")


@dataclass(frozen=True)
class Evidence:
    """The inputs of a set besides its own source."""

    sets: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    """Other sets, by name."""
    pass_rates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """`<subject>/<suite>` -> problem id -> share of right samples."""
    histories: Mapping[str, Histories] = field(default_factory=dict)
    """Run -> the histories of its problems."""
    prompt_tokens: Callable[[Problem, PromptTokens], int] = _no_tokenizer

    def pass_rate(self, how: Graded, problem: Problem) -> float:
        """Share of right samples.

        Raises:
            UserError: the grades are no input, or have nothing of this problem.
        """
        name = f"{how.subject}/{how.suite}"
        if name not in self.pass_rates:
            raise UserError(f"--grades: the manifest of {name} is missing; the spec reads pass rates from it")
        if problem.id not in self.pass_rates[name]:
            raise UserError(
                f"{name} has no sample of the problem {problem.id}; the suite must sample a set with the same problems, as one that this "
                "set has under `source: {kind: sets}`"
            )
        return self.pass_rates[name][problem.id]

    def history(self, run: str | None, published: History | None) -> Histories:
        """The histories of a run, or of a published file.

        Raises:
            UserError: the run is no input; the file is absent, another one, or no history.
        """
        if published is not None:
            return read_published(published)
        if run is None or run not in self.histories:
            raise UserError(f"--history: the manifest of the run {run} is missing; the spec reads its history")
        return self.histories[run]


NOTHING = Evidence()


def read_pass_rates(suite: Path) -> tuple[str, dict[str, float]]:
    """The name of a graded suite, `<subject>/<suite>`, and the share of right samples of each problem over all its members.

    Args:
        suite: its manifest.
    """
    manifest = read_manifest(suite)
    right: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for member in sorted(manifest.parts):
        payload = open_artifact(suite.parent / member / "manifest.json")[1]
        for row in read_rows(payload / "grades.jsonl.gz"):
            samples[row["problem"]] += 1
            right[row["problem"]] += bool(row["correct"])
    return manifest.id, {problem: right[problem] / count for problem, count in samples.items()}


def read_history(run: Path) -> tuple[str, dict[str, list[float]]]:
    """The id of a run, and the accuracies of each of its problems.

    Args:
        run: its manifest.

    Raises:
        UserError: the run keeps no history: an earlier version trained it.
    """
    manifest, payload = open_artifact(run)
    file = payload / HISTORY_FILE
    if not file.is_file():
        raise UserError(f"{run}: the run has no {HISTORY_FILE}; an earlier version trained it, so train it again")
    return manifest.id, {row["problem"]: row["accuracy"] for row in read_rows(file)}


def read_published(source: History) -> dict[str, list[float]]:
    """A history that lies under the mirror root.

    Raises:
        UserError: the file is absent, another one, or no history.
    """
    path = checked_file(source.path, source.sha256)
    found = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(found, dict) or not all(isinstance(values, list) and values for values in found.values()):
        raise UserError(f"{path}: holds no history; it must be a record of problem id: [accuracy, ...]")
    return {str(problem): [float(value) for value in values] for problem, values in found.items()}
