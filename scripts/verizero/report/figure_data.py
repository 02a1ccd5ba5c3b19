"""Which figures a study has and what each of them shows, without drawing: `aggregate` draws it, the audit computes it again."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from verizero.config.expansion import time_of
from verizero.config.spec import PlannedRun, StudySpec
from verizero.evidence.cells import Row
from verizero.evidence.curves import OF_THE_OBJECTIVE, Curve, curve_rows

Curves = Mapping[str, Sequence[Curve]]
LENGTHS = ("length_correct_mean", "length_incorrect_mean")
OfItsRows = Literal[
    "accuracy_by_step", "training_and_test", "accuracy_by_tokens", "gains", "solve_rates", "rollout_behaviours"
]
Kind = Literal["overview", "reward", "length", "objective", "final", "bars", "pass_at_k", "rates"] | OfItsRows


@dataclass(frozen=True)
class PlannedFigure:
    """One figure.

    Attributes:
        name: of its files, without an ending.
        kind: how it is drawn.
        curves: what it shows over training, metric -> one curve a run.
        shown: the rows of the main table that it shows.
        title: above the dots of a `final` figure.
        data: of a figure that is drawn from nothing but its own CSV rows.
    """

    name: str
    kind: Kind
    curves: Curves
    shown: Sequence[Row]
    title: str = ""
    data: Sequence[dict[str, str]] = ()

    @property
    def chosen_as(self) -> str:
        """What a study's `figures` calls it: its name without the recipe or the benchmark that it is about."""
        return self.name.partition(".")[0]

    def rows(self) -> list[dict[str, str]]:
        """Its data: column -> text, one row a dot, or one a run and step (before smoothing)."""
        match self.kind:
            case "reward":
                return curve_rows({"reward_mean": self.curves["reward_mean"]})
            case "length":
                return curve_rows({metric: self.curves[metric] for metric in (*LENGTHS, "truncated_share")})
            case "objective":
                return curve_rows(self.curves)
            case "overview" | "final" | "bars" | "pass_at_k" | "rates":
                return dot_rows(self.shown)
            case _:
                return list(self.data)


def planned_figures(spec: StudySpec, curves: Curves, rows: Sequence[Row]) -> list[PlannedFigure]:
    """Every figure of a study, the overview first.

    A study with several models, training sets or templates gets one set of figures for each; `overview` shows the first.
    """
    figures = []
    for i, (place, ending) in enumerate(endings(spec).items()):
        own = runs_of(curves, place)
        final = final_rows(rows, place)
        if i == 0:
            figures.append(PlannedFigure("overview", "overview", own, _estimated(final, "avg@")))
        if any(own.values()):
            figures.append(PlannedFigure(f"reward{ending}", "reward", own, ()))
            figures.append(PlannedFigure(f"length{ending}", "length", own, ()))
        if special := {
            name: own[name] for name in OF_THE_OBJECTIVE if not all(curve.empty for curve in own.get(name, ()))
        }:
            figures.append(PlannedFigure(f"objective{ending}", "objective", special, ()))
        for name, metric, title in (
            ("accuracy", "avg@", "Accuracy"),
            ("length_incorrect", "length_incorrect", "Length of incorrect responses (tokens)"),
        ):
            if shown := _estimated(final, metric):
                figures.append(PlannedFigure(f"final_{name}{ending}", "final", own, shown, title))
    return figures


def endings(spec: StudySpec) -> dict[tuple[str, str, str], str]:
    """Each model, training set and template that is trained, and how the names of its figures end: nothing where there is one alone."""
    places = list(dict.fromkeys(_place(run) for run in spec.runs))
    return {place: "" if len(places) == 1 else "." + ".".join(place) for place in places}


def runs_of(curves: Curves, place: tuple[str, str, str]) -> Curves:
    """The curves of one place's runs."""
    return {metric: [curve for curve in found if _place(curve.run) == place] for metric, found in curves.items()}


def figure_csv(rows: Sequence[dict[str, str]]) -> str:
    r"""A figure's data as RFC 4180 with `\n`."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else ["empty"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def final_rows(rows: Sequence[Row], place: tuple[str, str, str]) -> list[Row]:
    """The rows at the last checkpoint of the place's optimizers, and of its base model under the same members."""
    model, train_set, template = place
    trained = [
        row
        for row in rows
        if (row.key.model, row.key.train_set) == (model, train_set) and row.key.template.split("/")[0] == template
    ]
    last = {
        name: max((row.key.checkpoint for row in trained if row.key.optimizer == name), key=time_of)
        for name in {row.key.optimizer for row in trained}
    }
    trained = [row for row in trained if row.key.checkpoint == last[row.key.optimizer]]
    members = {(row.suite, row.member) for row in trained}
    return [
        row for row in rows if not row.key.optimizer and row.key.model == model and (row.suite, row.member) in members
    ] + trained


def dot_rows(rows: Sequence[Row]) -> list[dict[str, str]]:
    """What a figure of dots shows."""
    return [
        {
            **row.texts(),
            **{
                "by_seed": " ".join(
                    f"{seed}:{value:.6f}" for seed, value in row.estimate.by_seed.items() if seed is not None
                )
            },
        }
        for row in rows
    ]


def _estimated(rows: Sequence[Row], metric: str) -> list[Row]:
    return [row for row in rows if row.metric.startswith(metric) and row.estimate.estimate is not None]


def _place(run: PlannedRun) -> tuple[str, str, str]:
    return run.model, run.train_set, run.template
