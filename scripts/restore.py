"""After a fresh clone: let Snakemake know which jobs are done, so that `snakemake -n` plans only what is really missing.

    python scripts/restore.py                    the study that config/config.yaml names
    python scripts/restore.py --study smollm2
    python scripts/restore.py --from results/published/smollm2     bring a published study back into results/ first

A clone has manifests and records but not `.snakemake/`, where Snakemake remembers how each output came to be. This rebuilds
it: a job is taken as done when its manifest was made with the present spec, by the present code, from the present inputs, and
its record is of that manifest. Everything else is left alone and named; Snakemake will do it. Payloads are not needed.
With --from, the artifacts of a bundle are copied to their places in results/, unpacked; where something different is there
already, it stays and is named. Weights and training sets are not in a bundle: a job that needs them says so when it is due.
Exit code 0: every job of the study is known as done; 1: some are not, or something different was in the way. Runs in the
orchestration environment.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.config.load import read_yaml
from verizero.config.plan import PlannedJob
from verizero.tracking.bringing import INSIDE
from verizero.tracking.lineage import Artifact
from verizero.tracking.open_bundle import opened
from verizero.tracking.restoring import objection
from verizero.tracking.snakemake_metadata import remember
from verizero.tracking.unbundling import bring_into


def main() -> int:
    """Restore Snakemake's memory for one study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", help="by default that of --from, or the one that config/config.yaml names")
    parser.add_argument("--from", dest="bundle", type=Path, metavar="FOLDER", help="a published study to bring back")
    parser.add_argument(
        "--config", nargs="*", default=[], metavar="KEY=VALUE", help="what `snakemake --config` will be given besides"
    )
    parser.add_argument("--quiet", action="store_true", help="print the summary only")
    arguments = parser.parse_args()

    snakefile = Path("Snakefile").resolve()
    if not snakefile.is_file():
        raise UserError("there is no Snakefile here; run restore.py at the root of the repository")
    study, in_the_way = arguments.study, 0
    if arguments.bundle:
        study, in_the_way = _brought(arguments.bundle, study)
    inside = bool(os.environ.get(INSIDE))  # called by a Snakemake that has the lock
    restored = remember(snakefile, overrides(arguments.config, study), _objection, locked=not inside)
    for output, reason in restored.left if not arguments.quiet else []:
        print(f"{output}: left alone, {reason}")
    print(f"{len(restored.done)} jobs are known as done, {len(restored.left)} are left to Snakemake", file=sys.stderr)
    return int(bool(restored.left or in_the_way))


def _brought(folder: Path, study: str | None) -> tuple[str, int]:
    """Bring a bundle's artifacts into results/: its study, and how many were left alone.

    Raises:
        UserError: the folder is no whole bundle, or of another study than the one that is asked for.
    """
    with opened(folder) as bundle:
        if study not in (None, bundle.contents.study):
            raise UserError(
                f"{folder} is the study `{bundle.contents.study}`, --study says `{study}`; leave --study out"
            )
        found = bring_into(Path("results"), bundle)
    for name, reason in found.left:
        print(f"{name}: left alone, {reason}")
    print(
        f"{len(found.brought)} artifacts were brought back, {found.here} were here already, {len(found.left)} were left alone",
        file=sys.stderr,
    )
    return bundle.contents.study, len(found.left)


def overrides(pairs: list[str], study: str | None) -> dict[str, object]:
    """`KEY=VALUE` with YAML values, as `snakemake --config` reads them, over `config/config.yaml`.

    Raises:
        UserError: a pair has no `=`.
    """
    import yaml

    found: dict[str, object] = dict(read_yaml(Path("config/config.yaml")))
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--config: `{pair}` is no KEY=VALUE")
        found[key] = yaml.safe_load(value)
    return found | ({"study": study} if study else {})


def _objection(job: PlannedJob) -> str | None:
    results = Path("results")
    return objection(Artifact(job.output, results), job.spec, job.code, job.inputs)


if __name__ == "__main__":
    main_program(main)()
