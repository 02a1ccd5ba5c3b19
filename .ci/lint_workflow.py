"""Run `snakemake --lint` and leave out the two complaints that the workflow's design answers.

    .venv/orchestrate/bin/python .ci/lint_workflow.py

Exits 1 when anything else is found, or when the workflow cannot be read.
"""

import re
import subprocess
import sys
from pathlib import Path

ACCEPTED = {
    # The rules' commands use one interpreter, built from a lock with hashes. A Snakemake environment for each rule would
    # be compared, and a new version of any package would then train every model again.
    r"Specify a conda environment or container for each rule\.",
    # Which interpreter runs a job is recorded and never compared; as a param, another path would run every job again.
    r"Shell command directly uses variable (JOB_PYTHON|sys) from outside of the rule",
}


def complaints(text: str) -> list[str]:
    """What the linter says beyond what is accepted, each complaint after the place that it is about."""
    place, found = "", []
    for block in re.split(r"\n(?=Lints for |    \* )", text):
        if block.startswith("    * "):
            title = block[6:].splitlines()[0].rstrip(":")
            if not any(re.fullmatch(accepted, title) for accepted in ACCEPTED):
                found.append(f"{place}\n{block.rstrip()}")
        elif block.startswith("Lints for "):
            place = block.strip()
    return found


def main() -> None:
    """Command line; see the module's docstring."""
    done = subprocess.run(
        [Path(sys.executable).parent / "snakemake", "--lint"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0 and "Lints for " not in done.stdout:
        sys.exit(f"snakemake --lint could not read the workflow:\n{done.stdout.strip()}")
    found = complaints(done.stdout)
    print(*found, sep="\n\n", file=sys.stderr)
    if found:
        sys.exit(1)
    print("Nothing beyond what is accepted.")


if __name__ == "__main__":
    main()
