"""From one number of a table down to what it was made from, or a whole study at once: is all of that still so?

    python scripts/audit.py results/studies/demo/tables/main.csv --where optimizer=dr-grpo-toy,benchmark=sums-id,metric=avg@8
    python scripts/audit.py TABLE --where ... --verify        hash every file on the way, compute estimate and interval again
    python scripts/audit.py TABLE --where ... --json          the same for a machine
    python scripts/audit.py results/published/demo --verify   a published study: every file, every verdict, every number
    python scripts/audit.py results/studies/demo --verify     the same for a study that was computed here

Columns for --where: model, train_set, template, optimizer, checkpoint, benchmark, protocol, metric. An empty value chooses the
base model (`optimizer=`). TABLE may lie in a published study too. For a folder, every completion is graded again by the grader
that its spec names, every cell of every table, every figure's data and the ledger are computed again to the last digit, and what
is elsewhere is said. Algebra needs the jobs' environment (.venv/jobs/bin/python).

Exit code 0: whole (or not verified because --verify was not given); 1: a link is broken, and the last line names the first one;
2: no single row was chosen, or the call cannot be understood; 3: nothing is broken, but payloads are not here (the line says what
brings them). `stale` and `behind` lines say what would be made another way today; they are no failure.
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import nullcontext
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.tracking.audit import audit
from verizero.tracking.open_bundle import Damaged, OpenBundle, bundle_of, opened
from verizero.tracking.table import parse_where, pick


def main() -> int:
    """Audit one cell, or a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "table",
        type=Path,
        metavar="TABLE|FOLDER",
        help="results/studies/STUDY/tables/main.csv, results/studies/STUDY, or results/published/STUDY",
    )
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE,...", help="conditions that choose one row"
    )
    parser.add_argument("--verify", action="store_true", help="hash every file again and compute the numbers again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--workers", type=int, default=min(2, len(os.sched_getaffinity(0))), help="for a folder: processes for algebra"
    )
    arguments = parser.parse_args()

    whole = arguments.table.is_dir()
    if whole and (arguments.where or not arguments.verify):
        raise UserError(
            f"{arguments.table}: a folder is audited as a whole, with --verify and without --where; "
            "for one number name its table, FOLDER/tables/main.csv or FOLDER/studies/STUDY/tables/main.csv"
        )
    folder = bundle_of(arguments.table)
    try:
        with opened(folder) if folder else nullcontext() as bundle:
            try:
                text, code = (_study if whole else _row)(arguments, bundle)
            except UserError as error:
                raise UserError(_said(str(error), bundle)) from None
    except Damaged as error:
        broken = {"verified": False, "broken": str(error)}
        text, code = json.dumps(broken, indent=1) if arguments.json else f"BROKEN: {error}", 1
    print(text)
    return code


def _row(arguments: argparse.Namespace, bundle: OpenBundle | None) -> tuple[str, int]:
    """What is to be said of one row, and the exit code."""
    table = bundle.results / arguments.table.relative_to(bundle.folder) if bundle else arguments.table
    found = audit(
        pick(table, parse_where(",".join(arguments.where))), arguments.verify, bundle.folder if bundle else None
    )
    return _said(json.dumps(found.plain(), indent=1) if arguments.json else found.text(), bundle), found.exit_code


def _study(arguments: argparse.Namespace, bundle: OpenBundle | None) -> tuple[str, int]:
    """What is to be said of a study, and the exit code."""
    from verizero.tracking.bundle_verification import verify_bundle
    from verizero.tracking.study_verification import verify_study

    if bundle:
        found = verify_bundle(bundle, arguments.workers)
    else:
        folder: Path = arguments.table.absolute()
        if folder.parent.name != "studies":
            raise UserError(
                f"{arguments.table}: is neither a published study (it has no bundle.json) nor a folder in results/studies"
            )
        found = verify_study(arguments.table.parent.parent, folder.name, arguments.workers)
    return _said(json.dumps(found.plain(), indent=1) if arguments.json else found.text(), bundle), found.exit_code


def _said(text: str, bundle: OpenBundle | None) -> str:
    return bundle.said(text) if bundle else text


if __name__ == "__main__":
    main_program(main)()
