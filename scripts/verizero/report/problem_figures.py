"""Which figures look inside a benchmark: gains by subject and level, solve rates by problem; and their data, without drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verizero.evidence.accuracy_by_step import Place
from verizero.evidence.category_gains import Categories, Gain, gains
from verizero.evidence.cells import decimal_text
from verizero.evidence.comparisons import Graded
from verizero.evidence.headline import Column
from verizero.evidence.solve_rates import SolveRates, solve_rates
from verizero.report.figure_data import PlannedFigure


def gain_figures(
    places: Mapping[Place, str],
    graded: Sequence[Graded],
    columns: Sequence[Column],
    categories: Mapping[str, Categories],
    confidence: float,
) -> list[PlannedFigure]:
    """One figure for each place and each benchmark whose problems have a subject or a level.

    Args:
        places: place -> the ending of its figures' names.
        categories: benchmark -> its problems' categories.
    """
    every = gains(graded, columns, categories, confidence)
    found = []
    for place, ending in places.items():
        own = [one for one in every if _place(one) == place]
        for benchmark in dict.fromkeys(one.key.benchmark for one in own):
            rows = [_gain_row(one) for one in own if one.key.benchmark == benchmark]
            found.append(PlannedFigure(f"gains.{benchmark}{ending}", "gains", {}, (), data=rows))
    return found


def solve_rate_figures(
    places: Mapping[Place, str], graded: Sequence[Graded], columns: Sequence[Column], asked: bool
) -> list[PlannedFigure]:
    """One figure for each place and benchmark with at least two checkpoints besides the base model.

    Args:
        places: place -> the ending of its figures' names.
        asked: whether the study names `solve_rates`: then one checkpoint is enough.
    """
    found = []
    for place, ending in places.items():
        for i, column in enumerate(columns):
            rates = solve_rates(graded, place, column, 1 if asked else 2)
            if rates:
                alone = [one.benchmark for one in columns].index(column.benchmark) == i
                name = column.benchmark if alone else f"{column.benchmark}.{column.protocol}"
                found.append(
                    PlannedFigure(f"solve_rates.{name}{ending}", "solve_rates", {}, (), data=_rate_rows(rates))
                )
    return found


def _place(one: Gain) -> Place:
    return Place(one.key.model, one.key.train_set, one.key.template.split("/")[0])


def _gain_row(one: Gain) -> dict[str, str]:
    return {
        **{name: str(value) for name, value in vars(one.key).items()},
        "by": one.by,
        "category": one.category,
        "n_problems": str(one.n_problems),
        "base": decimal_text(one.base),
        "change": decimal_text(one.change.estimate),
        "ci_low": decimal_text(one.change.low),
        "ci_high": decimal_text(one.change.high),
        "seeds": ",".join(map(str, one.seeds)),
    }


def _rate_rows(rates: SolveRates) -> list[dict[str, str]]:
    """One row a problem, one column a subject."""
    return [
        {
            "benchmark": rates.column.benchmark,
            "protocol": rates.column.protocol,
            "problem": problem,
            "of_problems": str(rates.of),
            **{name: decimal_text(float(rate)) for name, rate in zip(rates.subjects, own, strict=True)},
        }
        for problem, own in zip(rates.problems, rates.rates, strict=True)
    ]
