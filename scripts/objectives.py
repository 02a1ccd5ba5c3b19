"""Write the table of presets into docs/objectives.md, from the files in config/optimizers.

python scripts/objectives.py            write it
python scripts/objectives.py --check    change nothing; exit code 1 when it is out of date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from verizero.artifacts.errors import main_program
from verizero.artifacts.files import write_atomic
from verizero.config.preset_table import preset_table, with_table
from verizero.config.registry import load_registry

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "objectives.md"


def main() -> int:
    """Write the table, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 when it is out of date")
    check = parser.parse_args().check
    wanted = with_table(PAGE, preset_table(load_registry(ROOT / "config").optimizers))
    if PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    if check:
        print("docs/objectives.md is out of date; `python scripts/objectives.py` writes it", file=sys.stderr)
        return 1
    write_atomic(PAGE, wanted)
    return 0


if __name__ == "__main__":
    main_program(main)()
