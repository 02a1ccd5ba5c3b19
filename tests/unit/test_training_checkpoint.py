"""State for resuming: whole or not at all, whatever moment the process dies at."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch

from verizero.artifacts.errors import UserError
from verizero.training import checkpoint
from verizero.training.checkpoint import Checkpoints
from verizero.training.world import World

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


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
    step = Checkpoints(scratch, ALONE).resume(
        lambda folder, universal: loaded.append((folder / "learner" / "weights.pt").read_text())
    )
    return step, loaded


def test_a_run_without_a_state_begins_at_the_beginning(tmp_path):
    assert resumed(tmp_path) == (0, [])


def test_the_last_state_is_loaded_and_the_only_one_kept(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    states.save(9, writer("nine"))
    states.save(10, writer("ten"))
    assert resumed(tmp_path) == (10, ["ten"])
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["latest", "step-10"]
    assert (tmp_path / "state" / "latest").read_text() == "step-10"


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
        patch.setattr(checkpoint, "flush", dying(checkpoint.flush))
        patch.setattr(checkpoint, "write_atomic", dying(checkpoint.write_atomic))
        patch.setattr(checkpoint, "sync_folder", dying(checkpoint.sync_folder))
        patch.setattr(checkpoint.os, "replace", dying(os.replace))
        patch.setattr(checkpoint.shutil, "rmtree", dying(checkpoint.shutil.rmtree))
        try:
            Checkpoints(tmp_path, ALONE).save(2, dying(writer("two")))
            died = False
        except Killed:
            died = True
    assert died or 9 <= calls <= place  # every call of a save has its turn
    assert resumed(tmp_path) in [(1, ["one"]), (2, ["two"])]
    # and the run goes on as if nothing had been
    Checkpoints(tmp_path, ALONE).save(3, writer("three"))
    assert resumed(tmp_path) == (3, ["three"])


def test_a_state_that_lost_bytes_is_not_loaded(tmp_path):
    states = Checkpoints(tmp_path, ALONE)
    states.save(4, writer("four"))
    (tmp_path / "state" / "step-4" / "learner" / "weights.pt").write_text("fou")
    assert resumed(tmp_path) == (0, [])


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
    step = Checkpoints(tmp_path, ALONE).resume(
        lambda folder, universal: loaded.append((folder.name, universal)), said.append
    )
    assert (step, loaded) == (3, [(".universal", True)])
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
