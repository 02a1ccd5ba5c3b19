"""The completions that a study's runs keep of some training steps, as far as they are here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verizero.artifacts.events import ROLLOUTS_FOLDER
from verizero.artifacts.manifest import absent_files, payload_folder, read_manifest
from verizero.config.spec import PlannedRun, StudySpec
from verizero.evidence.reading import run_path


@dataclass(frozen=True)
class KeptCompletions:
    """Of one run.

    Attributes:
        kept: how many files of completions its manifest lists.
        files: step -> the file, of those that are here, ascending.
    """

    run: PlannedRun
    kept: int
    files: dict[int, Path]

    @property
    def gone(self) -> int:
        """How many files are not on this machine."""
        return self.kept - len(self.files)


def kept_completions(spec: StudySpec, results: Path) -> Iterator[KeptCompletions]:
    """What each run of a study that is here keeps."""
    for run in spec.runs:
        path = run_path(results, run.id)
        if not path.is_file():
            continue
        manifest = read_manifest(path)
        folder, gone = payload_folder(path, manifest.kind), absent_files(path, _is_kept)
        kept = {_step(entry.path): entry.path for entry in manifest.files if _is_kept(entry.path)}
        yield KeptCompletions(
            run, len(kept), {step: folder / kept[step] for step in sorted(kept) if kept[step] not in gone}
        )


def _is_kept(file: str) -> bool:
    return file.startswith(f"{ROLLOUTS_FOLDER}/")


def _step(file: str) -> int:
    return int(Path(file).stem.removeprefix("step-"))
