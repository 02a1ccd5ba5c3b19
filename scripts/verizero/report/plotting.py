"""How figures look, and how they are written so that the same data give the same bytes. Only `aggregate` imports this."""

from __future__ import annotations

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


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name behind its end, moved apart where two would overlap.

    Args:
        ends: x, y, text, colour of each line's end, in data units.
    """
    low, high = axes.get_ylim()
    gap, last = (high - low) * 0.062, -float("inf")
    for x, y, text, colour in sorted(ends, key=lambda end: end[1]):
        last = max(y, last + gap)
        axes.annotate(
            text,
            (x, last),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=8.5,
            fontweight="bold",
            annotation_clip=False,
        )


def save(figure: Figure, folder: Path, name: str, rows: Sequence[dict[str, str]]) -> None:
    """PNG and SVG without dates or versions, and the figure's data as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(folder / f"{name}.png", metadata={"Software": None})
    FigureCanvasSVG(figure).print_svg(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    (folder / f"{name}.csv").write_text(figure_csv(rows), encoding="utf-8")
