r"""Prepare one set of problems: fetch, filter, keep benchmark problems out, select.

    python scripts/prepare_dataset.py --name sums --spec "$(python scripts/spec.py prepare_dataset sums)" \
        --exclude results/datasets/sums-id/manifest.json --exclude results/datasets/sums-ood/manifest.json \
        --out results/datasets/sums/manifest.json

The payload is `problems.jsonl`, one problem a line: id, problem, answers (any of them is right), and a solution where the
registry asks for one. The manifest counts the problems at each step, and `sha256_problems` proves which problems these are.
Local sources lie under the folder that the environment variable VERIZERO_DATA names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import open_artifact
from verizero.config.sources import Sums
from verizero.config.spec import DatasetSpec, read_spec
from verizero.problems.prepare import prepare
from verizero.problems.problem import read_problems, write_problems


def main() -> None:
    """Make one artifact of kind `dataset`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="JSON, or @FILE")
    parser.add_argument("--name", required=True, help="the set's name in the registry")
    parser.add_argument(
        "--exclude",
        type=Path,
        nargs="*",
        action="extend",
        default=[],
        metavar="MANIFEST",
        help="benchmarks to keep out",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MANIFEST")
    arguments = parser.parse_args()
    spec, plain = read_spec(DatasetSpec, arguments.spec)

    excluded = {}
    for path in arguments.exclude:
        manifest, payload = open_artifact(path)
        excluded[manifest.id] = read_problems(payload / "problems.jsonl")
    try:
        prepared = prepare(spec.problems, excluded)
    except UserError as error:
        raise UserError(f"{arguments.name}: {error}") from None

    inputs = dict(zip(excluded, arguments.exclude, strict=True))
    job = Job("dataset", arguments.name, plain, arguments.out, inputs=inputs)
    for repo in prepared.unpinned:
        job.warn(f"{arguments.name}: the revision of {repo} is not resolved; `python scripts/pin.py` resolves it")
    if left_out := prepared.counts.get("without_answer"):
        job.warn(f"{arguments.name}: {left_out} of {prepared.counts['source']} rows have no answer and are left out")
    write_problems(job.staging / "problems.jsonl", prepared.problems)
    seeds = [spec.problems.source.seed] if isinstance(spec.problems.source, Sums) else []
    job.publish(counts=prepared.counts, seeds=seeds, unpinned=prepared.unpinned)


if __name__ == "__main__":
    main_program(main)()
