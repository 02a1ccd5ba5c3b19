"""All figures of a study, those that it chooses, and why one that could be expected is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from verizero.config.spec import StudySpec
from verizero.evidence.accuracy_by_step import Place
from verizero.evidence.category_gains import read_categories
from verizero.evidence.cells import Row
from verizero.evidence.comparisons import Graded
from verizero.evidence.headline import Column
from verizero.report.figure_data import Curves, PlannedFigure, endings, planned_figures, runs_of
from verizero.report.probe_figures import probe_figures, template_figures
from verizero.report.problem_figures import gain_figures, solve_rate_figures
from verizero.report.step_figures import step_figures


def study_figures(
    spec: StudySpec,
    results: Path,
    graded: Sequence[Graded],
    curves: Curves,
    rows: Sequence[Row],
    columns: Sequence[Column],
    behaviours: Sequence[Row] | None,
    rollouts: Sequence[dict[str, str]] | None,
) -> tuple[list[PlannedFigure], list[str]]:
    """The figures in the report's order, and in sentences what could not be shown.

    Args:
        results: where the problems of benchmarks are looked for.
        columns: the benchmarks under their main protocols.
        behaviours, rollouts: the rows of these tables; None where the study has none.
    """
    chosen = spec.study.figures
    asked = set(chosen or ())
    places = {Place(*place): ending for place, ending in endings(spec).items()}
    found = planned_figures(spec, curves, rows)
    for place, ending in places.items():
        own = runs_of(curves, (place.model, place.train_set, place.template))
        found += step_figures(place, ending, own, rows, columns, rollouts or (), "accuracy_by_step" in asked)
    undrawn: list[str] = []
    if chosen is None or "gains" in asked:
        known = {name: read_categories(name, results) for name in dict.fromkeys(one.benchmark for one in columns)}
        categories = {name: those for name, (those, _) in known.items()}
        found += gain_figures(places, graded, columns, categories, spec.confidence)
        undrawn += [f"no figure of gains: {sentence}" for _, sentence in known.values() if sentence and places]
    if chosen is None or "solve_rates" in asked:
        found += solve_rate_figures(places, graded, columns, "solve_rates" in asked)
    found += template_figures(rows)
    if behaviours is not None or "probe_pass_at_k" in asked:
        found += probe_figures(rows, behaviours or ())
    if chosen is None:
        return found, undrawn
    by_name: Mapping[str, list[PlannedFigure]] = {
        name: [one for one in found if one.chosen_as == name] for name in chosen
    }
    undrawn += [f"no figure {name}: the study has no data for it" for name, own in by_name.items() if not own]
    return [one for own in by_name.values() for one in own], undrawn
