"""Which artifacts an artifact was made from, and where they lie: read from the manifests themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from verizero.artifacts.canonical import canonical_json
from verizero.artifacts.errors import UserError
from verizero.artifacts.manifest import Manifest, digest_of, payload_folder, read_manifest
from verizero.artifacts.record import Record
from verizero.config.expansion import parse_run, parse_subject

PLACES = ("models", "datasets", "overlaps", "runs", "samples", "grades", "studies")
"""The folders inside the results; an input may be named by where it lies."""


@dataclass(frozen=True)
class Artifact:
    """One artifact of a results folder.

    Args:
        path: its `manifest.json`.
        results: the folder that all artifacts lie in.
    """

    path: Path
    results: Path

    @cached_property
    def manifest(self) -> Manifest:
        """Its manifest, checked against the schema."""
        return read_manifest(self.path)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its manifest."""
        return digest_of(self.path)

    @cached_property
    def record(self) -> Record:
        """How it came to be.

        Raises:
            UserError: there is no record, or it does not follow the schema.
        """
        file = self.path.parent / "record.json"
        if not file.is_file():
            raise UserError(f"{file} is missing: how {self.path} came to be is not known")
        try:
            return Record.model_validate_json(file.read_bytes())
        except ValueError as error:
            raise UserError(f"{file}: no record ({str(error).splitlines()[0]})") from None

    @property
    def payload(self) -> Path:
        """The folder of its own files."""
        return payload_folder(self.path, self.manifest.kind)

    @property
    def name(self) -> str:
        """Its folder inside the results, for example `runs/<run>`."""
        return self.path.parent.relative_to(self.results).as_posix()

    def at(self, *parts: str) -> Artifact:
        """Another artifact of the same results folder."""
        return Artifact(self.results.joinpath(*parts) / "manifest.json", self.results)

    def upstream(self) -> dict[str, Artifact]:
        """Input name -> the artifact it was made from, at the place where its id and spec say it lies.

        Raises:
            UserError: its id or spec does not say where an input lies.
        """
        try:
            return {name: self._input(name) for name in self.manifest.inputs}
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(f"{self.path}: its spec does not say where its inputs lie ({error!r})") from None

    def members(self) -> dict[str, Artifact]:
        """A suite's members."""
        return {
            name: Artifact(self.path.parent / name / "manifest.json", self.results)
            for name in self.manifest.parts
            if self.manifest.kind.startswith("suite-")
        }

    def _input(self, name: str) -> Artifact:
        kind, spec = self.manifest.kind, self.manifest.spec
        last = name.removesuffix("/manifest.json").split("/")[-1].split(":")[-1]
        here = self.path.parent.relative_to(self.results).parts
        place = name.removeprefix("results/").removesuffix("/manifest.json").split("/")
        if len(place) > 1 and place[0] in PLACES:
            return self.at(*place)
        match kind, name:
            case "run", "model":
                return self.at("models", parse_run(here[1]).model)
            case "run", "dataset":
                return self.at("datasets", parse_run(here[1]).train_set)
            case "run", "validation":
                return self.at("datasets", spec["validation"]["benchmark"])
            case "model", "model":
                return self.at("models", spec["source"]["model"])
            case "model", "dataset":
                return self.at("datasets", spec["source"]["train_set"])
            case (("samples" | "suite-samples"), "policy"):
                subject = parse_subject(here[1])
                return self.at("runs", subject.run.id) if subject.run else self.at("models", subject.model)
            case "grades", "samples":
                return self.at("samples", *here[1:-1], spec.get("member", here[-1]))
            case "suite-grades", "samples":
                return self.at("samples", *here[1:])
            case (("samples" | "grades"), "benchmark"):
                return self.at("datasets", _benchmark(self, spec))
            case "dataset", _ if "/" in name:  # chosen by what a subject could do: <subject>/<suite>
                return self.at("grades", *name.split("/"))
            case "dataset", _ if "." in name:  # chosen by what a run learned; no set's name has a point
                return self.at("runs", name)
            case "dataset" | "suite-samples" | "suite-grades", _:
                return self.at("datasets", last)
        raise UserError(f"{self.path}: nothing says where its input `{name}` lies")


def _benchmark(artifact: Artifact, spec: dict[str, Any]) -> str:
    """A member's id begins with its benchmark, whose name has no point."""
    return str(spec.get("benchmark") or artifact.path.parent.name.split(".")[0])


def everything_below(top: Artifact) -> Iterator[Artifact]:
    """An artifact and all it was made from, once each, consumers before what they consume.

    Raises:
        UserError: a manifest on the way is missing or damaged.
    """
    waiting, seen = [top], {top.path}
    while waiting:
        here = waiting.pop(0)
        yield here
        for artifact in (*here.members().values(), *here.upstream().values()):
            if artifact.path not in seen:
                seen.add(artifact.path)
                waiting.append(artifact)


def spec_difference(left: Any, right: Any, prefix: str = "") -> list[str]:
    """The dotted keys in which two specs differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = sorted({*left, *right})
        return [
            found
            for key in keys
            for found in spec_difference(left.get(key), right.get(key), f"{prefix}.{key}" if prefix else key)
        ]
    return [] if canonical_json(left) == canonical_json(right) else [prefix or "the whole spec"]
