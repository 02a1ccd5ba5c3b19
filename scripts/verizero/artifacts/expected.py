"""An artifact whose payload is made again must come out as it was: what it was is kept aside until that is seen.

The consumers of an artifact were made from its manifest. When its payload is absent, its job runs again for the payload
alone; if the new manifest differs from the old one, the consumers would rest on something that no longer exists.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.artifacts.canonical import sha256_text
from verizero.artifacts.errors import UserError
from verizero.artifacts.files import write_atomic
from verizero.artifacts.manifest import Manifest, read_manifest

FOLDER = Path(".scratch") / "expected"
FILES = ("manifest.json", "record.json")


@dataclass(frozen=True)
class Expected:
    """What an artifact was.

    Attributes:
        folder: where its manifest and record are kept aside.
        out: where its manifest belongs.
    """

    folder: Path
    out: Path

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder / "manifest.json")

    @property
    def record(self) -> dict[str, Any]:
        """How it came to be then; empty when that is not known."""
        file = self.folder / "record.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def is_of(self, spec: Mapping[str, Any], inputs: Mapping[str, str], code: str) -> bool:
        """Whether the job that runs now is the one that made the artifact; another one may give something else."""
        return (
            self.manifest.spec == dict(spec)
            and self.manifest.inputs == dict(inputs)
            and self.record.get("code_sha256") == code
        )

    def put_back(self) -> None:
        """Let the old manifest and record stand where they stood."""
        for name in reversed(FILES):
            if (self.folder / name).is_file():
                write_atomic(self.out.parent / name, (self.folder / name).read_bytes())

    def check(self, manifest: Manifest, staging: Path, now: Mapping[str, Any]) -> None:
        """Compare what was made again with what it was; where they differ, the old manifest is put back.

        Args:
            staging: where the new files are, for somebody who wants to look.
            now: the environment, as a record has it.

        Raises:
            UserError: they differ; names the first difference, and then and now of the environment.
        """
        if manifest.text() == self.manifest.text():
            return
        self.put_back()
        raise UserError(
            f"{self.out}: its payload was made again and comes out different: {_difference(self.manifest, manifest)}; "
            f"{_environments(self.record, now)}. The old manifest is kept, because others were made from it; the new files lie "
            f"in {staging}. To go on from the new ones, remove {self.out.parent}: all that was made from it is then made again"
        )


def expect(results: Path, out: Path) -> None:
    """Keep an artifact's manifest and record aside, before its job runs again for the payload."""
    for name in FILES:
        if (out.parent / name).is_file():
            write_atomic(_folder(results, out) / name, (out.parent / name).read_bytes())


def expected(out: Path) -> Expected | None:
    """What the artifact at a place must come out as; None when its job is free."""
    results = next((parent for parent in out.absolute().parents if parent.name == "results"), None)
    return _read(_folder(results, out.absolute()), out) if results else None


def all_expected(results: Path) -> list[Expected]:
    """Everything that is kept aside, sorted by place."""
    root = results / FOLDER
    found = [_read(file.parent, results / file.relative_to(root)) for file in sorted(root.rglob("manifest.json"))]
    return [one for one in found if one is not None]


def put_back(results: Path) -> None:
    """Put back every manifest that an interrupted job, or one with another result, took away."""
    for one in all_expected(results):
        if not one.out.is_file():
            one.put_back()


def forget(results: Path) -> None:
    """Keep nothing aside any more."""
    shutil.rmtree(results / FOLDER, ignore_errors=True)


def _folder(results: Path, out: Path) -> Path:
    return results / FOLDER / out.parent.relative_to(results)


def _read(folder: Path, out: Path) -> Expected | None:
    try:
        read_manifest(folder / "manifest.json")
    except UserError:
        return None
    return Expected(folder, out)


def _difference(old: Manifest, new: Manifest) -> str:
    before = {entry.path: entry.sha256 for entry in old.files}
    after = {entry.path: entry.sha256 for entry in new.files}
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            return f"payload/{path} {_digest(after.get(path))}, it {'had' if path in before else 'did not exist'}" + (
                f" {before[path][:16]}…" if path in before else ""
            )
    for name in ("counts", "seeds", "unpinned", "parts"):
        if (then := getattr(old, name)) != (now := getattr(new, name)):
            return f"`{name}` of its manifest is {json.dumps(now)}, it was {json.dumps(then)}"
    return f"its manifest has SHA-256 {sha256_text(new.text())[:16]}…, it had {sha256_text(old.text())[:16]}…"


def _digest(sha256: str | None) -> str:
    return f"has SHA-256 {sha256[:16]}…" if sha256 else "is not there"


def _environments(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of the environment differs, then and now."""
    names = ("host", "platform", "python", "cpus", "gpus", "driver")
    differ = [f"{name} {then.get(name)}, now {now.get(name)}" for name in names if then.get(name) != now.get(name)]
    old, new = then.get("packages", {}), now.get("packages", {})
    differ += [
        f"{name} {old.get(name)}, now {new.get(name)}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    return f"the environment was another one ({', '.join(differ)})" if differ else "the environment is the same"
