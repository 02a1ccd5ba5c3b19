"""Accuracy over steps and over tokens, training and test accuracy together, behaviours of kept steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from verizero.evidence.curves import Curve
from verizero.report.lines import draw_lines
from verizero.report.plotting import BASE, INK, colours, label_ends, new_figure, note, panels_of, size_of
from verizero.report.step_figures import SHOWN_BEHAVIOURS, WHERE
from verizero.report.table import percent

MAX_PANELS = 12
LEAST_SPAN = 0.02
"""Of a panel of shares, from bottom to top."""
Texts = Mapping[str, str]
End = tuple[float, float, str, str]


def draw_accuracy(rows: Sequence[Texts], across: str, confidence: float, palette: dict[str, str]) -> Figure:
    """A panel for each benchmark, a line with a band for each optimizer, over `checkpoint` or `tokens`."""
    places = _places(rows)
    shown = places[:MAX_PANELS]
    figure = new_figure(*size_of(len(shown)))
    for axes, place in zip(panels_of(figure, len(shown)), shown, strict=True):
        own = [row for row in rows if _place(row) == place]
        ends = []
        for optimizer, colour in palette.items():
            line = [row for row in own if row["optimizer"] == optimizer]
            draw = _banded if across == "checkpoint" else _barred  # not at the same x, bands would hide each other
            ends += draw(axes, line, across, colour, optimizer)
        for row in own:
            if row["checkpoint"] == "0":  # once for all lines, above what they drew of it
                if row["ci_low"]:
                    axes.plot([0, 0], [float(row["ci_low"]), float(row["ci_high"])], color=BASE, lw=1.3, zorder=3)
                axes.plot([0], [float(row["estimate"])], "o", color=BASE, ms=5, zorder=4)
        axes.set_title(f"{_title(place, places)}: accuracy")
        axes.set_xlabel("step" if across == "checkpoint" else "completion tokens sampled in training")
        _x_axis(axes, thousands=across == "tokens")
        _share_limits(axes)
        label_ends(axes, [(max(end[0] for end in ends), *end[1:]) for end in ends])
    more = f"; {len(places) - MAX_PANELS} more panels are in the data" if len(places) > MAX_PANELS else ""
    note(figure, f"Accuracy, mean over seeds, with {percent(confidence)} intervals; grey: the base model{more}.")
    return figure


def draw_training_and_test(
    rows: Sequence[Texts], training: Sequence[Curve], confidence: float, palette: dict[str, str]
) -> Figure:
    """A panel for each optimizer: the training curve, and the accuracy on each benchmark at its checkpoints."""
    tests = [row for row in rows if row["of"] == "test"]
    places = _places(tests)
    tones = colours([_title(place, places) for place in places])
    optimizers = [name for name in palette if any(row["optimizer"] == name for row in rows)]
    shown = optimizers[:MAX_PANELS]
    figure = new_figure(*size_of(len(shown)))
    panels = panels_of(figure, len(shown), sharey=True)
    ends: dict[str, list[End]] = {}
    for axes, optimizer in zip(panels, shown, strict=True):
        lines = draw_lines(axes, training, {optimizer: INK}, named=False)
        ends[optimizer] = [(x, y, "training", INK) for x, y, _, _ in lines]
        for place in places:
            title = _title(place, places)
            line = [row for row in tests if row["optimizer"] == optimizer and _place(row) == place]
            ends[optimizer] += _barred(axes, line, "step", tones[title], title)
        axes.set(title=f"{optimizer}: training and test", xlabel="step")
        _x_axis(axes)
    _share_limits(panels[0])
    for axes, optimizer in zip(panels, shown, strict=True):  # only now are the shared limits known
        label_ends(axes, ends[optimizer])
    more = f" {len(optimizers) - MAX_PANELS} more panels are in the data." if len(optimizers) > MAX_PANELS else ""
    words = "Share of right completions. Black: training, the mean over seeds thick, each seed thin"
    note(figure, f"{words}; dots: test accuracy at checkpoints with {percent(confidence)} intervals.{more}")
    return figure


def draw_behaviours(rows: Sequence[Texts], palette: dict[str, str]) -> Figure:
    """A panel for each metric, a line for each optimizer: the mean over seeds at the steps that all of them keep, each seed thin."""
    metrics = [name for name in SHOWN_BEHAVIOURS if any(row["metric"] == name for row in rows)]
    figure = new_figure(*size_of(len(metrics)))
    for axes, metric in zip(panels_of(figure, len(metrics)), metrics, strict=True):
        ends: list[End] = []
        for optimizer, colour in palette.items():
            own = [row for row in rows if (row["metric"], row["optimizer"]) == (metric, optimizer)]
            by_seed = {
                seed: {int(row["step"]): float(row["estimate"]) for row in own if row["seed"] == seed}
                for seed in dict.fromkeys(row["seed"] for row in own)
            }
            for one in by_seed.values():
                axes.plot(list(one), list(one.values()), color=colour, lw=0.8, alpha=0.38)
            common = sorted(set.intersection(*(set(one) for one in by_seed.values()))) if by_seed else []
            if common:
                mean = [float(np.mean([one[step] for one in by_seed.values()])) for step in common]
                axes.plot(common, mean, "o-", color=colour, lw=2.3, ms=4)
                ends.append((common[-1], mean[-1], optimizer, colour))
        axes.set(title=SHOWN_BEHAVIOURS[metric], xlabel="step")
        _x_axis(axes)
        _share_limits(axes)
        label_ends(axes, ends)
    note(
        figure,
        "Share of the completions of a kept training step, where no unit is named. Thick: mean over seeds; thin: each seed.",
    )
    return figure


def _banded(axes: Axes, rows: Sequence[Texts], across: str, colour: str, name: str) -> list[End]:
    """The estimates of one line with the band of their intervals; where it ends."""
    bounds = [(float(row[across]), float(row["ci_low"]), float(row["ci_high"])) for row in rows if row["ci_low"]]
    if bounds:
        places, low, high = zip(*bounds, strict=True)
        axes.fill_between(places, low, high, color=colour, alpha=0.1, lw=0)
    return _line(axes, rows, across, colour, name, 2.0)


def _barred(axes: Axes, rows: Sequence[Texts], across: str, colour: str, name: str) -> list[End]:
    """The estimates of one line, each with its interval; where it ends."""
    for row in rows:
        if row["ci_low"]:
            place = float(row[across])
            axes.plot([place, place], [float(row["ci_low"]), float(row["ci_high"])], color=colour, lw=1.3, alpha=0.6)
    return _line(axes, rows, across, colour, name, 1.3)


def _line(axes: Axes, rows: Sequence[Texts], across: str, colour: str, name: str, width: float) -> list[End]:
    if not rows:
        return []
    x, y = [float(row[across]) for row in rows], [float(row["estimate"]) for row in rows]
    axes.plot(x, y, "o-", color=colour, lw=width, ms=4.5)
    return [(x[-1], y[-1], name, colour)]


def _places(rows: Sequence[Texts]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(_place(row) for row in rows))


def _place(row: Texts) -> tuple[str, ...]:
    """Benchmark, protocol and the template of the evaluation."""
    return (row[WHERE[0]], row[WHERE[1]], row[WHERE[2]].split("/")[-1])


def _title(place: tuple[str, ...], among: Sequence[tuple[str, ...]]) -> str:
    """The benchmark, and of protocol and template what several of them differ in."""
    alike = [other for other in among if other[0] == place[0]]
    return " · ".join([place[0], *(place[i] for i in (1, 2) if len({other[i] for other in alike}) > 1)])


def _x_axis(axes: Axes, thousands: bool = False) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if thousands:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _share_limits(axes: Axes) -> None:
    """Room for what is drawn, inside 0 and above, and never so narrow that noise fills the panel."""
    low, high = axes.get_ylim()
    low = max(0.0, low)
    axes.set_ylim(low, max(high, low + LEAST_SPAN))
