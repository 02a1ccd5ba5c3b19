"""Gains by subject and by level, and the heat map of solve rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from verizero.report.plotting import BASE, INK, PALETTE, new_figure, note
from verizero.report.table import percent

Texts = Mapping[str, str]
NOT_SUBJECTS = ("benchmark", "protocol", "problem", "of_problems")
MOST_TICKS = 20
SHARE = LinearSegmentedColormap.from_list("share", ["#f4f6f8", "#9cc3de", PALETTE[0], "#002b45"])
"""One hue from light to dark, so that it reads in grey too."""


def draw_gains(rows: Sequence[Texts], confidence: float, palette: dict[str, str]) -> Figure:
    """A panel by subject and one by level, as far as the problems have them; a dot with its interval for each optimizer."""
    kinds = list(dict.fromkeys(row["by"] for row in rows))
    optimizers = [name for name in palette if any(row["optimizer"] == name for row in rows)]
    most = max(len({row["category"] for row in rows if row["by"] == by}) for by in kinds)
    height = 1.5 + most * (0.2 + 0.17 * len(optimizers))
    figure = new_figure(11.4 if len(kinds) > 1 else 7.2, max(2.6, height))
    for axes, by in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
        _gains(axes, [row for row in rows if row["by"] == by], optimizers, palette)
        axes.set_title(f"{rows[0]['benchmark']}: change from base by {by}")
    marks = [Line2D([], [], marker="o", color=palette[name], lw=2, label=name) for name in optimizers]
    figure.legend(handles=marks, loc="outside upper left", ncols=min(4, len(marks)), frameon=False, fontsize=8.5)
    words = "Accuracy of the last checkpoint minus the base model's, paired over the category's problems"
    note(figure, f"{words} (their number behind it); {percent(confidence)} intervals, not adjusted for their number.")
    return figure


def draw_solve_rates(rows: Sequence[Texts]) -> Figure:
    """One row a problem, one column a subject; the columns of one optimizer stand together."""
    subjects = [name for name in rows[0] if name not in NOT_SUBJECTS]
    table = np.array([[float(row[name]) for name in subjects] for row in rows])
    groups = [name.partition("@")[0] for name in subjects]
    gap = 0.35  # of a column, between the base model and each optimizer
    left = [i + gap * len(set(groups[: i + 1])) - gap for i in range(len(subjects))]
    figure = new_figure(min(11.8, max(5.2, 2.2 + 0.62 * len(subjects))), 5.6)
    axes = figure.subplots()
    for at, column in zip(left, table.T, strict=True):
        shown = axes.imshow(
            column[:, None],
            extent=(at, at + 1, len(rows), 0),
            aspect="auto",
            cmap=SHARE,
            vmin=0,
            vmax=1,
            interpolation="nearest",
        )
    axes.set(xlim=(-0.1, left[-1] + 1.1), ylim=(len(rows), 0), ylabel="problems, by the base model's rate")
    named = _named_columns(groups)
    axes.set_xticks(
        [at + 0.5 for at, shown_here in zip(left, named, strict=True) if shown_here],
        [name.partition("@")[2] or "base" for name, shown_here in zip(subjects, named, strict=True) if shown_here],
        fontsize=8.5,
    )
    for name in dict.fromkeys(groups[1:]):
        own = [at for at, group in zip(left, groups, strict=True) if group == name]
        middle = (own[0] + own[-1] + 1) / 2
        axes.text(
            middle, 1.012, name, transform=axes.get_xaxis_transform(), ha="center", fontsize=8.5, fontweight="bold"
        )
    first = rows[0]
    axes.set_title(f"{first['benchmark']}: share of right samples of each problem", pad=20)
    axes.set_xlabel("step of the checkpoint")
    figure.colorbar(shown, ax=axes, shrink=0.6, aspect=18).outline.set_visible(False)
    some = (
        f"{len(rows)} of {first['of_problems']} problems, the first by SHA-256 of their ids"
        if len(rows) < int(first["of_problems"])
        else f"all {len(rows)} problems"
    )
    note(figure, f"Protocol {first['protocol']}, {some}; mean over seeds.")
    axes.grid(visible=False)
    return figure


def _named_columns(groups: Sequence[str]) -> list[bool]:
    """Which columns have a tick: all, or of each optimizer the last one and every so many before it, where there are too many to read."""
    every = -(-len(groups) // MOST_TICKS)
    return [groups[i:].count(group) % every == 1 % every or i == 0 for i, group in enumerate(groups)]


def _gains(axes: Axes, rows: Sequence[Texts], optimizers: Sequence[str], palette: dict[str, str]) -> None:
    categories = sorted({row["category"] for row in rows}, key=lambda name: (not name.isdigit(), name.zfill(6)))
    numbers = {row["category"]: row["n_problems"] for row in rows}
    spread = 0.62 / max(1, len(optimizers))
    for row in rows:
        place = optimizers.index(row["optimizer"]) - (len(optimizers) - 1) / 2
        at, colour = categories.index(row["category"]) + spread * place, palette[row["optimizer"]]
        if row["ci_low"]:
            ends = [100 * float(row["ci_low"]), 100 * float(row["ci_high"])]
            axes.plot(ends, [at, at], color=colour, lw=1.8, solid_capstyle="butt")
        axes.plot([100 * float(row["change"])], [at], "o", color=colour, ms=5.5, mec="white", mew=0.7)
    axes.set_xlabel("percentage points")
    axes.axvline(0, color=BASE, lw=1)
    axes.set_yticks(range(len(categories)), [f"{name}  ({numbers[name]})" for name in categories], color=INK)
    axes.set_ylim(len(categories) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
