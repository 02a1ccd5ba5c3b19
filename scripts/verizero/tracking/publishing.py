"""A finished study becomes a bundle: everything from which its numbers follow, and a list of what is elsewhere."""

from __future__ import annotations

import configparser
import lzma
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from verizero.artifacts.bundle import FILE, PACKED, Bundle, FileElsewhere, ProblemSource, Reason, StoredFile
from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.artifacts.files import sync_folder
from verizero.artifacts.manifest import PAYLOAD
from verizero.config.registry import Registry
from verizero.problems.problem import read_problems
from verizero.tracking.bundle_verification import tracking_of
from verizero.tracking.contents import REASONS, graded_benchmarks, left_out
from verizero.tracking.golds import GOLDS, golds_text
from verizero.tracking.lineage import Artifact
from verizero.tracking.open_bundle import opened
from verizero.tracking.study_verification import not_planned, read_study_spec, verify_study
from verizero.tracking.tally import megabytes

COMPRESSED = (".gz", ".xz", ".zst", ".png")


@dataclass(frozen=True)
class Source:
    """A file of an artifact: where it is, its place inside the bundle unpacked, what the manifest says, and why it is left out."""

    file: Path
    place: str
    size: int | None
    sha256: str
    md5: str | None
    reason: Reason | None


def publish(
    results: Path,
    name: str,
    target: Path,
    registry: Registry | None,
    limit: int,
    replace: bool,
    weights_at: str | None,
    remote: str | None,
    workers: int,
) -> Bundle:
    """Verify a study and write its bundle, whole or not at all.

    Args:
        target: the bundle's folder.
        registry: says the licences of the problems; None where there is no config.
        limit: bytes that the bundle may have.
        replace: whether a bundle that is there may be replaced.
        weights_at: where the weights are, in the author's words; else they are at `remote`, or nowhere that is known.
        remote: the public URL of the DVC remote.
        workers: processes for algebra.

    Raises:
        UserError: the study is not finished or does not verify, there is a bundle already, or the limit is exceeded.
    """
    if target.exists() and not replace:
        raise UserError(f"{target} is there already; --replace publishes the study anew in its place")
    artifacts = _verified(results, name, workers)
    sources = [source for artifact in artifacts for source in _files(artifact)]
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{name}.*"):  # of a call that was killed
        shutil.rmtree(left)
    staging = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    try:
        staging.chmod(0o755)
        stored = [
            _store(source.place, source.file.read_bytes(), staging) for source in sources if source.reason is None
        ]
        for benchmark in sorted(graded_benchmarks(artifacts)):
            text = golds_text(read_problems(benchmark.parent / PAYLOAD / "problems.jsonl"))
            stored.append(_store(f"{benchmark.parent.relative_to(results).as_posix()}/{GOLDS}", text.encode(), staging))
        bundle = _bundle(artifacts, sources, stored, registry, weights_at, remote)
        (staging / FILE).write_text(bundle.text(), encoding="utf-8")
        _check_size(stored, len(bundle.text().encode()), limit, target)
        with opened(staging) as unpacked:
            for source in sources:
                if source.reason is None and sha256_file(unpacked.results / source.place) != source.sha256:
                    raise UserError(f"{source.file} changed while it was published; begin again")
        _put(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return bundle


def public_remote(root: Path) -> str | None:
    """The address of the default DVC remote, where anybody can reach it; None for a folder or a private store."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read(root / ".dvc" / "config", encoding="utf-8")
    except configparser.Error:
        return None
    name = parser.get("core", "remote", fallback="")
    url = parser.get(f"'remote \"{name}\"'", "url", fallback="")
    return url.rstrip("/") if url.startswith(("http://", "https://")) else None


def _verified(results: Path, name: str, workers: int) -> list[Artifact]:
    """All artifacts of a study that is finished and whole, with its tracking when that is of this state.

    Raises:
        UserError: it is not.
    """
    study = Artifact(results / "studies" / name / "manifest.json", results)
    finish = f"`snakemake --config study={name}` finishes it"
    if not study.path.is_file():
        raise UserError(f"{study.path}: there is no such study here; {finish}")
    if hole := not_planned(study):
        raise UserError(f"{hole}: the study is not finished; {finish}")
    found = verify_study(results, name, workers)
    if found.exit_code:
        raise UserError(f"the study `{name}` does not audit, and is not published: {found.outcome()}")
    tracking = tracking_of(results, name)
    try:
        current = tracking.path.is_file() and all(
            other.digest == tracking.manifest.inputs[key] for key, other in tracking.upstream().items()
        )
    except (UserError, OSError):
        current = False
    return [*found.artifacts, tracking] if current else found.artifacts


def _files(artifact: Artifact) -> Iterator[Source]:
    """Every file of an artifact, and whether it is published."""
    manifest, folder, name = artifact.manifest, artifact.path.parent, artifact.name
    for own in ("manifest.json", "record.json"):
        yield Source(folder / own, f"{name}/{own}", None, sha256_file(folder / own), None, None)
    for path, digest in artifact.record.files.items():
        reason = left_out(manifest.kind, path)
        yield Source(folder / path, f"{name}/{path}", None, digest, None, reason)
    for entry in manifest.files:
        file = artifact.payload / entry.path
        reason = left_out(manifest.kind, entry.path)
        place = file.relative_to(artifact.results).as_posix()
        yield Source(file, place, entry.size, entry.sha256, entry.md5, reason)


def _store(place: str, data: bytes, staging: Path) -> StoredFile:
    """Write a file of the bundle, packed where that makes it smaller and nobody would read it there."""
    plain = place.startswith("studies/") or Path(place).name in ("manifest.json", "record.json")
    packed = not plain and not place.endswith(COMPRESSED)
    path = place + (PACKED if packed else "")
    target = staging / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME) if packed else data)
    return StoredFile(path=path, size=target.stat().st_size, sha256=sha256_file(target), packed=packed)


def _bundle(
    artifacts: list[Artifact],
    sources: list[Source],
    stored: list[StoredFile],
    registry: Registry | None,
    weights_at: str | None,
    remote: str | None,
) -> Bundle:
    study = artifacts[0]
    elsewhere = [
        FileElsewhere(
            path=one.place,
            size=one.size,
            sha256=one.sha256,
            reason=one.reason,
            where=_where(one, weights_at, remote),
        )
        for one in sources
        if one.reason
    ]
    spec = read_study_spec(study)
    return Bundle(
        study=spec.name,
        question=spec.question,
        manifest_sha256=study.digest,
        commits=sorted({artifact.record.commit for artifact in artifacts if artifact.record.commit}),
        problems=list(_problems(artifacts, registry)),
        reasons={reason: REASONS[reason] for reason in REASONS if any(one.reason == reason for one in elsewhere)},
        elsewhere=sorted(elsewhere, key=lambda one: one.path),
        files=sorted(stored, key=lambda one: one.path),
    )


def _where(one: Source, weights_at: str | None, remote: str | None) -> str | None:
    """Where a file is that is left out; None where nobody needs to fetch it, or nowhere is known."""
    match one.reason:
        case "weights":
            return weights_at or _at(remote, one.md5)
        case "rollouts":
            return _at(remote, one.md5)
    return None


def _at(remote: str | None, md5: str | None) -> str | None:
    """Where DVC keeps a file with this MD5."""
    return f"{remote}/files/md5/{md5[:2]}/{md5[2:]}" if remote and md5 else None


def _problems(artifacts: Iterable[Artifact], registry: Registry | None) -> Iterator[ProblemSource]:
    for path in sorted(graded_benchmarks(artifacts)):
        name = path.parent.name
        known = {**registry.datasets, **registry.benchmarks}.get(name) if registry else None
        manifest = next(one for one in artifacts if one.path == path).manifest
        source = manifest.spec.get("problems", {}).get("source", {})
        yield ProblemSource(benchmark=name, source=source, licence=known.licence if known else None)


def _check_size(stored: list[StoredFile], own: int, limit: int, target: Path) -> None:
    total = sum(one.size for one in stored) + own
    if total > limit:
        largest = sorted(stored, key=lambda one: -one.size)[:3]
        raise UserError(
            f"{target} would have {megabytes(total)}, more than the limit of {megabytes(limit)}; the largest are "
            + ", ".join(f"{one.path} ({megabytes(one.size)})" for one in largest)
            + "; --limit-mb allows more, and git keeps every version for ever"
        )


def _put(staging: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        os.replace(target, old)
    os.replace(staging, target)
    shutil.rmtree(old, ignore_errors=True)
    sync_folder(target.parent)
