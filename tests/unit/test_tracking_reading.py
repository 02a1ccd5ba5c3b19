"""What a damaged file, and a spec of an older schema, read as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import FileEntry, folder_md5
from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.rows import read_rows, write_rows
from verizero.config import model
from verizero.config.spec import GradeSpec, read_spec


@pytest.mark.parametrize("place", [2, 12, 30, -6])
def test_a_flipped_byte_in_packed_rows_is_one_sentence(tmp_path: Path, place: int) -> None:
    file = tmp_path / "rows.jsonl.gz"
    write_rows(file, [{"problem": str(number), "text": "x" * number} for number in range(50)])
    data = bytearray(file.read_bytes())
    data[place] ^= 0x55
    file.write_bytes(bytes(data))
    with pytest.raises(UserError, match="damaged after line"):
        list(read_rows(file))


def test_a_manifest_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(b'{"kind": "\xff"}')
    with pytest.raises(UserError, match="is damaged"):
        read_manifest(file)


def test_folders_are_hashed_in_the_order_of_their_paths_as_texts() -> None:
    """DVC's own value for `step-2/w` and `step/a`, both with the content `x` (dvc 3.67)."""
    entries = [FileEntry(path, 1, "", "9dd4e461268c8034f5c8564e155c67a6") for path in ("step/a", "step-2/w")]
    assert folder_md5(entries) == "06ea30c8eac4ff58fe4fad4e9171508b.dir"


def test_a_spec_outlives_an_option_that_was_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = {**model.frozen_defaults(), "GradeSpec": {"no_longer_there": 1}}
    monkeypatch.setattr(model, "frozen_defaults", lambda: frozen)
    assert read_spec(GradeSpec, json.dumps({"members": ["m"], "grader": "g"}))[0].members == ["m"]
