"""How long a million training problems take against all benchmarks of the mirror, and how many near-duplicates they hold.

    VERIZERO_DATA=... .venv/jobs/bin/python benchmarks/overlap.py                       # a million, two to four minutes
    VERIZERO_DATA=... .venv/jobs/bin/python benchmarks/overlap.py --problems 50000 --distinct

The million is made from the 25,000 real training problems of the mirror: each copy has some of its words replaced by words
of other problems and its numbers changed, so that it has the length and the phrases of a real problem. A hundred problems of
the benchmarks are put among them with one word changed; the program says how many of these it found. One process.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import main_program
from verizero.config.problem_sets import Local
from verizero.config.registry import load_registry
from verizero.config.sources import MIRROR_ROOT
from verizero.config.spec import dataset_spec
from verizero.problems.local import read_local
from verizero.problems.near_duplicates import distinct_nearly
from verizero.problems.overlap import find_pairs
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem

TRAINING: dict[str, Literal["arrow-stream", "parquet"]] = {
    "train/gsm_8k.arrow": "arrow-stream",
    "train/math_train.parquet": "parquet",
    "train/math_test.parquet": "parquet",
    "train/asdiv_2k.arrow": "arrow-stream",
    "train/aime_975.arrow": "arrow-stream",
}
PLANTED = 100


def real_texts() -> list[str]:
    """The training problems of the mirror."""
    folder = Path(os.environ[MIRROR_ROOT])
    sources = [
        Local(kind="local", path=path, format=form, sha256=sha256_file(folder / path))
        for path, form in TRAINING.items()
    ]
    return [row["problem"] for source in sources for row in read_local(source)]


class Made:
    """Training problems that are made anew, the same ones, each time they are gone through: nothing of them is kept."""

    def __init__(self, texts: list[str], planted: list[Problem], problems: int, share: float) -> None:
        self.texts, self.planted, self.problems, self.share = texts, planted, problems, share
        self.words = sorted({word for text in texts for word in text.split()})

    def __iter__(self) -> Iterator[Problem]:
        random = Random(1)
        every = max(1, self.problems // PLANTED)
        for number in range(self.problems):
            if number % every == 0 and number // every < len(self.planted):
                parts = self.planted[number // every].problem.split()
                parts[len(parts) // 2] = "something"
                text = " ".join(parts)
            else:
                parts = self.texts[number % len(self.texts)].split()
                for place in random.sample(range(len(parts)), int(self.share * len(parts)) + 1):
                    parts[place] = random.choice(self.words)
                text = re.sub(r"\d+", lambda _: str(random.randrange(1000)), " ".join(parts))
            yield Problem.model_construct(id=f"{number}", problem=text, answers=["1"])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1_000_000)
    parser.add_argument("--replaced", type=float, default=0.15, help="share of the words that are replaced")
    parser.add_argument("--distinct", action="store_true", help="look for near-duplicates inside the set instead")
    arguments = parser.parse_args()
    registry = load_registry(Path(__file__).resolve().parents[1] / "config")
    local = [name for name, entry in registry.benchmarks.items() if isinstance(entry.source, Local)]
    benchmarks = {name: prepare(dataset_spec(registry, name).problems, {}).problems for name in local}
    long = [one for one in benchmarks["math500"] if len(one.problem.split()) > 30 and "asy" not in one.problem]
    planted = long[:PLANTED]
    made = Made(real_texts(), planted, arguments.problems, arguments.replaced)

    begin = time.monotonic()
    characters = sum(len(problem.problem) for problem in made)
    making = time.monotonic() - begin
    print(
        f"{arguments.problems} training problems of {characters / arguments.problems:.0f} characters, made in {making:.0f} s"
    )
    begin = time.monotonic()
    if arguments.distinct:
        kept = distinct_nearly(made)
        print(f"near-duplicates inside the set: {time.monotonic() - begin - making:.0f} s, {len(kept)} problems kept")
    else:
        pairs = find_pairs(made, benchmarks)
        seconds = time.monotonic() - begin - 2 * making
        found = {pair.problem.id for pair in pairs if pair.benchmark == "math500"} & {problem.id for problem in planted}
        print(
            f"{sum(map(len, benchmarks.values()))} problems of {len(benchmarks)} benchmarks: {seconds:.0f} s, "
            f"{len(pairs)} pairs; {len(found)} of {len(planted)} planted problems are found"
        )
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main_program(main)()
