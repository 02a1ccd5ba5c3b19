"""A revision is resolved by asking, and written without touching anything else."""

from __future__ import annotations

import difflib
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from verizero.artifacts.errors import UserError
from verizero.config.sources import Folder
from verizero.policy.fetch import local_folder
from verizero.tracking.pinning import unpinned_entries, write_pin

ROOT = Path(__file__).resolve().parents[2]
PIN = runpy.run_path(str(ROOT / "scripts" / "pin.py"))["pin"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODELS = """# The models.
first:          # keep me
  source:
    kind: hub
    repo: who/first
    revision: unpinned  # asked for on Monday
  licence: MIT

# About the second.
second:
  source:
    repo: who/second
    revision: "unpinned"
    files:
      old.bin: aa

    kind: hub
  max_model_len: 4096
third:
  source: {kind: gguf, package: p, file: f, sha256: aa}
"""


class FakeHub:
    """Knows one commit. `asked` lists what it was asked for."""

    def __init__(self, commit: str = COMMIT) -> None:
        self.answer, self.asked = commit, []

    def here(self) -> FakeHub:
        return self

    def commit(self, kind: str, repo: str, revision: str) -> str:
        self.asked.append((kind, repo, revision))
        return self.answer

    def files(self, kind: str, repo: str, commit: str) -> dict[str, str | None]:
        return {
            "model.safetensors": "ab" * 32,
            "pytorch_model.bin": "ef" * 32,
            "config.json": None,
            "README.md": None,
            "images/plot.png": "cd" * 32,
            "data/ä 1.json": "12" * 32,
        }

    def sha256(self, kind: str, repo: str, commit: str, path: str) -> str:
        assert path == "config.json"
        return "1" * 64


@pytest.fixture
def config(tmp_path: Path) -> Path:
    registry = tmp_path / "registry"
    registry.mkdir()
    (registry / "models.yaml").write_text(MODELS, encoding="utf-8")
    (registry / "datasets.yaml").write_text(
        "set:\n  source:\n    kind: hub\n    repo: who/set\n    revision: unpinned\n    split: train"
    )
    (registry / "benchmarks.yaml").write_text("")
    return tmp_path


def models(config: Path) -> Path:
    return config / "registry" / "models.yaml"


def test_a_pin_changes_the_revision_and_the_files_of_one_entry_only(config: Path) -> None:
    PIN(FakeHub().here, config, "model", "first", None)
    changes = [
        line for line in difflib.ndiff(MODELS.splitlines(), models(config).read_text().splitlines()) if line[0] in "+-"
    ]
    assert changes == [
        "-     revision: unpinned  # asked for on Monday",
        f'+     revision: "{COMMIT}"  # asked for on Monday',
        "+     files:",
        f'+       config.json: "{"1" * 64}"',
        f'+       "data/ä 1.json": "{"12" * 32}"',
        f"+       model.safetensors: {'ab' * 32}",
    ]


def test_what_is_written_reads_back_as_text(config: Path) -> None:
    PIN(FakeHub("1" * 40).here, config, "model", "first", None)
    source = yaml.safe_load(models(config).read_text())["first"]["source"]
    assert source["revision"] == "1" * 40
    assert source["files"] == {"config.json": "1" * 64, "data/ä 1.json": "12" * 32, "model.safetensors": "ab" * 32}


def test_old_file_hashes_are_replaced(config: Path) -> None:
    PIN(FakeHub().here, config, "model", "second", None)
    found = yaml.safe_load(models(config).read_text())["second"]
    assert "old.bin" not in found["source"]["files"]
    assert found["source"]["kind"] == "hub"
    assert found["max_model_len"] == 4096


def test_pinning_twice_writes_the_same(config: Path) -> None:
    hub = FakeHub()
    PIN(hub.here, config, "model", "first", None)
    text = models(config).read_text()
    PIN(hub.here, config, "model", "first", None)
    assert models(config).read_text() == text
    assert [revision for _, _, revision in hub.asked] == ["main", COMMIT]


def test_a_data_set_in_a_file_without_a_last_newline(config: Path) -> None:
    PIN(FakeHub().here, config, "dataset", "set", "v1.0")
    assert yaml.safe_load((config / "registry" / "datasets.yaml").read_text())["set"]["source"]["split"] == "train"


def test_a_hub_copy_beside_a_mirror_is_what_is_pinned(config: Path) -> None:
    file = config / "registry" / "benchmarks.yaml"
    mirror = "  source:\n    kind: local\n    path: a.jsonl\n    format: jsonl\n    sha256: aa\n"
    file.write_text(
        f"both:\n{mirror}  hub:\n    kind: hub\n    repo: who/set\n    revision: unpinned\n    split: test\n  n: 3\n"
    )
    assert ("both", "who/set") in [(name, repo) for _, name, repo in unpinned_entries(config / "registry")]
    PIN(FakeHub().here, config, "dataset", "both", None)
    found = yaml.safe_load(file.read_text())["both"]
    assert (found["hub"]["revision"], found["source"]["sha256"], found["n"]) == (COMMIT, "aa", 3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("third", "`third.source.kind` is gguf"), ("fourth", "`fourth` is not defined; choices: first, second, third")],
)
def test_what_cannot_be_pinned_is_said(config: Path, name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        PIN(FakeHub().here, config, "model", name, None)
    assert models(config).read_text() == MODELS


def test_a_layout_that_cannot_be_edited_leaves_the_file_alone(config: Path) -> None:
    text = "one:\n  source: {kind: hub, repo: a/b, revision: unpinned}\n"
    models(config).write_text(text)
    with pytest.raises(UserError, match="block with one key a line"):
        PIN(FakeHub().here, config, "model", "one", None)
    assert models(config).read_text() == text


@pytest.mark.parametrize("answer", ["main", "", COMMIT[:39], COMMIT.upper()])
def test_an_answer_that_is_no_commit_is_not_written(config: Path, answer: str) -> None:
    with pytest.raises(UserError, match="no commit of 40"):
        PIN(FakeHub(answer).here, config, "model", "first", None)
    assert models(config).read_text() == MODELS


def test_offline_is_one_sentence_and_writes_nothing(config: Path) -> None:
    pytest.importorskip("huggingface_hub")
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, str(ROOT / "scripts" / "pin.py"), "model", "first", "--config-dir", str(config)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: who/first: the hub could not be asked (")
    assert "Traceback" not in done.stderr
    assert models(config).read_text() == MODELS


def test_a_folder_is_pinned_by_its_listing_without_asking_anyone(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    models(config).write_text(f"mine:\n  source:\n    kind: folder\n    # here\n    path: {folder}\n  dtype: float32\n")
    assert ("mine", str(folder)) in [(name, where) for _, name, where in unpinned_entries(config / "registry")]
    PIN(lambda: pytest.fail("asked a hub"), config, "model", "mine", None)
    assert "mine" not in [name for _, name, _ in unpinned_entries(config / "registry")]
    source = load_registry_source(config, "mine")
    assert local_folder(source) == folder
    (folder / "config.json").write_text("{ }")
    with pytest.raises(UserError, match="the registry says"):
        local_folder(source)


def load_registry_source(config: Path, name: str) -> Folder:
    return Folder.model_validate(yaml.safe_load(models(config).read_text())[name]["source"])


def test_check_lists_what_is_not_pinned(config: Path) -> None:
    assert [(name, repo) for _, name, repo in unpinned_entries(config / "registry")] == [
        ("first", "who/first"),
        ("second", "who/second"),
        ("set", "who/set"),
    ]
    command = [sys.executable, str(ROOT / "scripts" / "pin.py"), "--check", "--config-dir", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3)


@given(
    st.dictionaries(
        st.text(
            st.characters(min_codepoint=32, exclude_characters="\x7f\x85", exclude_categories=["Cs", "Cc"]),
            min_size=1,
            max_size=12,
        ),
        st.text("0123456789abcdef", min_size=64, max_size=64),
        max_size=4,
    ),
    st.text("0123456789abcdef", min_size=40, max_size=40),
)
def test_any_file_name_and_any_digest_survive(
    tmp_path_factory: pytest.TempPathFactory, digests: dict[str, str], commit: str
) -> None:
    file = tmp_path_factory.mktemp("pin") / "models.yaml"
    file.write_text(MODELS, encoding="utf-8")
    write_pin(file, "first", "source", {"revision": commit, "files": digests})
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert (found["first"]["source"]["revision"], found["first"]["source"]["files"]) == (commit, digests)
