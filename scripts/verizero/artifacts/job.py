"""One job, from its start to its artifact.

The payload is made in a scratch folder named after the spec, moved into place, and only then described: the
manifest is written last, by a rename. A job that is killed at any moment leaves no manifest, and whatever it
left in scratch either lets it resume or is overwritten.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from verizero.artifacts.canonical import canonical_json, sha256_text
from verizero.artifacts.code import code_digest
from verizero.artifacts.expected import expected
from verizero.artifacts.files import FileEntry, describe_folder, folder_md5, sync_folder, write_atomic
from verizero.artifacts.manifest import (
    PAYLOAD,
    Kind,
    Manifest,
    PayloadFile,
    digest_of,
    payload_folder,
    unpinned_sources,
)
from verizero.artifacts.record import Attempt, Record, environment, now

EXIT_RESUME = 75


class Job:
    """A stage's work on one artifact.

    Args:
        kind, id: what the artifact is.
        spec: the stage's spec, as parsed from its canonical JSON.
        out: where `manifest.json` goes; the payload lies beside it in `payload/`.
        inputs: name -> path of each upstream manifest.

    Use:
        job = Job("dataset", name, spec, out, inputs={...})
        ... write files under `job.staging` ...
        job.publish(counts={...})
    """

    def __init__(
        self, kind: Kind, id: str, spec: Mapping[str, Any], out: Path, inputs: Mapping[str, Path] | None = None
    ) -> None:
        if out.name != "manifest.json":
            raise ValueError(f"--out is {out}; an artifact's file is called manifest.json")
        self.kind, self.id, self.spec, self.out = kind, id, dict(spec), out
        self.inputs = {name: digest_of(path) for name, path in (inputs or {}).items()}
        self.unpinned = unpinned_sources((inputs or {}).values())
        self.program = Path(sys.argv[0]).resolve()
        self.code = code_digest(self.program) if self.program.suffix == ".py" and self.program.is_file() else "0" * 64
        self.warnings: list[str] = []
        before = expected(out)
        self.expected = before if before and before.is_of(self.spec, self.inputs, self.code) else None
        self.scratch = scratch_folder(out, kind, id, self.spec, self.inputs, self.code)
        self.staging = self.scratch / PAYLOAD
        self._begin = time.monotonic()
        out.unlink(missing_ok=True)
        self.scratch.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir()
        self._attempts = self.scratch / "attempts.jsonl"
        self._note({"started": now(), "host": os.uname().nodename, "slurm_job_id": os.environ.get("SLURM_JOB_ID")})

    def warn(self, sentence: str) -> None:
        """Say something that a reader of the result should know; it is printed and kept in the record."""
        print(f"warning: {sentence}", file=sys.stderr)
        self.warnings.append(sentence)

    def pause(self) -> int:
        """End this attempt before the work is done, state saved: the exit code that asks to be started again."""
        self._note({"ended": now(), "outcome": "paused"})
        return EXIT_RESUME

    def publish(
        self,
        counts: Mapping[str, int | float | str | None] | None = None,
        seeds: Sequence[int] = (),
        parts: Mapping[str, Path] | None = None,
        unpinned: Sequence[str] = (),
        beside: Mapping[str, Path] | None = None,
    ) -> Manifest:
        """Move the payload into place and write record and manifest, in this order.

        Args:
            beside: name -> file in scratch, put beside the manifest and named in the record but not part of the
                artifact's identity (an event log with times).
            unpinned: sources without a resolved revision that this job itself read; those of its inputs and parts are
                added, so that whatever rests on an unpinned source says so.

        Raises:
            UserError: the payload is made again because it was absent, and does not come out as it was.
        """
        entries = describe_folder(self.staging)
        manifest = Manifest(
            kind=self.kind,
            id=self.id,
            spec=self.spec,
            inputs=self.inputs,
            parts={name: digest_of(path) for name, path in (parts or {}).items()},
            files=[PayloadFile(**vars(entry)) for entry in entries],
            payload_md5=folder_md5(entries) if entries else None,
            counts=dict(counts or {}),
            seeds=list(seeds),
            unpinned=sorted({*unpinned, *self.unpinned, *unpinned_sources((parts or {}).values())}),
        )
        made_in = environment()
        if self.expected:
            self.expected.check(manifest, self.staging, made_in)
            print(f"{self.out.parent}: its payload was made again, with the same manifest", file=sys.stderr)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._move_into_place(entries)
        named = {}
        for name, file in (beside or {}).items():
            write_atomic(self.out.parent / name, file.read_bytes())
            named[name] = sha256_text(file.read_text(encoding="utf-8"))
        self._note({"ended": now(), "outcome": "done"})
        record = Record(
            manifest_sha256=sha256_text(manifest.text()),
            code_sha256=self.code,
            program=self.program.name,
            attempts=self.attempts(),
            seconds=round(time.monotonic() - self._begin, 3),
            warnings=self.warnings,
            files=named,
            **made_in,
        )
        write_atomic(self.out.parent / "record.json", json.dumps(record.model_dump(), indent=1, sort_keys=True) + "\n")
        write_atomic(self.out, manifest.text())
        sync_folder(self.out.parent)
        shutil.rmtree(self.scratch, ignore_errors=True)
        return manifest

    def _move_into_place(self, entries: list[FileEntry]) -> None:
        target = payload_folder(self.out, self.kind)
        tops = {entry.path.split("/")[0] for entry in entries}
        for stale in [target] if target != self.out.parent else [target / top for top in tops]:
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink(missing_ok=True)
        if target != self.out.parent and entries:
            os.replace(self.staging, target)
        elif entries:
            for top in sorted(tops):
                os.replace(self.staging / top, target / top)

    def attempts(self) -> list[Attempt]:
        """Every start of this job, those that were killed included."""
        found: list[dict[str, Any]] = []
        for line in self._attempts.read_text(encoding="utf-8").splitlines():
            if not line:
                continue
            try:
                note = json.loads(line)
            except json.JSONDecodeError:  # the machine stopped in the middle of this line
                continue
            if "started" in note:
                found.append(note)
            elif found:
                found[-1].update(note)
        return [Attempt(**note) for note in found]

    def _note(self, note: dict[str, Any]) -> None:
        with self._attempts.open("a", encoding="utf-8") as stream:
            stream.write("\n" + json.dumps(note) + "\n")  # the first newline ends a line that a crash cut


def scratch_folder(
    out: Path, kind: str, id: str, spec: Mapping[str, Any], inputs: Mapping[str, str], code: str
) -> Path:
    """Where a job's unfinished state lives: `results/.scratch/<kind>-<id>-<8 hex of what defines it>`.

    Inputs and code are in the name, so that a run never resumes from the state of another definition.
    """
    # Not resolved: `results` may be a link to a scratch file system, whose folder has another name.
    results = next((parent for parent in out.absolute().parents if parent.name == "results"), out.absolute().parent)
    key = sha256_text(canonical_json({"spec": dict(spec), "inputs": dict(inputs), "code": code}))[:8]
    return results / ".scratch" / f"{kind}-{id.replace('/', '~')}-{key}"
