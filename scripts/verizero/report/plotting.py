"""How figures look, and how they are written so that the same data give the same bytes. Only `aggregate` imports this."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from verizero.report.figure_data import figure_csv

INK, FAINT, BASE = "#222222", "#d9d9d9", "#6f6f6f"
# Okabe and Ito's palette, told apart by colour-blind readers (https://jfly.uni-koeln.de/color/), darkest first.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7a5195", "#4d4d4d")
STYLE = "figures.mplstyle"


def colours(optimizers: Sequence[str]) -> dict[str, str]:
    """A colour for each optimizer, by its place in the study; after eight they repeat."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(dict.fromkeys(optimizers))}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    matplotlib.style.use(Path(__file__).with_name(STYLE))
    return Figure(figsize=(width, height), layout="constrained")


def panels_of(figure: Figure, number: int, sharey: bool = False) -> list[Axes]:
    """So many panels, three in a row; what is left of the last row is empty."""
    across = min(3, number)
    panels = list(figure.subplots(-(-number // across), across, squeeze=False, sharey=sharey).flat)
    for axes in panels[number:]:
        axes.set_axis_off()
    return panels[:number]


def size_of(number: int) -> tuple[float, float]:
    """Width and height, in inches, for so many panels of lines with names behind their ends."""
    return {1: 6.4, 2: 8.6}.get(number, 12.0), 0.5 + 3.4 * -(-number // 3)


def note(figure: Figure, text: str) -> None:
    """A small line below the panels: what bands, colours and thin lines are."""
    width = int(figure.get_figwidth() * 18)
    figure.supxlabel("\n".join(textwrap.wrap(text, width)), x=0.01, ha="left", fontsize=8, color=BASE)


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name behind its end, moved apart where two would overlap.

    Args:
        ends: x, y, text, colour of each line's end, in data units.
    """
    low, high = axes.get_ylim()
    named = sorted(ends, key=lambda end: end[1])
    gap = (high - low) * 0.062
    for (x, _, text, colour), y in zip(named, _apart([end[1] for end in named], gap, low + gap / 3), strict=True):
        axes.annotate(
            text,
            (x, y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8.5,
            fontweight="bold",
            annotation_clip=False,
        )


def _apart(heights: Sequence[float], gap: float, floor: float) -> list[float]:
    """Ascending heights moved so that none is nearer to the next than the gap, or below the floor; those that collide keep their mean."""
    stacks: list[list[float]] = []
    for height in heights:
        stacks.append([height])
        while (
            len(stacks) > 1
            and _middle(stacks[-1]) - _middle(stacks[-2]) < gap * (len(stacks[-1]) + len(stacks[-2])) / 2
        ):
            stacks[-2:] = [stacks[-2] + stacks[-1]]
    apart = [_middle(own) + gap * (i - (len(own) - 1) / 2) for own in stacks for i in range(len(own))]
    return [max(height, floor + i * gap) for i, height in enumerate(apart)]


def _middle(heights: Sequence[float]) -> float:
    return sum(heights) / len(heights)


def save(figure: Figure, folder: Path, name: str, rows: Sequence[dict[str, str]]) -> None:
    """PNG and SVG without dates or versions, and the figure's data as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})
    FigureCanvasSVG(figure).print_svg(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    (folder / f"{name}.csv").write_text(figure_csv(rows), encoding="utf-8")
