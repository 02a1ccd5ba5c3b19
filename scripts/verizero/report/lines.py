"""Lines over training steps: each optimizer's mean over seeds thick, each seed thin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from verizero.evidence.curves import Curve, mean_curve, running_mean, window_of
from verizero.report.plotting import BASE, label_ends


def draw_lines(
    axes: Axes, curves: Sequence[Curve], palette: dict[str, str], style: str = "-", ending: str = "", named: bool = True
) -> list[tuple[float, float, str, str]]:
    """Each optimizer's mean over seeds, and each seed thin; where the lines end.

    Args:
        ending: of each line's name.
        named: whether the names are written here; else the caller does so, once the limits of the axes are known.
    """
    ends = []
    for optimizer, colour in palette.items():
        own = [curve for curve in curves if curve.run.optimizer == optimizer and not curve.empty]
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
        there = ~np.isnan(smooth)  # a name behind a line that ends early stands at its end, inside the panel
        ends.append((float(steps[there][-1]), float(smooth[there][-1]), f"{optimizer}{ending}", colour))
    if not ends:
        axes.text(0.5, 0.5, "no run has values", transform=axes.transAxes, ha="center", color=BASE)
    if named:
        label_ends(axes, ends)
    return ends
