"""How often the intervals hold the truth, and how often equal optimizers are told apart, over simulated studies.

    .venv/jobs/bin/python benchmarks/coverage.py --studies 4000

One checkpoint's accuracy on problem i is `sigmoid(a_i + b_s + c_si)`: problems differ (sd 2 around -1), seeds differ a little, and each
seed finds other problems hard; K samples are drawn of each. `accuracy` is an interval for the mean over problems and seeds, `difference` one
for two equal optimizers on the same problems and seeds: it should hold 0, and where it does not, that is a false claim. `average` is over
three benchmarks. `cells` are normal values with effects of problems and seeds as given, which shows designs where nothing but noise
varies. Of each: the share of 95 % intervals that hold the truth, that of the naive interval of all samples, and the mean width against
the one that known variances would give (Student's t with few seeds is wide).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from verizero.statistics.intervals import Interval, average_interval, two_way_interval

Array = NDArray[np.float64]
SAMPLED = [(3, 30, 32), (3, 100, 1), (3, 500, 4), (5, 30, 32), (5, 500, 4), (10, 100, 4), (2, 100, 4)]
"""(seeds, problems, samples)"""
SEED_SPREADS = (0.0, 0.12)
CELLS = [(3, 40, 0.0, 0.0), (3, 256, 0.0, 0.0), (3, 256, 0.0, 0.05), (3, 256, 0.3, 0.1), (3, 256, 1.0, 0.05)]
CELLS += [(5, 30, 0.0, 0.0), (5, 500, 0.0, 0.0), (5, 500, 0.5, 0.05), (10, 100, 0.0, 0.0), (2, 175, 0.3, 0.0)]
"""(seeds, problems, standard deviation of problems, of seeds); that of a cell is 1."""
MEAN, PROBLEMS, CELL = -1.0, 2.0, 0.5


def main() -> None:
    """Print one line for each design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies for each design")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = np.random.default_rng(arguments.seed)
    print(
        "| quantity | seeds | problems | samples | spread | coverage | naive | width / known |\n|---|---:|---:|---:|---|---:|---:|---:|"
    )
    for seeds, problems, samples in SAMPLED:
        for spread in SEED_SPREADS:
            for name, truth, make in (
                ("accuracy", _expected(spread), lambda s, n, k, b: _sampled(draw, s, [n], k, b)),
                ("difference", 0.0, lambda s, n, k, b: _differences(draw, s, [n], k, b)),
            ):
                studies = (make(seeds, problems, samples, spread) for _ in range(arguments.studies))
                about = f"{name} | {seeds} | {problems} | {samples} | seeds {spread:g}"
                _line(about, arguments.studies, studies, truth, lambda parts: two_way_interval(parts[0], 0.95), samples)
    for seeds in (2, 3, 5):
        studies = (_sampled(draw, seeds, [30, 40, 500], 8, 0.12) for _ in range(arguments.studies))
        about = f"average | {seeds} | 30, 40, 500 | 8 | seeds 0.12"
        _line(about, arguments.studies, studies, _expected(0.12), lambda parts: average_interval(parts, 0.95), 8)
    for seeds, problems, by_problem, by_seed in CELLS:
        about = f"cells | {seeds} | {problems} | | problems {by_problem:g}, seeds {by_seed:g}"
        known = 1.96 * math.sqrt(by_seed**2 / seeds + by_problem**2 / problems + 1 / (seeds * problems))
        studies = (_cells(draw, seeds, problems, by_problem, by_seed) for _ in range(arguments.studies))
        _line(about, arguments.studies, studies, 0.0, lambda parts: two_way_interval(parts[0], 0.95), 0, known)


def _line(
    about: str,
    count: int,
    studies: object,
    truth: float,
    interval: Callable[[list[Array]], Interval],
    samples: int,
    known: float | None = None,
) -> None:
    held = naive = 0
    halves, means = [], []
    for parts in tqdm(studies, about, count, leave=False):
        found = interval(parts)
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
        halves.append((found.high - found.low) / 2)
        means.append(found.estimate)
        values = np.concatenate([part.ravel() for part in parts])
        spread = float(np.sqrt((values * (1 - values)).mean() / (values.size * samples))) if samples else 0.0
        naive += abs(found.estimate - truth) <= 1.96 * (spread or float(values.std()) / math.sqrt(values.size))
    true = known if known is not None else 1.96 * float(np.std(means))
    bare = f"{naive / count:.3f}" if samples and "difference" not in about else ""
    print(f"| {about} | {held / count:.3f} | {bare} | {np.mean(halves) / true:.2f} |", flush=True)


def _logits(draw: np.random.Generator, seeds: int, base: Array, samples: int, spread: float, seed: Array) -> Array:
    shift = base[None] + spread * seed + draw.normal(0, CELL, (seeds, len(base)))
    return draw.binomial(samples, 1 / (1 + np.exp(-shift))) / samples


def _sampled(draw: np.random.Generator, seeds: int, sizes: list[int], samples: int, spread: float) -> list[Array]:
    seed = draw.normal(0, 1, (seeds, 1))
    return [_logits(draw, seeds, draw.normal(MEAN, PROBLEMS, n), samples, spread, seed) for n in sizes]


def _differences(draw: np.random.Generator, seeds: int, sizes: list[int], samples: int, spread: float) -> list[Array]:
    found = []
    for n in sizes:
        base = draw.normal(MEAN, PROBLEMS, n)
        sides = [_logits(draw, seeds, base, samples, spread, draw.normal(0, 1, (seeds, 1))) for _ in range(2)]
        found.append(sides[0] - sides[1])
    return found


def _cells(draw: np.random.Generator, seeds: int, problems: int, by_problem: float, by_seed: float) -> list[Array]:
    values = draw.normal(0, by_problem, problems)[None] + draw.normal(0, by_seed, seeds)[:, None]
    return [values + draw.normal(0, 1, (seeds, problems))]


def _expected(spread: float) -> float:
    """The true accuracy: a normal mixture of sigmoids, by Gauss-Hermite quadrature."""
    points, weights = np.polynomial.hermite.hermgauss(120)
    scale = math.sqrt(2 * (PROBLEMS**2 + spread**2 + CELL**2))
    return float((weights / (1 + np.exp(-(MEAN + scale * points)))).sum() / math.sqrt(math.pi))


if __name__ == "__main__":
    main()
