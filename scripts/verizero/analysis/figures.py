"""The figures of a study: reward and response length over training, and the final estimates with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from verizero.analysis.cells import Row
from verizero.analysis.curves import Curve, curve_rows, mean_curve, running_mean, window_of
from verizero.analysis.plotting import BASE, INK, colours, label_ends, new_figure, save
from verizero.analysis.tables import percent
from verizero.config.spec import PlannedRun, StudySpec

Curves = Mapping[str, Sequence[Curve]]
LENGTHS = ("length_correct_mean", "length_incorrect_mean")
MAX_ROWS = 36
"""Rows of dots in one figure."""


def draw_all(spec: StudySpec, curves: Curves, rows: Sequence[Row], folder: Path) -> list[str]:
    """Every figure of the study, as `<name>.png`, `.svg` and `.csv`; their names, the overview first.

    A study with several models, training sets or templates gets one set of figures for each; `overview` shows the first.
    """
    places = list(dict.fromkeys(_place(run) for run in spec.runs))
    palette = colours([run.optimizer for run in spec.runs])
    names = []
    for i, place in enumerate(places):
        ending = "" if len(places) == 1 else "." + ".".join(place)
        own = {metric: [curve for curve in found if _place(curve.run) == place] for metric, found in curves.items()}
        final = final_rows(rows, place)
        if i == 0:
            names.append(_overview(spec, own, final, palette, folder))
        if any(own.values()):
            names.append(_reward(own, palette, folder, f"reward{ending}"))
            names.append(_lengths(own, palette, folder, f"length{ending}"))
        for name, metric, title in (
            ("accuracy", "avg@", "Accuracy"),
            ("length_incorrect", "length_incorrect", "Length of incorrect responses (tokens)"),
        ):
            shown = [row for row in final if row.metric.startswith(metric)]
            if any(row.estimate.estimate is not None for row in shown):
                names.append(_final(shown, spec.confidence, palette, folder, f"final_{name}{ending}", title))
    return names


def final_rows(rows: Sequence[Row], place: tuple[str, str, str]) -> list[Row]:
    """The rows at the last checkpoint of the place's optimizers, and of its base model under the same members."""
    model, train_set, template = place
    trained = [
        row
        for row in rows
        if (row.key.model, row.key.train_set) == (model, train_set) and row.key.template.split("/")[0] == template
    ]
    last = {
        name: max(row.key.checkpoint for row in trained if row.key.optimizer == name)
        for name in {row.key.optimizer for row in trained}
    }
    trained = [row for row in trained if row.key.checkpoint == last[row.key.optimizer]]
    members = {(row.suite, row.member) for row in trained}
    return [
        row for row in rows if not row.key.optimizer and row.key.model == model and (row.suite, row.member) in members
    ] + trained


def _overview(spec: StudySpec, curves: Curves, final: Sequence[Row], palette: dict[str, str], folder: Path) -> str:
    shown = [row for row in final if row.metric.startswith("avg@") and row.estimate.estimate is not None]
    seeds = sorted({run.seed for run in spec.runs})
    figure = new_figure(13.2, max(4.3, 1.9 + 0.28 * len(shown)))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.05))
    _lines(left, curves.get("reward_mean", ()), palette)
    left.set_title("Training reward")
    left.set_xlabel("step")
    _both_lengths(middle, curves, palette)
    middle.set_title("Response length (tokens)")
    middle.set_xlabel("step")
    _dots(right, shown, palette)
    right.set_title(f"Accuracy, {percent(spec.confidence)} intervals")
    figure.suptitle("\n".join(textwrap.wrap(spec.question, 120)), x=0.01, ha="left", fontsize=12.5, fontweight="bold")
    window = max((window_of(len(curve.steps)) for curve in curves.get("reward_mean", ())), default=1)
    smooth = f", running mean over {window} steps" if window > 1 else ""
    figure.supxlabel(
        f"Thick: mean over {len(seeds)} seed{'s' if len(seeds) > 1 else ''}; thin: each seed{smooth}. Small dots: each seed.",
        x=0.01,
        ha="left",
        fontsize=8,
        color=BASE,
    )
    save(figure, folder, "overview", dot_rows(shown))
    return "overview"


def _reward(curves: Curves, palette: dict[str, str], folder: Path, name: str) -> str:
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    _lines(axes, curves["reward_mean"], palette)
    axes.set(title="Mean reward of a step's completions", xlabel="step")
    save(figure, folder, name, curve_rows({"reward_mean": curves["reward_mean"]}))
    return name


