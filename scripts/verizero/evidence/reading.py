"""Graded samples as arrays, and the groups of a study: one subject under one benchmark and protocol, over its seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import Manifest, digest_of, open_artifact, payload_folder, read_manifest
from verizero.artifacts.rows import read_rows
from verizero.config.expansion import Step
from verizero.config.spec import Cell, StudySpec


@dataclass(frozen=True)
class MemberGrades:
    """The verdicts on one member of a suite for one subject: N problems, K samples each.

    Attributes:
        path: the grades' manifest.
        problems: ids, ascending; the first axis of every array.
        correct, truncated, boxed: [problem, sample].
        tokens: [problem, sample], response length in tokens.
        statuses: how many samples have each grader status.
        classes: [problem, sample], the same number for answers that are the same, 0 for the right one, -1 for none; None where grades of an
            earlier version, or with fewer than three samples a problem, do not say.
    """

    path: Path
    problems: tuple[str, ...]
    correct: NDArray[np.bool_]
    tokens: NDArray[np.float64]
    truncated: NDArray[np.bool_]
    boxed: NDArray[np.bool_]
    statuses: dict[str, int]
    classes: NDArray[np.int64] | None = None

    @property
    def samples(self) -> int:
        """Samples of each problem, K."""
        return self.correct.shape[1]


@dataclass(frozen=True)
class Key:
    """What a row of the tables is about, but for the metric.

    `template` is the one that the evaluation used. A run that was trained under another reads `<trained>/<evaluated>`,
    so that two runs never share a row.
    """

    model: str
    train_set: str
    template: str
    optimizer: str
    checkpoint: Step
    benchmark: str
    protocol: str


@dataclass(frozen=True)
class Group:
    """One subject over its training seeds, under one member of one suite; nothing of it is read yet.

    Attributes:
        paths: the grades' manifest of each seed that has one; a base model has the one seed `None`.
        missing: the planned seeds without grades.
    """

    key: Key
    suite: str
    member: str
    paths: dict[int | None, Path] = field(default_factory=dict)
    missing: tuple[int | None, ...] = ()

    def read(self) -> dict[int | None, MemberGrades]:
        """The grades of each seed.

        Raises:
            UserError: a payload is damaged, or the seeds differ in their problems or in their number of samples.
        """
        members = {seed: read_member(path) for seed, path in self.paths.items()}
        check_alike(list(members.values()))
        return members


def read_member(manifest_path: Path) -> MemberGrades:
    """The grades of one member.

    Raises:
        UserError: the payload is absent or cut, a sample occurs twice, problems differ in their number of samples, or there are
            fewer than were graded.
    """
    manifest, payload = open_artifact(manifest_path)
    rows = sorted(read_rows(payload / "grades.jsonl.gz"), key=lambda row: (str(row["problem"]), row["sample"]))
    counts = Counter(str(row["problem"]) for row in rows)
    if len({(row["problem"], row["sample"]) for row in rows}) != len(rows):
        raise UserError(
            f"{payload / 'grades.jsonl.gz'}: a sample is graded twice; remove {manifest_path} and grade again"
        )
    if (said := manifest.counts.get("samples", len(rows))) != len(rows):
        raise UserError(
            f"{payload / 'grades.jsonl.gz'}: has {len(rows)} verdicts, its manifest counts {said}; remove {manifest_path} and grade again"
        )
    if len(set(counts.values())) != 1:
        raise UserError(
            f"{payload / 'grades.jsonl.gz'}: problems have {sorted(set(counts.values()))} samples; each must have the same number"
        )
    shape = (len(counts), len(rows) // len(counts))
    if (asked := _asked(manifest_path)) is not None and asked != shape[1]:
        raise UserError(
            f"{manifest_path}: {shape[1]} samples of each problem are graded, its protocol asks for {asked}; "
            "remove it and its samples and run `snakemake` to make them again"
        )
    classes = None
    if all("answer_class" in row for row in rows):
        classes = np.array([-1 if row["answer_class"] is None else row["answer_class"] for row in rows], dtype=np.int64)
    return MemberGrades(
        path=manifest_path,
        problems=tuple(sorted(counts)),
        correct=np.array([row["correct"] for row in rows], dtype=bool).reshape(shape),
        tokens=np.array([row["tokens"] for row in rows], dtype=np.float64).reshape(shape),
        truncated=np.array([row["finish"] == "length" for row in rows], dtype=bool).reshape(shape),
        boxed=np.array([row["boxed"] for row in rows], dtype=bool).reshape(shape),
        statuses=dict(sorted(Counter(str(row["status"]) for row in rows).items())),
        classes=None if classes is None else classes.reshape(shape),
    )


def graded_samples(grades: Path) -> Path | None:
    """The manifest of the samples that a member's grades are of; None where it is not here, or others are."""
    if len(grades.parts) < 5 or grades.parts[-5] != "grades":
        return None
    manifest, suite = read_manifest(grades), grades.parents[3].with_name("samples").joinpath(*grades.parts[-4:-2])
    samples = suite / str(manifest.spec.get("member", grades.parts[-2])) / grades.name
    return samples if samples.is_file() and manifest.inputs.get("samples") == digest_of(samples) else None


def is_cut(grades: Path) -> bool:
    """Whether a member's grades are here and are of samples that were cut at a shorter limit."""
    return grades.is_file() and read_manifest(grades).spec.get("cut_tokens") is not None


def samples_of(grades: Path) -> Path | None:
    """The samples of a graded member, when their texts are on this machine and are the graded ones."""
    path = graded_samples(grades)
    return path if path and (payload_folder(path, "samples") / "samples.jsonl.gz").is_file() else None


