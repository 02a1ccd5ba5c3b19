"""Publish a finished study: one self-contained folder in git, in which every number can be checked.

    .venv/jobs/bin/python scripts/publish.py demo                       results/published/demo
    .venv/jobs/bin/python scripts/publish.py demo --replace             anew, in place of the one that is there
    .venv/jobs/bin/python scripts/publish.py demo --weights-at URL      say where the weights are

The study is audited as a whole first (`audit.py results/studies/NAME --verify`); one that is not finished, or in which a link is
broken, is refused with the first reason. The bundle has the layout of results/: manifests, records, samples, grades, the golds
that they are graded against, training curves, tables and figures' data, and bundle.json, which lists all of them and what is
elsewhere: weights, texts of problems, pictures. A completion may quote its problem: look before you commit. The same study gives
the same bundle. Nothing is half-written: the folder appears when it is whole.

    git add results/published/demo
    .venv/jobs/bin/python scripts/audit.py results/published/demo --verify            what anybody can do with a clone
    .venv/orchestrate/bin/python scripts/restore.py --from results/published/demo     back into results/, to work on
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.config.registry import Registry, load_registry
from verizero.tracking.publishing import public_remote, publish
from verizero.tracking.tally import WHAT, how_many, megabytes


def main() -> None:
    """Publish one study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="a study in results/studies/")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the folder with all artifacts")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="by default RESULTS/published/STUDY")
    parser.add_argument("--replace", action="store_true", help="replace the bundle that is there")
    parser.add_argument(
        "--limit-mb",
        type=float,
        default=3.0,
        help="refuse a bundle with more (default %(default)s): git keeps it for ever",
    )
    parser.add_argument(
        "--weights-at",
        metavar="URL",
        help="where the weights are; by default the DVC remote of .dvc/config when it has an http address",
    )
    parser.add_argument(
        "--workers", type=int, default=min(2, len(os.sched_getaffinity(0))), help="processes for algebra"
    )
    arguments = parser.parse_args()
    if arguments.limit_mb <= 0:
        raise UserError(f"--limit-mb is {arguments.limit_mb:g}; it must be above 0")

    target = arguments.to or arguments.results / "published" / arguments.study
    bundle = publish(
        arguments.results,
        arguments.study,
        target,
        _registry(),
        int(arguments.limit_mb * 1e6),
        arguments.replace,
        arguments.weights_at,
        public_remote(Path()),
        arguments.workers,
    )
    print(
        f"{target}: {len(bundle.files) + 1} files, {megabytes(sum(file.stat().st_size for file in target.rglob('*') if file.is_file()))}"
    )
    for reason, number in Counter(one.reason for one in bundle.elsewhere).items():
        size = sum(one.size or 0 for one in bundle.elsewhere if one.reason == reason)
        print(f"left elsewhere: {WHAT[reason]} ({how_many(number, size)})")
    for problems in bundle.problems:
        kind = problems.source.get("kind", "unknown source")
        print(f"golds of {problems.benchmark}: {kind}, licence {problems.licence or 'not stated'}", file=sys.stderr)


def _registry() -> Registry | None:
    return load_registry(Path("config")) if Path("config").is_dir() else None


if __name__ == "__main__":
    main_program(main)()
