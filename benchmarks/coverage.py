"""How often the two-way interval holds the truth, over simulated studies.

    .venv/jobs/bin/python benchmarks/coverage.py --studies 4000

For each design (seeds, problems, and the spread of problems, seeds and cells) it draws studies whose true mean is 0, and prints
the share of 95 % intervals that hold 0, the share that are narrower than half of what the true standard error would give, and the median
width against that.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from verizero.statistics.intervals import two_way_interval

DESIGNS = [
    (2, 175, 0.0, 0.0),
    (2, 175, 1.0, 0.0),
    (2, 175, 0.3, 0.0),
    (2, 175, 0.0, 0.1),
    (2, 30, 0.5, 0.0),
    (2, 30, 0.0, 0.3),
    (3, 256, 0.0, 0.0),
    (3, 256, 1.0, 0.05),
    (3, 256, 0.3, 0.1),
    (5, 500, 0.5, 0.05),
    (3, 40, 0.0, 0.0),
]
"""(seeds, problems, standard deviation of problems, of seeds); that of a cell is 1."""


def main() -> None:
    """Print one line for each design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies for each design")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = np.random.default_rng(arguments.seed)
    print("seeds problems sd(problem) sd(seed)  coverage  below half  median width / true width")
    for seeds, problems, by_problem, by_seed in DESIGNS:
        true = 1.96 * math.sqrt(by_seed**2 / seeds + by_problem**2 / problems + 1 / (seeds * problems))
        halves, held = [], 0
        for _ in range(arguments.studies):
            values = draw.normal(0, by_problem, problems)[None] + draw.normal(0, by_seed, seeds)[:, None]
            found = two_way_interval(values + draw.normal(0, 1, (seeds, problems)), 0.95)
            assert found.low is not None and found.high is not None
            held += found.low <= 0 <= found.high
            halves.append((found.high - found.low) / 2)
        narrow = np.mean(np.array(halves) < true / 2)
        print(
            f"{seeds:5d} {problems:8d} {by_problem:11.2f} {by_seed:8.2f}  {held / arguments.studies:8.3f}  {narrow:10.3f}  {np.median(halves) / true:.2f}"
        )


if __name__ == "__main__":
    main()
