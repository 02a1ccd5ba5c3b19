"""State for resuming: whole or not at all, whatever moment the process dies at."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess

import pytest
import torch
from safetensors.torch import save_file

from verizero.artifacts.errors import UserError
from verizero.training import checkpoint
from verizero.training.checkpoint import Checkpoints
from verizero.training.world import World

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


SAID = []
"""What runs said when they resumed."""


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


def writer(content):
    def save(folder):
        (folder / "learner").mkdir(parents=True)
        (folder / "learner" / "weights.pt").write_text(content)

    return save


def resumed(scratch):
    """The step and what was loaded, as a new process finds them."""
    loaded = []
    found = Checkpoints(scratch, ALONE).resume(
        lambda folder, universal: loaded.append((folder / "learner" / "weights.pt").read_text()), SAID.append
    )
    return (found.step if found else 0), loaded


def test_a_run_without_a_state_begins_at_the_beginning(tmp_path):
    assert resumed(tmp_path) == (0, [])


def test_the_last_state_is_loaded_and_the_one_before_is_kept(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    states.save(8, writer("eight"))
    states.save(9, writer("nine"), updates=3)
    states.save(10, writer("ten"))
    assert resumed(tmp_path) == (10, ["ten"])
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["latest", "step-10", "step-9.3"]
    assert (tmp_path / "state" / "latest").read_text() == "step-10"


def test_states_count_by_step_and_then_by_update(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    for step, updates in [(9, 0), (9, 2), (9, 10)]:
        states.save(step, writer(f"{step} {updates}"), updates=updates)
    assert resumed(tmp_path) == (9, ["9 10"])


def test_there_is_never_more_on_the_disk_than_two_states(tmp_path):
    states, seen = Checkpoints(tmp_path, ALONE), []

    def write(folder):
        writer("weights")(folder)
        seen.append(sorted(path.name for path in (tmp_path / "state").iterdir() if path.is_dir()))

    for step in range(1, 5):
        states.save(step, write)
    assert seen == [[".partial"], [".partial", "step-1"], [".partial", "step-2"], [".partial", "step-3"]]


@pytest.mark.parametrize("place", range(14))
def test_killed_at_any_call_of_a_save_the_old_state_or_the_new_one_is_there(tmp_path, monkeypatch, place):
    Checkpoints(tmp_path, ALONE).save(1, writer("one"))
    calls = 0

    def dying(function):
        def call(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == place + 1:
                raise Killed
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "described", dying(checkpoint.described))
        patch.setattr(checkpoint, "write_atomic", dying(checkpoint.write_atomic))
        patch.setattr(checkpoint, "sync_folder", dying(checkpoint.sync_folder))
        patch.setattr(checkpoint.os, "replace", dying(os.replace))
        patch.setattr(checkpoint.shutil, "rmtree", dying(checkpoint.shutil.rmtree))
        try:
            Checkpoints(tmp_path, ALONE).save(2, dying(writer("two")))
            died = False
        except Killed:
            died = True
    assert died or 8 <= calls <= place  # every call of a save has its turn
    assert resumed(tmp_path) in [(1, ["one"]), (2, ["two"])]
    # and the run goes on as if nothing had been
    Checkpoints(tmp_path, ALONE).save(3, writer("three"))
    assert resumed(tmp_path) == (3, ["three"])


def rewritten(text):
    return lambda file: file.write_text(text)


BROKEN = {
    "a file is missing": ("learner/weights.pt", lambda file: file.unlink(), "learner/weights.pt is missing"),
    "cut off": ("learner/weights.pt", rewritten("fou"), "learner/weights.pt has 3 bytes instead of 4"),
    "a bit flipped": ("learner/weights.pt", rewritten("gour"), "learner/weights.pt does not have the checksum"),
    "a file that cannot be opened": (
        "learner/weights.pt",
        lambda file: (file.unlink(), file.symlink_to(file)),
        "learner/weights.pt cannot be read: Too many levels",
    ),
    "a file system that fails": (
        "files.json",
        lambda file: (file.unlink(), file.mkdir()),
        "files.json cannot be read: Is a directory",
    ),
    "no list": ("files.json", lambda file: file.unlink(), "files.json is missing"),
    "half a list": ("files.json", rewritten('{"step": 4, "upd'), "files.json cannot be read"),
    "another list": ("files.json", rewritten("[1, 2]"), "files.json cannot be read"),
    "another state's list": (
        "files.json",
        lambda file: file.write_text(file.read_text().replace("4", "7")),
        "files.json is that of",
    ),
}


@pytest.mark.parametrize(("name", "harm", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_state_is_passed_over_for_the_one_before(tmp_path, name, harm, why):
    states = Checkpoints(tmp_path, ALONE)
    states.save(3, writer("three"))
    states.save(4, writer("four"))
    harm(tmp_path / "state" / "step-4" / name)
    SAID.clear()
    assert resumed(tmp_path) == (3, ["three"])
    [sentence] = SAID
    assert sentence.startswith(f"the state after step 4 is broken ({why}")
    assert sentence.endswith("the run goes on from the one after step 3")
    left = {path.name for path in (tmp_path / "state").iterdir() if path.is_dir()}
    perhaps_whole = {"unreadable-step-4"} if "cannot be read:" in why else set()
    assert left == {"step-3"} | perhaps_whole
    assert all(f"it stays as {name}" in sentence for name in perhaps_whole)


def test_a_state_without_checksums_is_that_of_an_earlier_version_and_is_used(tmp_path):
    Checkpoints(tmp_path, ALONE).save(3, writer("three"))
    file = tmp_path / "state" / "step-3" / "files.json"
    said = json.loads(file.read_text())
    file.write_text(json.dumps({**said, "files": {name: size for name, (size, _) in said["files"].items()}}))
    assert resumed(tmp_path) == (3, ["three"])


def test_when_no_state_is_left_the_run_begins_anew_and_says_so(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    for step in (3, 4):
        states.save(step, writer("weights"))
        (tmp_path / "state" / f"step-{step}" / "learner" / "weights.pt").write_text("w")
    SAID.clear()
    assert resumed(tmp_path) == (0, [])
    assert [sentence.split(" is broken")[0] for sentence in SAID] == [
        "the state after step 4",
        "the state after step 3",
    ]
    assert all(sentence.endswith("there is no other, so the run begins anew") for sentence in SAID)


def of_eight_processes(scratch):
    Checkpoints(scratch, ALONE).save(3, writer("three"))
    file = scratch / "state" / "step-3" / "files.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "processes": 8}))


def test_a_state_of_another_number_of_processes_is_rewritten_and_loaded_as_such(tmp_path, monkeypatch):
    of_eight_processes(tmp_path)
    monkeypatch.setattr(
        checkpoint, "rewrite", lambda saved, target, _: shutil.copytree(saved, target, dirs_exist_ok=True)
    )
    loaded, said = [], []
    found = Checkpoints(tmp_path, ALONE).resume(
        lambda folder, universal: loaded.append((folder.name, universal)), said.append
    )
    assert (found.step, loaded) == (3, [(".universal", True)])
    assert "saved by 8 processes and goes on with 1" in said[0]
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["latest", "step-3"]


def test_a_state_that_cannot_be_rewritten_is_refused_and_stays(tmp_path):
    of_eight_processes(tmp_path)
    with pytest.raises(
        UserError, match=r"cannot be rewritten for another number of processes: .*; start as many processes"
    ):
        resumed(tmp_path)
    assert (tmp_path / "state" / "step-3" / "learner" / "weights.pt").read_text() == "three"


def test_kept_weights_stay_in_scratch_until_the_run_is_published(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    states.keep(5, lambda folder: (folder / "model.safetensors").write_text("weights"))
    states.place(5, tmp_path / "payload")
    assert (tmp_path / "payload" / "step-5" / "model.safetensors").read_text() == "weights"
    assert (tmp_path / "kept" / "step-5" / "model.safetensors").exists()


def test_weights_half_exported_are_no_kept_step(tmp_path):
    def dies(folder):
        (folder / "model.safetensors").write_text("wei")
        raise Killed

    with pytest.raises(Killed):
        Checkpoints(tmp_path, ALONE).keep(5, dies)
    with pytest.raises(FileNotFoundError):
        Checkpoints(tmp_path, ALONE).place(5, tmp_path / "payload")


def test_the_best_weights_of_the_state_before_stay_with_it(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    for step in (2, 5, 6):
        states.keep(step, lambda folder: (folder / "model.safetensors").write_text("weights"))
        states.save(step, writer("weights"), best=step)
        states.drop_but([8])
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["step-5", "step-6"]


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_one_sentence_and_the_state_before_stays(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    states.save(1, writer("one"))
    with pytest.raises(UserError) as refused:
        states.save(2, full)
    assert re.fullmatch(
        r"the state after step 2 cannot be written below \S+/state: the disk is full; [\d.]+ [GM]B are free there, and it has 0.0 MB; "
        r"make room, then start the same command again: it goes on from the state after step 1",
        str(refused.value),
    )
    assert resumed(tmp_path) == (1, ["one"])


def test_weights_that_find_no_room_leave_nothing_behind(tmp_path):
    with pytest.raises(
        UserError, match=r"the weights after step 5 cannot be written .*, and it has 2\.0 GB; make room"
    ):
        Checkpoints(tmp_path, ALONE).keep(5, full, size=2_000_000_000)
    assert not list((tmp_path / "kept").iterdir())


def test_another_error_passes_through(tmp_path):
    def fails(folder):
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        Checkpoints(tmp_path, ALONE).save(1, fails)


WRITERS = {
    "torch": lambda file: torch.save(torch.zeros(1_000_000), file),
    "safetensors": lambda file: save_file({"weight": torch.zeros(1_000_000)}, file),
    "bytes": lambda file: file.write_bytes(bytes(4_000_000)),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_whoever_writes_a_full_disk_is_known_as_such(tmp_path, write):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("this machine mounts nothing, not even for root")
    try:
        with pytest.raises(UserError, match=r"the disk is full.*; [01]\.\d MB are free there"):
            Checkpoints(disk, ALONE).save(1, lambda folder: write(folder / "file"))
        assert not list((disk / "state").iterdir())
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