def _lengths(curves: Curves, palette: dict[str, str], folder: Path, name: str) -> str:
    figure = new_figure(11.4, 4)
    panels = figure.subplots(1, 3)
    titles = ("Correct responses (tokens)", "Incorrect responses (tokens)", "Share cut at the limit")
    for axes, metric, title in zip(panels, (*LENGTHS, "truncated_share"), titles, strict=True):
        if metric == "truncated_share":
            highest = max((float(np.nanmax(curve.values, initial=0.0)) for curve in curves[metric]), default=0.0)
            axes.set_ylim(0, max(0.02, 1.1 * highest))
        _lines(axes, curves[metric], palette)
        axes.set(title=title, xlabel="step")
    save(figure, folder, name, curve_rows({metric: curves[metric] for metric in (*LENGTHS, "truncated_share")}))
    return name


def _final(rows: Sequence[Row], confidence: float, palette: dict[str, str], folder: Path, name: str, title: str) -> str:
    shown = [row for row in rows if row.estimate.estimate is not None]
    figure = new_figure(7.2, max(2.2, 1.1 + 0.3 * min(len(shown), MAX_ROWS)))
    axes = figure.subplots()
    _dots(axes, shown, palette)
    axes.set_title(f"{title}, {percent(confidence)} intervals", loc="left")
    save(figure, folder, name, dot_rows(shown))
    return name


def _lines(
    axes: Axes, curves: Sequence[Curve], palette: dict[str, str], style: str = "-", ending: str = ""
) -> list[tuple[float, float, str, str]]:
    """Each optimizer's mean over seeds, and each seed thin; where the lines end."""
    ends = []
    for optimizer, colour in palette.items():
        own = [curve for curve in curves if curve.run.optimizer == optimizer and not np.isnan(curve.values).all()]
        if not own:
            continue
        for curve in own:
            axes.plot(
                curve.steps,
                running_mean(curve.values, window_of(len(curve.steps))),
                color=colour,
                lw=0.8,
                alpha=0.38,
                ls=style,
            )
        steps, mean = mean_curve(own)
        if not len(steps) or np.isnan(mean).all():
            continue
        smooth = running_mean(mean, window_of(len(steps)))
        axes.plot(steps, smooth, color=colour, lw=2.3, ls=style)
        ends.append((float(steps[-1]), float(smooth[~np.isnan(smooth)][-1]), f"{optimizer}{ending}", colour))
    if not ends:
        axes.text(0.5, 0.5, "no run has values", transform=axes.transAxes, ha="center", color=BASE)
    if not ending:
        label_ends(axes, ends)
    return ends


def _both_lengths(axes: Axes, curves: Curves, palette: dict[str, str]) -> None:
    ends = _lines(axes, curves.get(LENGTHS[0], ()), palette, "--", " correct") + _lines(
        axes, curves.get(LENGTHS[1], ()), palette, "-", " incorrect"
    )
    label_ends(axes, ends)


def _dots(axes: Axes, rows: Sequence[Row], palette: dict[str, str]) -> None:
    """One line a row: the estimate, its interval, each seed small; rows of one benchmark together."""
    optimizers = ["", *palette]
    places = list(
        dict.fromkeys(
            (row.key.benchmark, row.key.protocol, row.key.template.split("/")[-1], row.metric) for row in rows
        )
    )
    several = len({place[2] for place in places}) > 1
    at, ticks, names, tones = 0.0, [], [], []
    for place in places[: MAX_ROWS // 2]:
        axes.text(
            0,
            at - 0.75,
            " · ".join(
                (place[0], place[1], *([place[2]] if several else []), *([place[3]] if "@" in place[3] else []))
            ),
            transform=axes.get_yaxis_transform(),
            fontsize=8.5,
            color=INK,
            va="center",
        )
        own = [
            row
            for row in rows
            if (row.key.benchmark, row.key.protocol, row.key.template.split("/")[-1], row.metric) == place
        ]
        for row in sorted(own, key=lambda row: optimizers.index(row.key.optimizer)):
            found, colour = row.estimate, palette.get(row.key.optimizer, BASE)
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [at, at], color=colour, lw=2, solid_capstyle="butt")
            if len(found.by_seed) > 1:
                axes.plot(
                    list(found.by_seed.values()), [at + 0.28] * len(found.by_seed), ".", color=colour, ms=4, alpha=0.6
                )
            axes.plot([found.estimate or 0.0], [at], "o", color=colour, ms=6.5, mec="white", mew=0.8)
            ticks.append(at)
            names.append(row.key.optimizer or "base")
            tones.append(colour)
            at += 1
        at += 1.1
    axes.set_yticks(ticks, names)
    for label, colour in zip(axes.get_yticklabels(), tones, strict=True):
        label.set(color=colour, fontweight="bold", fontsize=8.5)
    axes.set_ylim(at - 0.6, -1.35)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


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


def _place(run: PlannedRun) -> tuple[str, str, str]:
    return run.model, run.train_set, run.template
