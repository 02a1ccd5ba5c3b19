"""Is a whole study what it says? Every link, every file, every number of every table, and every verdict anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verizero.artifacts.code import code_digest
from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import digest_of
from verizero.config.spec import StudySpec, read_spec
from verizero.report.tabulating import tabulate
from verizero.tracking.chain import DAMAGE
from verizero.tracking.lineage import Artifact
from verizero.tracking.regrading import NoAlgebra, regrade
from verizero.tracking.table_text import cells_of, first_difference, told
from verizero.tracking.tally import Tally, gone_lines
from verizero.tracking.verification import Verification, at, other_version, own

NEW = ("tables/headline.", "tables/methods.", "tables/paired_", "tables/checkpoints.", "figures/")
"""What studies of earlier versions did not have; such a study may lack it, and no other file that the present version gives."""
AGGREGATE = Path(__file__).parents[2] / "aggregate.py"
OF_TEXTS = ("tables/behaviours.", "tables/rollout_behaviours.", "figures/probe_rates.", "figures/rollout_behaviours")
"""Files that need the texts of samples and problems, which a study need not publish: their rows are there as far as the texts are."""
WHOLE_OR_NOT = "figures/gains"
"""Files that need a benchmark's problems: with them all rows are there, without them the file is not."""


@dataclass
class StudyVerification:
    """What was found for one study.

    Attributes:
        name: of the study.
        links: of manifests and files.
        artifacts: all that the study follows from, itself first.
        tally: how much was checked.
        where: SHA-256 of a file that is elsewhere -> where it is.
    """

    name: str
    links: Verification
    artifacts: list[Artifact] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    where: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0: verified; 1: broken; 3: nothing is broken, but not everything is here."""
        return self.links.exit_code

    def outcome(self) -> str:
        """The last line."""
        if self.links.broken:
            return f"BROKEN: {self.links.broken}"
        if self.links.absent:
            more = f" and {len(self.links.absent) - 1} more" if len(self.links.absent) > 1 else ""
            return (
                f"NOT VERIFIED: {self.links.absent[0]}{more} is not here, so that grades and tables were not computed again; "
                "`dvc pull` brings it where a DVC remote has it, and its job makes it again"
            )
        return f"VERIFIED: study `{self.name}`"

    def text(self) -> str:
        """For a terminal; the outcome is the last line."""
        if self.exit_code:
            return self.outcome()
        return "\n".join([*self.tally.lines(), *gone_lines(self.links.gone, dict(self.where)), self.outcome()])

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "study": self.name,
            "verified": self.exit_code == 0,
            "broken": self.links.broken,
            "absent": [str(path) for path in self.links.absent],
            "checked": self.tally.plain(),
            "elsewhere": [
                {**vars(one), "file": str(one.file), "where": self.where.get(one.sha256)} for one in self.links.gone
            ],
        }


def verify_study(results: Path, name: str, workers: int = 1) -> StudyVerification:
    """Check all of a study, from its tables downwards; stops at the first broken link.

    What is never published (`contents.left_out`) may be absent; where it is here, it is hashed too.

    Args:
        results: the folder with `studies/NAME`.
        workers: processes for algebra.

    Raises:
        NoAlgebra: this Python has no math-verify and an answer needs it.
    """
    found = StudyVerification(name, Verification(published=True))
    study = Artifact(results / "studies" / name / "manifest.json", results)
    try:
        found.links.broken = next(_broken(study, found, workers), None)
    except NoAlgebra:
        raise
    except UserError as error:
        found.links.broken = str(error)
    except DAMAGE as error:
        found.links.broken = f"{study.path} or something below it is damaged: {error!r}"
    found.tally.manifests, found.tally.files = found.links.artifacts, found.links.files
    return found


def not_planned(study: Artifact) -> str | None:
    """Why a study is not finished: the first planned run, graded suite or overlap that it was made without; None when it is."""
    spec = read_study_spec(study)
    planned = [f"runs/{run.id}" for run in spec.runs] + [f"grades/{cell.grades}" for cell in spec.cells]
    planned += [f"overlaps/{spec.name}/{name}" for name in spec.compared]
    missing = [name for name in planned if name not in study.manifest.inputs]
    return f"{study.path} was made without {missing[0]}" if missing else None


def read_study_spec(study: Artifact) -> StudySpec:
    """The spec that the study's manifest holds."""
    return read_spec(StudySpec, json.dumps(study.manifest.spec))[0]


def _broken(study: Artifact, found: StudyVerification, workers: int) -> Iterator[str]:
    yield from _links(study, found)
    if found.links.absent:
        return
    yield from _texts(study, found)
    yield from regrade([one for one in found.artifacts if one.manifest.kind == "grades"], found.tally, workers)


def _links(study: Artifact, found: StudyVerification) -> Iterator[str]:
    """Each artifact is whole and is the one that each of its consumers was made from."""
    if not study.path.is_file():
        yield f"{study.path}: there is no such study; `snakemake --config study={found.name}` makes it"
    if study.manifest.kind != "study" or study.manifest.id != found.name:
        yield f"{study.path} is the {study.manifest.kind} `{study.manifest.id}`, not the study `{found.name}`"
    consumers = {study.path: study}
    waiting = [study]
    while waiting:
        here = waiting.pop(0)
        found.artifacts.append(here)
        for other, wanted in _used(here):
            if other.path not in consumers:
                consumers[other.path] = here
                if not other.path.is_file() or digest_of(other.path) != wanted:
                    yield from at(other, wanted, here, found.links)
                waiting.append(other)
            elif digest_of(other.path) != wanted:
                yield other_version(other, here)
    for artifact in found.artifacts:
        yield from own(artifact, found.links)


def _used(artifact: Artifact) -> Iterator[tuple[Artifact, str]]:
    """What an artifact was made from and what lies inside it, each with the digest that it states."""
    for name, other in artifact.upstream().items():
        yield other, artifact.manifest.inputs[name]
    for name, member in artifact.members().items():
        yield member, artifact.manifest.parts[name]


def _texts(study: Artifact, found: StudyVerification) -> Iterator[str]:
    """Every table, every figure's data and the ledger are what grades and curves give."""
    folder = study.path.parent
    listed = {entry.path for entry in study.manifest.files}
    found_again = tabulate(read_study_spec(study), study.results)
    again = found_again.texts()
    later = study.record.code_sha256 != code_digest(AGGREGATE)
    for path, text in again.items():
        if path not in listed and later and path.startswith(NEW) and not (folder / path).exists():
            found.tally.since.append(path)
            continue
        if path not in listed:
            yield f"{study.path} lists no {path}, which its grades and curves give"
        published = (folder / path).read_text(encoding="utf-8")
        if found_again.unread and path.startswith(OF_TEXTS):
            found.tally.unread += 1
            if path.endswith(".csv"):
                published, text = told(published, text), told(text, text)
            else:
                continue
        if difference := first_difference(str(folder / path), published, text):
            yield difference
        if path.startswith("tables/") and path.endswith(".csv"):
            found.tally.tables += 1
            found.tally.cells += cells_of(published)
        elif path.endswith(".csv"):
            found.tally.figures += 1
    unknown = sorted(path for path in listed - set(again) if path.endswith((".csv", ".md", ".tex", ".json")))
    if found_again.unread or found_again.undrawn:
        beyond = [path for path in unknown if path.startswith((*OF_TEXTS, WHOLE_OR_NOT))]
        found.tally.unread += len(beyond)
        unknown = [path for path in unknown if path not in beyond]
    if unknown:
        yield f"{folder / unknown[0]} does not follow from grades and curves"
