"""Pass@k over the number of tries, and how often responses answer and box, by template."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from verizero.evidence.cells import Row
from verizero.evidence.reading import Key
from verizero.report.plotting import BASE, INK, colours, new_figure, note, panels_of, size_of
from verizero.report.probe_figures import RATES, tries_of
from verizero.report.table import percent

MAX_PANELS, MAX_BAR_PANELS, MAX_LINES = 6, 9, 40


def draw_pass_at_k(rows: Sequence[Row], confidence: float) -> Figure:
    """A panel for each benchmark and protocol, a line with a band for each subject and template; k doubles."""
    panels = list(dict.fromkeys(_place(row) for row in rows))[:MAX_PANELS]
    names = _names(rows)
    palette = colours([names[row.key] for row in rows])
    across = min(3, len(panels))
    figure = new_figure(max(5.2, 4.4 * across), 0.7 + 3.6 * -(-len(panels) // across))
    lines: dict[str, Line2D] = {}
    drawn = figure.subplots(-(-len(panels) // across), across, squeeze=False).flat
    for axes, place in zip(drawn, panels, strict=False):
        own = [row for row in rows if _place(row) == place]
        most = 1
        for name, colour in palette.items():
            line = sorted((row for row in own if names[row.key] == name), key=tries_of)
            line = [row for row in line if row.estimate.estimate is not None]
            if not line:
                continue
            k = [tries_of(row) for row in line]
            values = [row.estimate.estimate or 0.0 for row in line]
            bounds = [(row.estimate.low, row.estimate.high) for row in line]
            [lines[name]] = axes.plot(k, values, "o-", color=colour, ms=4, lw=1.8)
            if all(low is not None for low, _ in bounds):
                low, high = zip(*bounds, strict=True)
                axes.fill_between(k, low, high, color=colour, alpha=0.12, lw=0)
            most = max(most, *k)
        axes.set_xscale("log", base=2)
        ticks = [2**exponent for exponent in range(most.bit_length())]
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.set_ylim(bottom=0)
        axes.set(title=" · ".join(place), xlabel=f"k, pass@k with {percent(confidence)} bands")
    for axes in list(drawn):
        axes.set_axis_off()
    shown = [name for name in palette if name in lines]
    handles = [lines[name] for name in shown]
    figure.legend(handles, shown, loc="outside lower left", ncols=3, frameon=False, fontsize=8.5)
    return figure


def draw_bars(rows: Sequence[Row], confidence: float) -> Figure:
    """A panel for each benchmark and protocol, a group of bars for each model, a bar for each template."""
    places = list(dict.fromkeys(_place(row) for row in rows))
    shown = places[:MAX_BAR_PANELS]
    models = list(dict.fromkeys(row.key.model for row in rows))
    palette = colours([row.key.template for row in rows])
    templates, width = list(palette), 0.8 / len(palette)
    names = [textwrap.fill(name, max(8, 36 // len(models))) for name in models]  # breaks at hyphens
    figure = new_figure(size_of(len(shown))[0], 1 + 2.9 * -(-len(shown) // 3))
    for axes, place in zip(panels_of(figure, len(shown), sharey=True), shown, strict=True):
        for row in (row for row in rows if _place(row) == place):
            found = row.estimate
            at = models.index(row.key.model) + (templates.index(row.key.template) - (len(templates) - 1) / 2) * width
            axes.bar(at, found.estimate or 0.0, 0.86 * width, color=palette[row.key.template])
            if found.low is not None and found.high is not None:
                axes.plot([at, at], [found.low, found.high], color=INK, lw=1.2, solid_capstyle="butt")
            # a bar of no height has no colour: the dot has it
            axes.plot([at], [found.estimate or 0.0], "o", color=palette[row.key.template], ms=5.5, mec=INK, mew=0.8)
        axes.set_xticks(range(len(models)), names, fontsize=8.5)
        axes.set_xlim(-0.6, len(models) - 0.4)
        if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
            axes.set_ylabel("accuracy")
        axes.set_title(" · ".join(place))
        axes.grid(axis="x", visible=False)
    handles = [Patch(color=colour, label=name) for name, colour in palette.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(6, len(handles)), frameon=False, fontsize=8.5)
    more = f" {len(places) - MAX_BAR_PANELS} more panels are in the data." if len(places) > MAX_BAR_PANELS else ""
    note(figure, f"Accuracy of base models by template, with {percent(confidence)} intervals.{more}")
    return figure


def draw_rates(rows: Sequence[Row], confidence: float) -> Figure:
    """Two panels, the share of responses that attempt an answer and that have a box; a line a benchmark, protocol and subject."""
    names = _names(rows)
    places = sorted({(row.key.benchmark, row.key.protocol) for row in rows})
    lines = [
        (place, name)
        for place in places
        for name in dict.fromkeys(names[row.key] for row in rows if _place(row) == place)
    ]
    palette = colours([row.key.template.split("/")[-1] for row in rows])
    lines = lines[:MAX_LINES]
    figure = new_figure(11, max(2.4, 1.2 + 0.24 * len(lines)))
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), RATES, strict=True):
        for row in rows:
            if row.metric != metric or (_place(row), names[row.key]) not in lines:
                continue
            at, found = lines.index((_place(row), names[row.key])), row.estimate
            colour = palette[row.key.template.split("/")[-1]]
            if found.low is not None and found.high is not None:
                axes.plot([found.low, found.high], [at, at], color=colour, lw=2, solid_capstyle="butt")
            axes.plot([found.estimate or 0.0], [at], "o", color=colour, ms=6, mec="white", mew=0.8)
        axes.set_title({"answer_rate": "Attempt an answer", "box_rate": "Have a box"}[metric])
        axes.set(xlim=(-0.03, 1.03), ylim=(len(lines) - 0.4, -0.6))
        axes.set_yticks(range(len(lines)), [" · ".join((*place, name)) for place, name in lines], color=INK, fontsize=8)
        axes.grid(axis="y", visible=False)
    words = f"Share of responses, {percent(confidence)} intervals; a colour a template."
    figure.supxlabel(words, x=0.01, ha="left", fontsize=8, color=BASE)
    return figure


def _names(rows: Sequence[Row]) -> dict[Key, str]:
    """What each row's line is called: the template and what trained it; the model where there are several."""
    several = len({row.key.model for row in rows}) > 1
    return {row.key: _name(row.key, several) for row in rows}


def _name(key: Key, model: bool) -> str:
    trained = f"{key.optimizer}@{key.checkpoint}" if key.optimizer else "base"
    return " ".join(([key.model] if model else []) + [key.template, trained])


def _place(row: Row) -> tuple[str, str]:
    return row.key.benchmark, row.key.protocol
