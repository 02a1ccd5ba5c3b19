"""The figures of a study: reward and response length over training, and the final estimates with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from verizero.config.spec import StudySpec
from verizero.evidence.cells import Row
from verizero.evidence.curves import OF_THE_OBJECTIVE, window_of
from verizero.report.figure_data import LENGTHS, Curves, PlannedFigure
from verizero.report.lines import draw_lines
from verizero.report.plotting import BASE, INK, colours, label_ends, new_figure, save
from verizero.report.probe_drawings import draw_bars, draw_pass_at_k, draw_rates
from verizero.report.problem_drawings import draw_gains, draw_solve_rates
from verizero.report.step_drawings import draw_accuracy, draw_behaviours, draw_training_and_test
from verizero.report.table import percent

MAX_ROWS = 36
"""Rows of dots in one figure."""


def draw_all(spec: StudySpec, figures: Sequence[PlannedFigure], folder: Path) -> None:
    """Every figure of the study, as `<name>.png`, `.svg` and `.csv`."""
    palette = colours([run.optimizer for run in spec.runs])
    for one in figures:
        match one.kind:
            case "overview":
                drawn = _overview(spec, one, palette)
            case "reward":
                drawn = _reward(one.curves, palette)
            case "length":
                drawn = _lengths(one.curves, palette)
            case "objective":
                drawn = _objective(one.curves, palette)
            case "final":
                drawn = _final(one, spec.confidence, palette)
            case "bars":
                drawn = draw_bars(one.shown, spec.confidence)
            case "pass_at_k":
                drawn = draw_pass_at_k(one.shown, spec.confidence)
            case "rates":
                drawn = draw_rates(one.shown, spec.confidence)
            case "accuracy_by_step":
                drawn = draw_accuracy(one.data, "checkpoint", spec.confidence, palette)
            case "accuracy_by_tokens":
                drawn = draw_accuracy(one.data, "tokens", spec.confidence, palette)
            case "training_and_test":
                drawn = draw_training_and_test(one.data, one.curves["pass_rate"], spec.confidence, palette)
            case "rollout_behaviours":
                drawn = draw_behaviours(one.data, palette)
            case "gains":
                drawn = draw_gains(one.data, spec.confidence, palette)
            case "solve_rates":
                drawn = draw_solve_rates(one.data)
        save(drawn, folder, one.name, one.rows())


def _overview(spec: StudySpec, one: PlannedFigure, palette: dict[str, str]) -> Figure:
    curves, shown = one.curves, one.shown
    seeds = sorted({run.seed for run in spec.runs})
    figure = new_figure(13.2, max(4.3, 1.9 + 0.28 * len(shown)))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.05))
    draw_lines(left, curves.get("reward_mean", ()), palette)
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
    return figure


def _reward(curves: Curves, palette: dict[str, str]) -> Figure:
    figure = new_figure(6.4, 4)
    axes = figure.subplots()
    draw_lines(axes, curves["reward_mean"], palette)
    axes.set(title="Mean reward of a step's completions", xlabel="step")
    return figure


def _lengths(curves: Curves, palette: dict[str, str]) -> Figure:
    figure = new_figure(11.4, 4)
    panels = figure.subplots(1, 3)
    titles = ("Correct responses (tokens)", "Incorrect responses (tokens)", "Share cut at the limit")
    for axes, metric, title in zip(panels, (*LENGTHS, "truncated_share"), titles, strict=True):
        if metric == "truncated_share":
            highest = max((float(np.nanmax(curve.values, initial=0.0)) for curve in curves[metric]), default=0.0)
            axes.set_ylim(0, max(0.02, 1.1 * highest))
        draw_lines(axes, curves[metric], palette)
        axes.set(title=title, xlabel="step")
    return figure


def _objective(curves: Curves, palette: dict[str, str]) -> Figure:
    """A panel for each metric that some run has, three in a row."""
    rows, columns = -(-len(curves) // 3), min(3, len(curves))
    figure = new_figure(max(6.4, 3.8 * columns), 3.6 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, (metric, found) in zip(panels, curves.items(), strict=False):
        draw_lines(axes, found, palette)
        axes.set(title=OF_THE_OBJECTIVE[metric], xlabel="step")
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    return figure


def _final(one: PlannedFigure, confidence: float, palette: dict[str, str]) -> Figure:
    figure = new_figure(7.2, max(2.2, 1.1 + 0.3 * min(len(one.shown), MAX_ROWS)))
    axes = figure.subplots()
    _dots(axes, one.shown, palette)
    axes.set_title(f"{one.title}, {percent(confidence)} intervals", loc="left")
    return figure


def _both_lengths(axes: Axes, curves: Curves, palette: dict[str, str]) -> None:
    ends = draw_lines(axes, curves.get(LENGTHS[0], ()), palette, "--", " correct", named=False) + draw_lines(
        axes, curves.get(LENGTHS[1], ()), palette, "-", " incorrect", named=False
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
