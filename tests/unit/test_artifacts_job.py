"""A job leaves a whole artifact or none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import jsonschema
import pytest

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import EventLog
from verizero.artifacts.job import Job, scratch_folder
from verizero.artifacts.manifest import absent_files, broken_files, open_artifact, read_manifest
from verizero.artifacts.rows import read_rows, write_rows
from verizero.artifacts.seeds import derive_seed

ROOT = Path(__file__).resolve().parents[2]


def made(out: Path, content: str = "hello") -> Path:
    job = Job("dataset", "d", {"n": 1}, out)
    (job.staging / "folder").mkdir()
    (job.staging / "folder" / "file.txt").write_text(content)
    job.publish(counts={"problems": 1}, seeds=[3])
    return out


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results" / "datasets" / "d" / "manifest.json"


def test_the_same_job_with_the_same_result_writes_the_same_manifest(out: Path) -> None:
    first = made(out).read_bytes()
    assert made(out).read_bytes() == first


def test_manifest_and_record_follow_their_schemas(out: Path) -> None:
    made(out)
    for name in ("manifest", "record"):
        schema = json.loads((ROOT / "workflow" / "schemas" / f"{name}.schema.json").read_text())
        jsonschema.validate(json.loads((out.parent / f"{name}.json").read_text()), schema)


def test_what_rests_on_an_unpinned_source_says_so(out: Path) -> None:
    source = Job("dataset", "d", {}, out)
    source.publish(unpinned=["someone/sums"])
    below = out.parent.parent / "e" / "manifest.json"
    job = Job("dataset", "e", {}, below, inputs={"d": out})
    assert job.unpinned == ["someone/sums"]
    job.publish(unpinned=["another/set"], parts={"d": out})
    assert read_manifest(below).unpinned == ["another/set", "someone/sums"]


def test_a_flipped_byte_is_named(out: Path) -> None:
    file = made(out).parent / "payload" / "folder" / "file.txt"
    assert broken_files(out) == []
    file.write_text("hellp")
    assert broken_files(out)[0].startswith(f"{file} has SHA-256")


def test_a_missing_payload_names_the_command_that_brings_it(out: Path) -> None:
    (made(out).parent / "payload" / "folder" / "file.txt").unlink()
    with pytest.raises(
        UserError, match=r"file\.txt is missing; `snakemake --force -- .*manifest\.json` makes it again$"
    ):
        open_artifact(out)


def test_a_pull_is_advised_only_where_there_is_something_to_pull(out: Path, tmp_path: Path) -> None:
    (made(out).parent / "payload" / "folder" / "file.txt").write_text("cut")
    (out.parent / "payload.dvc").write_text("outs: []\n")
    with pytest.raises(
        UserError, match=r"has 3 bytes, its manifest says 5; `snakemake --force -- [^`]*` makes it again$"
    ):
        open_artifact(out)
    (tmp_path / ".dvc").mkdir()  # of another folder than the one of this process: DVC has to be told
    pull = f"`dvc --cd {tmp_path} pull --force {(out.parent / 'payload.dvc').relative_to(tmp_path)}` brings it back"
    with pytest.raises(UserError, match=re.escape(pull)):
        open_artifact(out)


def test_only_the_files_that_are_needed_have_to_be_here(out: Path) -> None:
    (made(out).parent / "payload" / "folder" / "file.txt").unlink()
    assert absent_files(out) == ["folder/file.txt"]
    assert absent_files(out, lambda path: path != "folder/file.txt") == []
    open_artifact(out, lambda path: path != "folder/file.txt")


def test_a_damaged_manifest_is_one_sentence(out: Path) -> None:
    made(out).write_text('{"kind": "dataset"')
    with pytest.raises(UserError, match="damaged"):
        read_manifest(out)


@pytest.mark.parametrize("moment", ["before staging", "during staging", "before publish"])
def test_a_killed_job_leaves_no_manifest_and_the_next_one_counts_it(moment: str, out: Path, tmp_path: Path) -> None:
    program = tmp_path / "stage.py"
    program.write_text(
        textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(ROOT / "scripts")!r})
        from pathlib import Path
        from verizero.artifacts.job import Job
        moment = sys.argv[1]
        job = Job("dataset", "d", {{"n": 1}}, Path(sys.argv[2]))
        if moment == "before staging": os.kill(os.getpid(), signal.SIGKILL)
        (job.staging / "a").write_text("a")
        if moment == "during staging": os.kill(os.getpid(), signal.SIGKILL)
        (job.staging / "b").write_text("b")
        if moment == "before publish": os.kill(os.getpid(), signal.SIGKILL)
        job.publish()
        """)
    )
    made(out)
    killed = subprocess.run([sys.executable, str(program), moment, str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    subprocess.run([sys.executable, str(program), "never", str(out)], check=True)
    assert broken_files(out) == []
    record = json.loads((out.parent / "record.json").read_text())
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["killed", "done"]
    assert sorted(entry.path for entry in read_manifest(out).files) == ["a", "b"]


def test_scratch_belongs_to_one_definition(out: Path) -> None:
    folders = {
        scratch_folder(out, "run", "r", spec, inputs, code)
        for spec in ({}, {"a": 1})
        for inputs in ({}, {"m": "x"})
        for code in ("c", "d")
    }
    assert len(folders) == 8


def test_the_same_rows_give_the_same_bytes_and_a_cut_file_is_one_sentence(tmp_path: Path) -> None:
    rows = [{"a": index, "text": "é"} for index in range(1000)]
    write_rows(tmp_path / "a.jsonl.gz", rows)
    write_rows(tmp_path / "b.jsonl.gz", rows)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert list(read_rows(tmp_path / "a.jsonl.gz")) == rows
    os.truncate(tmp_path / "b.jsonl.gz", 400)
    with pytest.raises(UserError, match="damaged after line"):
        list(read_rows(tmp_path / "b.jsonl.gz"))


def test_resuming_cuts_events_of_steps_that_are_done_again(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    for step in (1, 2, 3):
        log.write(step, {"reward_mean": 0.5}, {})
    with log.path.open("a") as stream:
        stream.write('{"step": 4, "met')
    log.keep_through(2)
    assert [event["step"] for event in log.events()] == [1, 2]


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(1, "generate", "p") == derive_seed(1, "generate", "p") < 2**63
    assert (
        len({derive_seed(seed, purpose, step) for seed in range(10) for purpose in ("a", "b") for step in range(10)})
        == 200
    )
