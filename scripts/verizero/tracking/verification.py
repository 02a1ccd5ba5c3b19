"""Is the chain whole? Every file on the way is hashed again, and the number is computed again from its grades."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.artifacts.files import FileEntry, describe, folder_md5
from verizero.artifacts.manifest import PayloadFile, bring_back, digest_of, payload_folder
from verizero.evidence.cells import recompute
from verizero.tracking.chain import DAMAGE
from verizero.tracking.contents import left_out
from verizero.tracking.lineage import Artifact
from verizero.tracking.table import Source, TableRow
from verizero.tracking.tally import Gone


@dataclass
class Verification:
    """What was found.

    Attributes:
        broken: the first broken link, in one sentence; None when there is none.
        absent: payload folders that are not here, so that they could not be hashed.
        beside: files of the study, other than the table, that are not here; the number does not follow from them.
        artifacts, files: how many manifests were checked and how many files hashed.
        published: whether what is never published may be elsewhere, and everything else must be here.
        gone: files that are elsewhere because they are not published.
    """

    broken: str | None = None
    absent: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)
    artifacts: int = 0
    files: int = 0
    published: bool = False
    gone: list[Gone] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: whole; 1: broken; 3: nothing is broken, but not everything is here."""
        return 1 if self.broken else 3 if self.absent else 0

    def sentence(self) -> str:
        """The outcome in one line."""
        if self.broken:
            return f"BROKEN: {self.broken}"
        done = f"{self.artifacts} manifests and {self.files} files are what they should be"
        if self.beside:
            done += f" ({len(self.beside)} other files of the study are not here, for example {self.beside[0].name})"
        if self.gone:
            done += f"; {len(self.gone)} files that are not published (weights, for example) are not here"
        if self.absent:
            command = f"dvc pull {' '.join(f'{path}.dvc' for path in self.absent)}"
            return f"NOT VERIFIED: {len(self.absent)} payloads are not here; `{command}` brings them ({done})"
        return f"VERIFIED: {done}, and the grades give the same estimate and interval"


def verify(row: TableRow, published: bool = False) -> Verification:
    """Check everything that a row follows from, from the table downwards; stops at the first broken link.

    Args:
        published: whether the row is of a bundle, which has no weights.
    """
    found = Verification(published=published)
    try:
        found.broken = next(_broken(row, found), None)
    except UserError as error:
        found.broken = str(error)
    except DAMAGE as error:
        found.broken = f"{row.study.path} or something below it is damaged: {error!r}"
    return found


def _broken(row: TableRow, found: Verification) -> Iterator[str]:
    study = row.study
    yield from _edited_table(row)
    yield from own(study, found)
    if not row.sources:
        yield f"{row.table}: no grades of this row are here"
    checked = {study.path}
    for source in row.sources:
        yield from _suite(study, source, found, checked)
    if not found.absent:
        yield from _other_numbers(row)


def _edited_table(row: TableRow) -> Iterator[str]:
    listed = {entry.path: entry.sha256 for entry in row.study.manifest.files}
    name = row.table.relative_to(row.table.parents[1]).as_posix()
    if name not in listed:
        yield f"{row.table} is not among the files of {row.study.path}"
    elif sha256_file(row.table) != listed[name]:
        try:
            differences = list(_other_numbers(row))
        except DAMAGE:
            differences = []
        yield (
            differences[0]
            if differences
            else f"{row.table} was changed after it was published: its SHA-256 is not the one in {row.study.path}"
        )


def _other_numbers(row: TableRow) -> Iterator[str]:
    again = recompute(row.spec, row.texts, row.results)
    for column, text in row.texts.items():
        if again[column] != text:
            yield f"{row.table}: {column} is {text or 'empty'}, but its grades give {again[column] or 'nothing'}"


def _suite(study: Artifact, source: Source, found: Verification, checked: set[Path]) -> Iterator[str]:
    """Down from the study through a graded suite, following the one member that counts."""
    suite, grades = source.suite, source.grades
    used = {artifact.path: study.manifest.inputs[name] for name, artifact in study.upstream().items()}
    if suite.path not in used:
        yield f"{suite.path} is not among the inputs of {study.path}"
    yield from at(suite, used[suite.path], study, found)
    checked.add(suite.path)
    yield from at(grades, suite.manifest.parts[source.member], suite, found)
    checked.add(grades.path)
    samples_suite = suite.upstream()["samples"]
    yield from at(samples_suite, suite.manifest.inputs["samples"], suite, found)
    checked.add(samples_suite.path)
    member = grades.upstream()["samples"]
    listed = samples_suite.manifest.parts.get(source.member)
    if listed is None or digest_of(member.path) != listed:
        yield f"{member.path} is not the member that {samples_suite.path} lists"
    for artifact in (grades, samples_suite, suite):
        yield from _below(artifact, found, checked)
    for path, digest in used.items():
        if path in checked and digest_of(path) != digest:
            yield f"{path} is not the one that {study.path} was made from: its SHA-256 is {digest_of(path)[:16]}…"


