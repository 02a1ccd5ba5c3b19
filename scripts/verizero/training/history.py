"""How often each problem was answered right, step by step: what a later set may be chosen by, and what a step may draw its prompts by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from verizero.artifacts.events import EventLog
from verizero.training.rollouts import Outcomes


class History:
    """The accuracies of a run's problems, on every rank; the first one writes them down.

    Args:
        file: in the scratch folder; None on the other ranks.
        through: the last step that counts; what is written of later ones is done again.
    """

    def __init__(self, file: Path | None, through: int) -> None:
        self.log = EventLog(file) if file else None
        if self.log:
            self.log.keep_through(through)
        self.steps: list[tuple[int, dict[str, float]]] = [
            (event["step"], event["metrics"]) for event in (self.log.events() if self.log else [])
        ]

    def add(self, step: int, sampled: Outcomes) -> None:
        """A step has been sampled; all ranks know its outcomes."""
        found = accuracy_by_problem(sampled)
        self.steps.append((step, found))
        if self.log:
            self.log.write(step, dict(found), {})


def accuracy_by_problem(sampled: Outcomes) -> dict[str, float]:
    """Problem id -> share of right completions; one that occurs several times in a step has one accuracy."""
    right: dict[str, list[bool]] = {}
    for row in sampled.rows:
        right.setdefault(row.problem, []).append(row.correct)
    return {problem: sum(found) / len(found) for problem, found in right.items()}


def recent_rates(steps: Iterable[tuple[int, Mapping[str, float]]], weight: float) -> dict[str, float]:
    """Problem id -> its accuracy, the newest step with this weight and everything before with the rest."""
    found: dict[str, float] = {}
    for _, accuracies in steps:
        for problem, accuracy in accuracies.items():
            found[problem] = weight * accuracy + (1 - weight) * found[problem] if problem in found else accuracy
    return found


def history_text(steps: Iterable[tuple[int, Mapping[str, float]]], problems: Iterable[str]) -> str:
    """The file of a run's payload: a line for each problem that was trained on, in the order of the training set, which decides ties."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for step, accuracies in steps:
        for problem, accuracy in accuracies.items():
            at, values = found.setdefault(problem, ([], []))
            at.append(step)
            values.append(accuracy)
    rows = [{"problem": one, "steps": found[one][0], "accuracy": found[one][1]} for one in problems if one in found]
    return "".join(json.dumps(row) + "\n" for row in rows)
