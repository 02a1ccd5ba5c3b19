"""What a run needs to go on after it was killed, and the checkpoints that it keeps.

    <scratch>/state/step-<n>/   the learner's shards, one set; `files.json` inside names every file and its size
    <scratch>/state/latest      `step-<n>`
    <scratch>/kept/step-<n>/    Hugging Face folders of the steps that become the run's payload
    <scratch>/kept/rollouts/    completions of the steps that `kept_rollouts` names, for the payload too
    <scratch>/events.jsonl      one line a step

There is no random state to keep: prompts, seeds and parts are functions of (seed, step). Everything is written under
another name, flushed to disk and then renamed, so that a kill at any moment leaves the old state or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import rollouts_file
from verizero.artifacts.files import sync_folder, write_atomic
from verizero.training.kept_rollouts import parquet_bytes
from verizero.training.universal_state import rewrite
from verizero.training.world import World

FILES = "files.json"


class Checkpoints:
    """The state of one run under its scratch folder; all ranks call the methods together.

    Args:
        scratch: a folder that all ranks see.
    """

    def __init__(self, scratch: Path, world: World) -> None:
        self.scratch, self.world = scratch, world
        self.state, self.kept, self.events = scratch / "state", scratch / "kept", scratch / "events.jsonl"

    def resume(
        self,
        load: Callable[[Path, bool], object],
        say: Callable[[str], None] = print,
        untrained: Callable[[int], Sequence[str]] = lambda step: (),
    ) -> int:
        """Load the last whole state; the step it was saved after, 0 when there is none.

        Args:
            load: takes a folder, and whether it is one for any number of processes.
            say: takes a sentence about a state that was saved by another number of processes.
            untrained: the modules that have had no update after a step.

        Raises:
            UserError: such a state cannot be rewritten for this number.
        """
        found = self.world.from_first(self._latest() if self.world.first else None)
        if found is None:
            return 0
        folder = self.state / found
        listing = json.loads((folder / FILES).read_text(encoding="utf-8"))
        if listing["processes"] != self.world.size:
            self._load_rewritten(folder, load, untrained(listing["step"]))
            if self.world.first:
                say(
                    f"the state after step {listing['step']} was saved by {listing['processes']} processes and goes on with "
                    f"{self.world.size}; the rest of the run is equal up to the order of float additions"
                )
        else:
            load(folder, False)
        return int(listing["step"])

    def _load_rewritten(self, folder: Path, load: Callable[[Path, bool], object], untrained: Sequence[str]) -> None:
        """Load a state of another number of processes, by way of one for any number, which is removed afterwards.

        The first rank rewrites. The others look for its word in a file: a collective would give up on them after minutes, and a
        large state takes longer. What an earlier attempt has rewritten is used.
        """
        target = self.state / ".universal"
        word = target / "rewritten.json"
        if self.world.first and _said(word) != {"state": folder.name}:
            shutil.rmtree(target, ignore_errors=True)
        self.world.wait()
        if self.world.first and not word.exists():
            target.mkdir(parents=True)
            try:
                rewrite(folder, target, untrained)
                write_atomic(word, json.dumps({"state": folder.name}))
            except UserError as error:
                write_atomic(word, json.dumps({"refused": str(error)}))
        while (said := _said(word)) is None:
            time.sleep(0.5)
        self.world.wait()
        if "refused" in said:
            raise UserError(said["refused"])
        load(target, True)
        self.world.wait()
        if self.world.first:
            shutil.rmtree(target, ignore_errors=True)

    def save(self, step: int, save: Callable[[Path], object]) -> None:
        """Keep the state after a step, then drop the older one."""
        partial, folder = self.state / ".partial", self.state / f"step-{step}"
        if self.world.first:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        self.world.wait()
        save(partial)
        self.world.wait()
        if self.world.first:
            files = flush(partial)
            write_atomic(
                partial / FILES,
                json.dumps({"step": step, "processes": self.world.size, "files": files}, indent=1, sort_keys=True),
            )
            if self.events.exists():
                _flush_file(self.events)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(partial, folder)
            sync_folder(self.state)
            write_atomic(self.state / "latest", folder.name)
            for other in self.state.glob("step-*"):
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
        self.world.wait()

    def keep(self, step: int, export: Callable[[Path], None]) -> None:
        """Keep the weights after a step for the run's payload; `export` is called by the first rank only."""
        if not self.world.first:
            return
        partial, folder = self.kept / ".partial", self.kept / f"step-{step}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        export(partial)
        flush(partial)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
        sync_folder(self.kept)

    def keep_rollouts(self, step: int, parts: Sequence[pa.Table]) -> None:
        """Keep the completions of a step for the run's payload; the first rank writes them."""
        if self.world.first:
            write_atomic(self.kept / rollouts_file(step), parquet_bytes(parts))

    def place_rollouts(self, step: int, payload: Path) -> None:
        """Put a step's completions into the payload, as `place` does with its weights.

        Raises:
            FileNotFoundError: the step was not kept.
        """
        file = payload / rollouts_file(step)
        file.parent.mkdir(exist_ok=True)
        _link(str(self.kept / rollouts_file(step)), str(file))

    def drop_but(self, steps: Iterable[int]) -> None:
        """Remove the kept weights of other steps: they were the best once, and no state leads back to them."""
        wanted = {f"step-{step}" for step in steps}
        if self.world.first and self.kept.is_dir():
            for folder in self.kept.glob("step-*"):
                if folder.name not in wanted:
                    shutil.rmtree(folder, ignore_errors=True)

    def place(self, step: int, payload: Path, name: str | None = None) -> None:
        """Put a kept folder into the payload, as links: the scratch copy stays until the run is published.

        Args:
            name: of the folder there; by default `step-<n>`.

        Raises:
            FileNotFoundError: the step was not kept.
        """
        shutil.copytree(self.kept / f"step-{step}", payload / (name or f"step-{step}"), copy_function=_link)

    def _latest(self) -> str | None:
        """The name of the last state whose files are all there in their sizes.

        A kill between the rename of a state and the write of `latest` leaves two whole states: the newer one counts.
        """
        found = sorted(self.state.glob("step-*"), key=lambda folder: -int(folder.name.removeprefix("step-")))
        return next((folder.name for folder in found if whole(folder)), None)


def _said(word: Path) -> dict[str, str] | None:
    """What the first rank wrote; None where there is nothing yet."""
    return json.loads(word.read_text(encoding="utf-8")) if word.is_file() else None


def flush(folder: Path) -> dict[str, int]:
    """Force a folder's files to disk; path -> size in bytes."""
    sizes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        _flush_file(path)
        sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    for inner in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        sync_folder(inner)
    return sizes


def whole(folder: Path) -> bool:
    """Whether every file that a state lists is there in its size."""
    try:
        listing = json.loads((folder / FILES).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in listing["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def _flush_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
