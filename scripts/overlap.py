r"""Look for problems of benchmarks in one training set.

    python scripts/overlap.py --name demo/sums --spec "$(python scripts/spec.py overlap demo/sums)" \
        --train results/datasets/sums/manifest.json --benchmark results/datasets/sums-id/manifest.json \
        --out results/overlaps/demo/sums/manifest.json

The payload is `pairs.jsonl`, one pair of problems that are alike a line: ids, kind, scores, how many training problems have
the text, and whether an accepted answer is the same. `texts.jsonl` has the two texts of each line. The manifest counts the
benchmark problems that are in a pair, by their first kind of exact, containment, near-duplicate. docs/contamination.md says
what the kinds are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import open_artifact
from verizero.config.spec import OverlapSpec, read_spec
from verizero.problems.overlap import find_pairs
from verizero.problems.overlap_rows import counts_of, pair_rows, text_rows, write_lines
from verizero.problems.problem import read_problems


def main() -> None:
    """Make one artifact of kind `overlap`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="JSON, or @FILE")
    parser.add_argument("--name", required=True, help="<study>/<training set>")
    parser.add_argument("--train", type=Path, required=True, metavar="MANIFEST")
    parser.add_argument("--benchmark", type=Path, nargs="+", required=True, metavar="MANIFEST")
    parser.add_argument("--out", type=Path, required=True, metavar="MANIFEST")
    arguments = parser.parse_args()
    spec, plain = read_spec(OverlapSpec, arguments.spec)

    problems, ids = {}, {}
    for path in (arguments.train, *arguments.benchmark):
        manifest, payload = open_artifact(path)
        ids[path] = manifest.id
        problems[path] = read_problems(payload / "problems.jsonl")
    benchmarks = {ids[path]: problems[path] for path in arguments.benchmark}
    pairs = find_pairs(problems[arguments.train], benchmarks, spec.rule)

    inputs = {f"datasets/{name}": path for path, name in ids.items()}
    job = Job("overlap", arguments.name, plain, arguments.out, inputs=inputs)
    write_lines(job.staging / "pairs.jsonl", pair_rows(pairs))
    write_lines(job.staging / "texts.jsonl", text_rows(pairs))
    job.publish(counts={"train_problems": len(problems[arguments.train]), **counts_of(pairs, benchmarks)})


if __name__ == "__main__":
    main_program(main)()
