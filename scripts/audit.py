"""From one number of a table down to what it was made from, and whether all of that is still so.

    python scripts/audit.py results/studies/demo/tables/main.csv --where optimizer=dr-grpo-toy,benchmark=sums-id,metric=avg@8
    python scripts/audit.py TABLE --where ... --verify        hash every file on the way, compute estimate and interval again
    python scripts/audit.py TABLE --where ... --json          the same for a machine

Columns for --where: model, train_set, template, optimizer, checkpoint, benchmark, protocol, metric. An empty value chooses the
base model (`optimizer=`). Exit code 0: whole (or not verified because --verify was not given); 1: a link is broken, and the
last line names the first one; 2: no single row was chosen; 3: nothing is broken, but payloads are not here (the line has the
`dvc pull` that brings them). `stale` and `behind` lines say what would be made another way today; they are no failure.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.tracking.chain import chain
from verizero.tracking.chain_text import chain_text
from verizero.tracking.drift import drift, plan_of
from verizero.tracking.lineage import everything_below
from verizero.tracking.table import TableRow, parse_where, pick
from verizero.tracking.verification import verify


def main() -> int:
    """Audit one cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="results/studies/STUDY/tables/main.csv")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE,...", help="conditions that choose one row")
    parser.add_argument("--verify", action="store_true", help="hash every file again and compute the number again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    row = pick(arguments.table, parse_where(",".join(arguments.where)))
    found, news = chain(row), differences(row)
    outcome = verify(row) if arguments.verify else None
    if arguments.json:
        checked = {"verified": outcome and outcome.exit_code == 0, "broken": outcome and outcome.broken, "absent": [str(path) for path in outcome.absent] if outcome else None}
        print(json.dumps({"row": row.texts, "chain": found.plain(), "drift": news, **checked}, indent=1))
    else:
        print(chain_text(found, row.table))
        print("".join(f"\n{sentence}" for sentence in news), end="\n" if news else "")
        if outcome is not None:
            sys.stdout.flush()
            print(f"\n{outcome.sentence()}")
    return outcome.exit_code if outcome else 0


def differences(row: TableRow) -> list[str]:
    """What of the chain would be made another way today."""
    plan = plan_of(row.results, row.study.path.parent.name)
    if plan is None:
        return []
    said: list[str] = []
    try:
        seen = {row.study.path: row.study}
        for source in row.sources:
            seen |= {artifact.path: artifact for artifact in (source.suite, source.grades)}
            seen |= {artifact.path: artifact for artifact in everything_below(source.grades)}
        for artifact in seen.values():
            said += drift(artifact, plan)
    except UserError:
        pass  # what is missing or damaged, the chain and --verify name
    return said


if __name__ == "__main__":
    main_program(main)()
