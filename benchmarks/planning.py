"""How long Snakemake takes to plan a study of many runs.

    .venv/orchestrate/bin/python benchmarks/planning.py --runs 1000

Copies the checkout, widens the demo study to that many runs, and times reading the configuration with the code digests, and
`snakemake -n`. The peer in the same call is `snakemake -n` of the demo study itself: what is above it is the price of the runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "workflow"), str(ROOT / "scripts")]

from checkout import Checkout, copy_checkout  # noqa: E402

READ = (
    "import time; t = time.perf_counter(); import sys; sys.path.insert(0, 'scripts'); from pathlib import Path; from verizero.config.plan import Plan; "
    "plan = Plan(Path.cwd(), {}); [plan.code(s) for s in ('prepare_model', 'prepare_dataset', 'pretrain', 'train', 'generate', 'grade', 'aggregate', 'track')]; "
    "print(time.perf_counter() - t)"
)


def dry_run(checkout: Checkout) -> float:
    """Seconds of `snakemake -n`."""
    begin = time.perf_counter()
    checkout.snakemake("-n", "--quiet", "--config", "tracking={enabled: false}")
    return time.perf_counter() - begin


def main() -> None:
    """Print four figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="an even number (default %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkout = copy_checkout(Path(folder) / "checkout", os.fspath(sys.executable))
        read = float(
            subprocess.run(
                [sys.executable, "-c", READ], cwd=checkout.root, capture_output=True, text=True, check=True
            ).stdout
        )
        small = dry_run(checkout)
        checkout.edit("config/studies/demo.yaml", "[1, 2, 3]", str(list(range(arguments.runs // 2))))
        large = dry_run(checkout)
    print(f"configuration and code digests   {read:6.2f} s")
    print(f"snakemake -n, demo (6 runs)      {small:6.2f} s")
    print(f"snakemake -n, {arguments.runs} runs          {large:6.2f} s   ({large / small:.1f} times the demo)")


if __name__ == "__main__":
    main()
