"""Which figures follow accuracy and behaviours over training, and their data, without drawing."""

from __future__ import annotations

from collections.abc import Sequence

from verizero.evidence.accuracy_by_step import Place, Point, accuracy_points, most_checkpoints, tokens_spent
from verizero.evidence.cells import Row
from verizero.evidence.curves import curve_rows
from verizero.evidence.headline import Column
from verizero.report.figure_data import Curves, OfItsRows, PlannedFigure

SHOWN_BEHAVIOURS = {
    "answer_rate": "Attempt an answer",
    "clip_ratio": "Cut at the limit",
    "reflection_a": "Reflect (list of paper A)",
    "reflection_b": "Reflect (list of paper B)",
    "reflection_c": "Reflect (list of paper C)",
    "reflection_c_per_1k": "Keywords of C for each 1,000 tokens",
}
"""Metrics of kept steps that have a panel, in this order: name -> title."""
WHERE = ("benchmark", "protocol", "template")


def step_figures(
    place: Place,
    ending: str,
    curves: Curves,
    rows: Sequence[Row],
    columns: Sequence[Column],
    rollouts: Sequence[dict[str, str]],
    asked: bool,
) -> list[PlannedFigure]:
    """Accuracy over steps, beside training and over tokens, and behaviours of kept steps, of one place.

    Args:
        ending: of the figures' names.
        curves: of the place's runs.
        rows: of the main table.
        rollouts: of the table of kept training steps.
        asked: whether the study names `accuracy_by_step`: then one checkpoint is enough.
    """
    points = accuracy_points(rows, place, columns)
    found = []
    if most_checkpoints(points) >= (1 if asked else 2):
        found.append(_figure("accuracy_by_step", ending, [_texts(point) for point in points]))
    trained = [row for row in curve_rows({"pass_rate": curves["pass_rate"]}) if row["pass_rate"]]
    if points and trained:
        lines = [_training(row) for row in trained]
        texts = [*lines, *(_test(point) for point in points)]
        shown = {"pass_rate": curves["pass_rate"]}
        found.append(PlannedFigure(f"training_and_test{ending}", "training_and_test", shown, (), data=texts))
    spent = [(point, tokens_spent(curves, place, point)) for point in points]
    if any(tokens for _, tokens in spent):
        texts = [{**_texts(point), "tokens": f"{tokens:.1f}"} for point, tokens in spent if tokens is not None]
        found.append(_figure("accuracy_by_tokens", ending, texts))
    own = [
        row
        for row in rollouts
        if (row["model"], row["train_set"], row["template"]) == (place.model, place.train_set, place.template)
        and row["metric"] in SHOWN_BEHAVIOURS
        and row["estimate"]
    ]
    if own:
        found.append(_figure("rollout_behaviours", ending, own))
    return found


def _figure(kind: OfItsRows, ending: str, rows: list[dict[str, str]]) -> PlannedFigure:
    return PlannedFigure(f"{kind}{ending}", kind, {}, (), data=rows)


def _texts(point: Point) -> dict[str, str]:
    """A row of the main table under the optimizer's name, so that a base model's row stands in each line that begins with it."""
    return point.row.texts() | {"optimizer": point.optimizer, "checkpoint": str(point.step)}


def _training(row: dict[str, str]) -> dict[str, str]:
    about = {"of": "training", "optimizer": row["optimizer"], "seed": row["seed"], "step": row["step"]}
    return {
        **about,
        "benchmark": "",
        "protocol": "",
        "template": "",
        "metric": "pass_rate",
        "estimate": row["pass_rate"],
        "ci_low": "",
        "ci_high": "",
    }


def _test(point: Point) -> dict[str, str]:
    texts = point.row.texts()
    return {
        "of": "test",
        "optimizer": point.optimizer,
        "seed": "",
        "step": str(point.step),
        **{name: texts[name] for name in (*WHERE, "metric", "estimate", "ci_low", "ci_high")},
    }
