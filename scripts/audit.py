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
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.tracking.audit import audit
from verizero.tracking.table import parse_where, pick


def main() -> int:
    """Audit one cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="results/studies/STUDY/tables/main.csv")
    parser.add_argument(
        "--where", action="append", default=[], metavar="COLUMN=VALUE,...", help="conditions that choose one row"
    )
    parser.add_argument("--verify", action="store_true", help="hash every file again and compute the number again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    found = audit(pick(arguments.table, parse_where(",".join(arguments.where))), arguments.verify)
    print(json.dumps(found.plain(), indent=1) if arguments.json else found.text())
    return found.exit_code


if __name__ == "__main__":
    main_program(main)()
