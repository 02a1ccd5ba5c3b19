"""What looking does to false claims, with a declared sequential design and without, over simulated studies.

    .venv/jobs/bin/python benchmarks/sequential.py --studies 2000

Two optimizers are trained with up to `most` seeds and evaluated on the same problems, K samples each; accuracies are those of
`benchmarks/coverage.py` (problems differ with sd 2 on the logit scale, seeds by the given sd, and each seed finds other problems hard).
`naive` is the share of studies in which p is below 0.05 at any look; `declared` the share in which the design claims an effect. First
without an effect, then with one: the logit shift of the last column, with the mean number of seeds at which the design stops (for the effect
or because it will not show). The variances that these studies have are not those that the levels are calibrated on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from verizero.config.study import Primary, Sequential
from verizero.evidence.looks import take_look
from verizero.statistics.sequential import calibration, nominal_levels, p_values

PRIMARY = Primary(a="a", b="b", benchmark="benchmark", protocol="protocol")
DESIGNS = [(3, 10, 1, "obrien-fleming"), (3, 10, 1, "pocock"), (3, 6, 3, "obrien-fleming"), (3, 6, 1, "pocock")]
"""(start, most, every, spending)"""
STUDIES = [(500, 4, 0.12), (100, 4, 0.0), (30, 32, 0.12)]
"""(problems, samples, sd of seeds)"""
SHIFTS = (0.0, 0.2)
MEAN, PROBLEMS, CELL = -1.0, 2.0, 0.5


def main() -> None:
    """Print one line for each design, benchmark and effect."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = np.random.default_rng(arguments.seed)
    print("| spending | looks at seeds | problems | samples | shift | naive | declared | futile | seeds used |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for start, most, every, spending in DESIGNS:
        design = Sequential(primary=PRIMARY, start=start, most=most, every=every, spending=spending)
        for problems, samples, spread in STUDIES:
            levels = nominal_levels([n / most for n in design.looks], design.alpha, design.spending)
            scale = calibration(design.looks, design.alpha, levels, problems)
            levels = [level * scale for level in levels]
            for shift in SHIFTS:
                naive = claimed = futile = used = 0
                about = f"{spending} | {', '.join(map(str, design.looks))} | {problems} | {samples} | {shift:g}"
                for _ in tqdm(range(arguments.studies), about, leave=False):
                    values = _difference(draw, most, problems, samples, spread, shift)
                    naive += any(p_values(values[None, :n])[0] < design.alpha for n in design.looks)
                    claim, given_up, seeds = _sequence(design, values, levels)
                    claimed, futile, used = claimed + claim, futile + given_up, used + seeds
                shares = (f"{count / arguments.studies:.3f}" for count in (naive, claimed, futile))
                print(f"| {about} | {' | '.join(shares)} | {used / arguments.studies:.1f} |", flush=True)


def _sequence(design: Sequential, values: NDArray[np.float64], levels: list[float]) -> tuple[bool, bool, int]:
    """Whether an effect is claimed when the tool's advice is followed, whether the study is given up, and the seeds it takes."""
    for place, number in enumerate(design.looks):
        look = take_look(place + 1, design, tuple(range(number)), values[:number], levels[place], levels[-1])
        if look.decision in ("effect", "futile"):
            return look.decision == "effect", look.decision == "futile", number
    return False, False, design.most


def _difference(
    draw: np.random.Generator, seeds: int, problems: int, samples: int, spread: float, shift: float
) -> NDArray[np.float64]:
    base = draw.normal(MEAN, PROBLEMS, problems)
    sides = []
    for effect in (shift, 0.0):
        logits = base[None] + effect + draw.normal(0, spread, (seeds, 1)) + draw.normal(0, CELL, (seeds, problems))
        sides.append(draw.binomial(samples, 1 / (1 + np.exp(-logits))) / samples)
    return sides[0] - sides[1]


if __name__ == "__main__":
    main()
