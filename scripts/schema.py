"""Generate the JSON schemas of the configuration, the manifests and the records from their models.

    python scripts/schema.py            write workflow/schemas/
    python scripts/schema.py --check    say which file is out of date, exit code 1

`workflow/schemas/defaults.json` is the exception: it only grows. It says what a key means where a spec leaves it out,
so an entry is added when an option is added and never changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.artifacts.files import write_atomic
from verizero.config.model import FROZEN_DEFAULTS, frozen_defaults
from verizero.config.schema import SCHEMAS, grown, schema_text

FOLDER = FROZEN_DEFAULTS.parent


def files() -> dict[Path, str]:
    """Path -> what it should hold."""
    wanted = {FOLDER / f"{name}.schema.json": schema_text(name) for name in SCHEMAS}
    wanted[FROZEN_DEFAULTS] = json.dumps(grown(frozen_defaults()), indent=1, sort_keys=True) + "\n"
    return wanted


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when a file is out of date")
    arguments = parser.parse_args()
    stale = [path for path, text in files().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if arguments.check:
            print(
                f"{path.relative_to(FOLDER.parents[1])} is out of date; `python scripts/schema.py` writes it",
                file=sys.stderr,
            )
        else:
            write_atomic(path, files()[path])
    return int(bool(stale) and arguments.check)


if __name__ == "__main__":
    main_program(main)()
