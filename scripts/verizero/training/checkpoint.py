"""What a run needs to go on after it was killed, and the checkpoints that it keeps.

    <scratch>/state/step-<n>/       the learner's shards; `files.json` inside names every file, its size and its checksum
    <scratch>/state/step-<n>.<k>/   the same, saved after <k> updates of the step that follows, with what the rest of it needs
    <scratch>/state/latest          the name of the newest
    <scratch>/kept/step-<n>/        Hugging Face folders of the steps that become the run's payload
    <scratch>/kept/rollouts/        completions of the steps that `kept_rollouts` names, for the payload too
    <scratch>/events.jsonl          one line a step
    <scratch>/history.jsonl         the accuracies of each step's problems

There is no random state to keep: prompts, seeds and parts are functions of (seed, step). Everything is written under
another name, flushed to disk and then renamed, so that a kill at any moment leaves the old state or the new one.

The last two states stay. The older of them goes when the next begins to be written, so a run never takes more room than two states
do; a new state read back at once would come from memory and say nothing of the disk, so that is no substitute for the second.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import HISTORY_FILE, rollouts_file
from verizero.artifacts.files import sync_folder, write_atomic
from verizero.training.full_disk import told_when_full
from verizero.training.kept_rollouts import parquet_bytes
from verizero.training.saved_state import (
    FILES,
    Fault,
    Saved,
    described,
    fault_of,
    flush_file,
    moment_named,
    moment_of,
    read_saved,
    states_below,
)
from verizero.training.universal_state import rewrite
from verizero.training.world import World

NOTHING_MEASURED: Mapping[str, float] = {}
GOES_ON = "it goes on from its last state"


class Checkpoints:
    """The state of one run under its scratch folder; all ranks call the methods together.

    Args:
        scratch: a folder that all ranks see.
    """

    def __init__(self, scratch: Path, world: World) -> None:
        self.scratch, self.world = scratch, world
        self.state, self.kept, self.events = scratch / "state", scratch / "kept", scratch / "events.jsonl"
        self.history = scratch / HISTORY_FILE

    def resume(self, load: Callable[[Path, bool], object], say: Callable[[str], None] = print) -> Saved | None:
        """Load the last whole state; what it is, or None when there is none.

        A state with a file that is missing, or not as it was saved, is passed over for the one before, and removed. One that the
        file system does not let be read is passed over too, and gets another name.

        Args:
            load: takes a folder, and whether it is one for any number of processes.
            say: takes a sentence, on the first rank: about a state that is broken, or was saved by another number of processes.

        Raises:
            UserError: such a state cannot be rewritten for this number.
        """
        broken: list[tuple[Path, Fault]] = []
        found: Saved | None = None
        for folder in self.world.from_first(states_below(self.state) if self.world.first else []):
            seen = self._looked_through(folder)
            if isinstance(seen, Saved):
                found = seen
                break
            broken.append((folder, seen))
        for folder, fault in broken if self.world.first else []:
            instead = (
                f"the run goes on from the one {found.moment}" if found else "there is no other, so the run begins anew"
            )
            put = f"it stays as {_aside(folder).name}, and " if fault.passing else ""
            say(f"the state {moment_named(folder)} is broken ({fault.why}); {put}{instead}")
        if found and found.processes != self.world.size:
            self._load_rewritten(self.state / found.name, load, found.untrained)
            if self.world.first:
                say(
                    f"the state {found.moment} was saved by {found.processes} processes and goes on with "
                    f"{self.world.size}; the rest of the run is equal up to the order of float additions"
                )
        elif found:
            load(self.state / found.name, False)
        if self.world.first:
            for folder, fault in broken:
                if fault.passing:
                    shutil.rmtree(_aside(folder), ignore_errors=True)
                    os.replace(folder, _aside(folder))
                else:
                    shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(self.state / ".partial", ignore_errors=True)
        return found

    def _looked_through(self, folder: Path) -> Saved | Fault:
        """What a state is, where all its files are as they were saved; else what is wrong with the first that is not.

        Each rank reads its share of the files: the state is read once, and then comes from memory when it is loaded.
        """
        seen = self.world.from_first(read_saved(folder) if self.world.first else Fault(""))
        if isinstance(seen, Fault):
            return seen
        mine = sorted(seen.files.items())[self.world.rank :: self.world.size]
        faults = self.world.gather([one for name, (size, crc) in mine if (one := fault_of(folder, name, size, crc))])
        return faults[0] if faults else seen

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

    def save(
        self,
        step: int,
        write: Callable[[Path], object],
        updates: int = 0,
        best: int | None = None,
        untrained: Sequence[str] = (),
        stretches: Mapping[str, float] = NOTHING_MEASURED,
    ) -> None:
        """Keep the state after a step, and the one before it; older ones go first, to make room.

        Args:
            write: what each rank calls with the state's folder.
            updates: of the step that follows, which the state has too.
            best: the step whose kept weights are the best so far.
            untrained: modules that have had no update.
            stretches: seconds from one chance to save to the next, by kind.

        Raises:
            UserError: there is no room on the disk; the state before stays.
        """
        partial, moment = self.state / ".partial", moment_of(step, updates)
        before = read_saved(whole[0]) if (whole := states_below(self.state)) else None
        needed, remedy = (
            (before.size, f"it goes on from the state {before.moment}")
            if isinstance(before, Saved)
            else (None, "it begins anew")
        )
        try:
            with told_when_full(f"the state {moment}", self.state, needed, remedy):
                if self.world.first:
                    shutil.rmtree(partial, ignore_errors=True)
                    for older in whole[1:]:
                        shutil.rmtree(older, ignore_errors=True)
                    partial.mkdir(parents=True)
                self.world.wait()
                write(partial)
                self.world.wait()
                # each rank flushes and reads its share
                names = self.world.from_first(_files_below(partial) if self.world.first else [])
                mine = described(partial, names[self.world.rank :: self.world.size])
                files: dict[str, tuple[int, int | None]] = dict(self.world.gather(mine))
                if self.world.first:
                    saved = Saved(step, updates, self.world.size, files, best, list(untrained), dict(stretches))
                    self._put(partial, saved)
        except UserError:
            if self.world.first:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        self.world.wait()

    def _put(self, partial: Path, saved: Saved) -> None:
        """Describe a state that is written, and give it its name."""
        folder = self.state / saved.name
        for inner in (path for path in partial.rglob("*") if path.is_dir()):
            sync_folder(inner)
        write_atomic(partial / FILES, saved.text())
        for log in (self.events, self.history):
            if log.exists():
                flush_file(log)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
        sync_folder(self.state)
        write_atomic(self.state / "latest", folder.name)

    def keep(self, step: int, export: Callable[[Path], None], size: int | None = None) -> None:
        """Keep the weights after a step for the run's payload; `export` is called by the first rank only.

        Args:
            size: about how many bytes they have, for the message.

        Raises:
            UserError: there is no room on the disk.
        """
        if not self.world.first:
            return
        partial, folder = self.kept / ".partial", self.kept / f"step-{step}"
        try:
            with told_when_full(f"the weights after step {step}", self.kept, size, GOES_ON):
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                export(partial)
                described(partial, _files_below(partial))
                sync_folder(partial)
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(partial, folder)
                sync_folder(self.kept)
        except UserError:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def keep_rollouts(self, step: int, parts: Sequence[pa.Table]) -> None:
        """Keep the completions of a step for the run's payload; the first rank writes them.

        Raises:
            UserError: there is no room on the disk.
        """
        if self.world.first:
            with told_when_full(f"the completions of step {step}", self.kept, remedy=GOES_ON):
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
        """Remove the kept weights of other steps: they were the best once, and no state leads back to them.

        Args:
            steps: those that the run keeps whatever happens; the best one of each state stays too.
        """
        if not (self.world.first and self.kept.is_dir()):
            return
        states = [saved for folder in states_below(self.state) if isinstance(saved := read_saved(folder), Saved)]
        wanted = {f"step-{step}" for step in [*steps, *(state.best for state in states if state.best)]}
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


def _aside(folder: Path) -> Path:
    """Where a state goes that may be whole, so that no later one takes its place or makes room by removing it."""
    return folder.with_name(f"unreadable-{folder.name}")


def _files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _said(word: Path) -> dict[str, str] | None:
    """What the first rank wrote; None where there is nothing yet."""
    return json.loads(word.read_text(encoding="utf-8")) if word.is_file() else None


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