def _asked(grades: Path) -> int | None:
    """How many samples of each problem a member was to have; None where that is not known here."""
    samples = graded_samples(grades)
    asked = read_manifest(samples).spec.get("samples", 1) if samples else None
    return asked if isinstance(asked, int) else None


def suite_path(results: Path, cell: Cell) -> Path:
    """The manifest of a cell's graded suite."""
    return results / "grades" / cell.grades / "manifest.json"


def run_path(results: Path, run: str) -> Path:
    """The manifest of a run."""
    return results / "runs" / run / "manifest.json"


def overlap_path(spec: StudySpec, results: Path, train_set: str) -> Path:
    """The manifest of what a training set shares with the study's benchmarks."""
    return results / "overlaps" / spec.name / train_set / "manifest.json"


def read_suite(path: Path) -> dict[str, Path]:
    """The members of a graded suite: id -> manifest.

    Raises:
        UserError: a member is absent, or is not the one that the suite was published with.
    """
    suite: Manifest = read_manifest(path)
    found = {}
    for member, digest in sorted(suite.parts.items()):
        found[member] = path.parent / member / "manifest.json"
        if not found[member].is_file() or digest_of(found[member]) != digest:
            raise UserError(
                f"{found[member]} is not the member that {path} lists; run `snakemake {path}` to make the suite again"
            )
    return found


def missing_inputs(spec: StudySpec, results: Path) -> list[Path]:
    """The manifests of runs, graded suites and overlaps that the study plans and that are not there."""
    planned = [*(run_path(results, run.id) for run in spec.runs), *(suite_path(results, cell) for cell in spec.cells)]
    planned += [overlap_path(spec, results, name) for name in spec.compared]
    return [path for path in planned if not path.is_file()]


def split_member(member: str) -> tuple[str, str, str]:
    """Benchmark, template and protocol of a member id.

    Raises:
        UserError: the id does not read `<benchmark>.<template>.<protocol>`.
    """
    parts = member.split(".")
    if len(parts) != 3:
        raise UserError(f"`{member}` is no member of a suite; one reads <benchmark>.<template>.<protocol>")
    return parts[0], parts[1], parts[2]


def key_of(cell: Cell, member: str) -> Key:
    """The key of a cell's rows under one member."""
    benchmark, template, protocol = split_member(member)
    trained = cell.template if cell.optimizer else None
    shown = template if trained in (None, template) else f"{trained}/{template}"
    return Key(cell.model, cell.train_set or "", shown, cell.optimizer or "", cell.step, benchmark, protocol)


def groups_of(cells: Sequence[Cell], results: Path) -> list[Group]:
    """Every group of a study's cells, in the order of its plan; grades that are not there are named as missing.

    A group none of whose seeds has grades still appears, under the members that its suite has for other subjects.
    """
    groups = []
    listed = {cell.grades: read_suite(path) if (path := suite_path(results, cell)).is_file() else {} for cell in cells}
    known = _known_members(cells, listed)
    for alike in _subjects(cells):
        first = alike[0]
        own = {member for cell in alike for member in listed[cell.grades]}
        for member in sorted(
            own or known.get((first.suite, first.template), set()) | known.get((first.suite, None), set())
        ):
            there = {cell.seed: listed[cell.grades][member] for cell in alike if member in listed[cell.grades]}
            groups.append(
                Group(
                    key_of(first, member),
                    first.suite,
                    member,
                    there,
                    tuple(cell.seed for cell in alike if cell.seed not in there),
                )
            )
    return groups


def _subjects(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells that differ in their seed only."""
    found: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.model, cell.train_set, cell.template, cell.optimizer, cell.step, cell.suite), []).append(
            cell
        )
    return [sorted(alike, key=lambda cell: -1 if cell.seed is None else cell.seed) for alike in found.values()]


def _known_members(cells: Sequence[Cell], listed: dict[str, dict[str, Path]]) -> dict[tuple[str, str | None], set[str]]:
    """The members that a suite has under a template; under None, those of a suite whose members all name their own."""
    known: dict[tuple[str, str | None], set[str]] = {}
    for cell in cells:
        known.setdefault((cell.suite, cell.template), set()).update(listed[cell.grades])
    return known


def check_alike(members: list[MemberGrades]) -> None:
    """Refuse to set side by side what was not asked the same.

    Raises:
        UserError: names the two that differ.
    """
    for other in members[1:]:
        if other.problems != members[0].problems:
            raise UserError(
                f"{other.path} and {members[0].path} grade different problems; run `snakemake` to evaluate both on the same benchmark"
            )
        if other.samples != members[0].samples:
            raise UserError(
                f"{other.path} has {other.samples} samples a problem, {members[0].path} has {members[0].samples}; "
                "run `snakemake` to bring both up to date"
            )


def study_inputs(spec: StudySpec, results: Path) -> dict[str, Path]:
    """The manifests that a study is made from, as far as they are there: `runs/<id>`, `grades/<subject>/<suite>`,
    `overlaps/<study>/<training set>`.
    """
    planned = {f"runs/{run.id}": run_path(results, run.id) for run in spec.runs}
    planned |= {f"grades/{cell.grades}": suite_path(results, cell) for cell in spec.cells}
    planned |= {f"overlaps/{spec.name}/{name}": overlap_path(spec, results, name) for name in spec.compared}
    return {name: path for name, path in planned.items() if path.is_file()}


def warnings_of(inputs: Mapping[str, Path]) -> list[str]:
    """What the records of these artifacts warn of, each once, with the artifact's name before it."""
    found = []
    for name, path in inputs.items():
        record = path.parent / "record.json"
        if record.is_file():
            found += [
                f"{name}: {sentence}" for sentence in json.loads(record.read_text(encoding="utf-8")).get("warnings", [])
            ]
    return list(dict.fromkeys(found))