def _below(artifact: Artifact, found: Verification, checked: set[Path]) -> Iterator[str]:
    for name, other in artifact.upstream().items():
        wanted = artifact.manifest.inputs[name]
        if other.path not in checked:
            checked.add(other.path)
            yield from at(other, wanted, artifact, found)
            yield from _below(other, found, checked)
        elif digest_of(other.path) != wanted:
            yield other_version(other, artifact)


def at(artifact: Artifact, wanted: str, consumer: Artifact, found: Verification) -> Iterator[str]:
    """An artifact where a consumer expects it: there, well-formed, the one that was used, and whole."""
    if not artifact.path.is_file():
        yield f"{artifact.path} is missing; {consumer.path} was made from it"
    _ = artifact.manifest
    if digest_of(artifact.path) != wanted:
        yield other_version(artifact, consumer)
    yield from own(artifact, found)


def other_version(artifact: Artifact, consumer: Artifact) -> str:
    """The sentence about an artifact that is not the one its consumer was made from."""
    return f"{artifact.path} is not the one that {consumer.path} was made from: its SHA-256 is {digest_of(artifact.path)[:16]}…"


def own(artifact: Artifact, found: Verification) -> Iterator[str]:
    """The manifest follows its schema, the record is of this manifest, and the files are the ones listed."""
    manifest, record = artifact.manifest, artifact.record
    if record.manifest_sha256 != digest_of(artifact.path):
        yield f"{artifact.path} is not the manifest that its record.json describes: its SHA-256 is {digest_of(artifact.path)[:16]}…"
    for name, digest in record.files.items():
        file = artifact.path.parent / name
        if not file.is_file():
            reason = left_out(manifest.kind, name)
            if found.published and reason:
                found.gone.append(Gone(file, None, digest, reason))
            else:
                found.absent.append(file)
        elif sha256_file(file) != digest:
            yield f"{file} has another SHA-256 than record.json says"
    yield from _payload(artifact, found)
    found.artifacts += 1


def _payload(artifact: Artifact, found: Verification) -> Iterator[str]:
    """Every file of the payload that is here is the one listed; what is not here is broken, absent or not published."""
    manifest = artifact.manifest
    payload = payload_folder(artifact.path, manifest.kind)
    for entry in manifest.files:
        file = payload / entry.path
        if not file.is_file():
            yield from _gone(artifact, entry, payload, found)
            continue
        if (seen := describe(file, payload)).sha256 != entry.sha256:
            yield (
                f"{file} has another SHA-256 than {artifact.path} says"
                if manifest.kind == "study"
                else f"{file} has SHA-256 {seen.sha256[:16]}…, its manifest says {entry.sha256[:16]}…"
            )
        elif seen.md5 != entry.md5 or seen.size != entry.size:
            yield f"{artifact.path}: size and MD5 of {entry.path} are not those of the file with its SHA-256"
        found.files += 1
    if (
        manifest.files
        and folder_md5(FileEntry(**entry.model_dump()) for entry in manifest.files) != manifest.payload_md5
    ):
        yield f"{artifact.path}: payload_md5 does not follow from the files it lists"


def _gone(artifact: Artifact, entry: PayloadFile, payload: Path, found: Verification) -> Iterator[str]:
    file, kind = payload / entry.path, artifact.manifest.kind
    reason = left_out(kind, entry.path)
    if found.published and reason:
        found.gone.append(Gone(file, entry.size, entry.sha256, reason))
    elif kind == "study" and not found.published:
        # Figures and the report stand beside the number, not below it: a clone may lack them, but they may not differ.
        found.beside.append(file)
    elif reason or not payload.exists():
        if payload not in found.absent:
            found.absent.append(payload)
    else:
        yield f"{file} is missing; {bring_back(artifact.path)}"
