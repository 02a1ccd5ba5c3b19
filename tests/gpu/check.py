"""What has to be seen on a GPU: that the learner is right there, that a killed run goes on, and how fast it is.

    bash tests/gpu/run.sh                 # on the machine with the GPU; at most eight minutes
    bash tests/gpu/run.sh --small         # the same on a CPU, at a small size
    python tests/gpu/check.py --parts gradient train

Each part prints a JSON line for each measurement as it comes. A part that has too little time left is left out, and says so. The exit
code is 1 where something is wrong, not where something is slow.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import gradient
import resume
import speed
from lines import Lines
from models import GPU, SMALL

from verizero.training.world import leave_world, start_world

NEEDS = {"gradient": 60, "train": 90, "rollout": 30, "resume": 90}
"""Seconds without which a part is not begun on a GPU; what is left of all goes to the timed training. In the order of what one
wants to know first."""


def main() -> int:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="at a size for a CPU")
    parser.add_argument("--seconds", type=float, default=460.0, help="for everything")
    parser.add_argument("--parts", nargs="+", choices=NEEDS, default=list(NEEDS))
    options = parser.parse_args()
    lines, sizes = Lines(options.seconds), SMALL if options.small else GPU
    world = start_world()
    later = sum(NEEDS[part] for part in ("rollout", "resume") if part in options.parts)
    with tempfile.TemporaryDirectory() as scratch:
        limits = speed.machine(lines, world, sizes)
        parts: dict[str, Callable[[], None]] = {
            "gradient": lambda: gradient.check(lines, world, sizes),
            "train": lambda: speed.train(lines, world, sizes, limits, lines.left - later),
            "rollout": lambda: speed.rollout(lines, world, sizes, limits),
            "resume": lambda: resume.check(lines, Path(scratch)),
        }
        for name in options.parts:
            if name == "resume":
                leave_world()  # the runs are processes of their own, and would take this one's rank
            if lines.left < NEEDS[name] and not options.small:
                lines.say(name, skipped=f"{lines.left:.0f} s are left, it needs {NEEDS[name]}")
                continue
            try:
                parts[name]()
            except Exception as error:  # the next part is worth knowing all the same
                traceback.print_exc()
                lines.say(name, False, reason=f"{type(error).__name__}: {error}"[:500])
    lines.say("summary", failed=lines.failed)
    return 1 if lines.failed else 0


if __name__ == "__main__":
    sys.exit(main())
