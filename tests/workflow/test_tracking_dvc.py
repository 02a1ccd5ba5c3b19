"""DVC knows payloads by the manifests' own digests, and brings them back in a clone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fabricated import ROOT, Fabricated, fabricate

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import describe_folder, folder_md5
from verizero.artifacts.manifest import read_manifest
from verizero.tracking import dvc
from verizero.tracking.study import study_artifacts, tracked_payloads

DVC = Path(sys.executable).with_name("dvc")
GITIGNORE = "results/**\n!results/**/\n!results/**/*.json\n!results/**/*.dvc\nresults/**/payload/\n.dvc-remote/\n"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def make_repository(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(ROOT / ".dvcignore", root)
    (root / ".gitignore").write_text(GITIGNORE, encoding="utf-8")
    git(root, "init", "-q")


def one_payload(root: Path) -> dvc.Tracked:
    payload = root / "results" / "models" / "m" / "payload"
    for name, text in (
        ("step-2/w", "two"),
        ("step-10/w", "ten"),
        ("a b.txt", "a"),
        ("z/ä.txt", "umlaut"),
        ("step/a", "s"),
        ("step-", "t"),
    ):
        (payload / name).parent.mkdir(parents=True, exist_ok=True)
        (payload / name).write_text(text, encoding="utf-8")
    return dvc.Tracked(payload, folder_md5(describe_folder(payload)), {"manifest_sha256": "0" * 64})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    with pytest.MonkeyPatch.context() as patch:
        return fabricate(tmp_path_factory.mktemp("whole") / "checkout", patch)


@pytest.fixture
def study(whole: Fabricated, tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path / "checkout")
    shutil.copytree(whole.root, made.root)
    make_repository(made.root)
    return made


def test_our_folder_md5_is_the_one_of_dvc(tmp_path: Path) -> None:
    make_repository(tmp_path)
    target = one_payload(tmp_path)
    assert dvc.track([target]) == [target]
    assert dvc.recorded_md5(target.dvc_file) == target.md5


def test_tracking_keeps_modification_times_and_states_the_manifest(tmp_path: Path) -> None:
    make_repository(tmp_path)
    target = one_payload(tmp_path)
    before = (target.path / "a b.txt").stat()
    dvc.track([target])
    assert (target.path / "a b.txt").stat().st_mtime_ns == before.st_mtime_ns
    assert yaml.safe_load(target.dvc_file.read_text())["meta"] == {"manifest_sha256": "0" * 64}


def test_tracking_twice_starts_dvc_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_repository(tmp_path)
    target = one_payload(tmp_path)
    dvc.track([target])
    monkeypatch.setattr(dvc, "dvc", lambda *_: pytest.fail("started again"))
    assert dvc.track([target]) == []


def test_content_that_differs_from_its_manifest_is_refused_and_not_registered(tmp_path: Path) -> None:
    make_repository(tmp_path)
    target = one_payload(tmp_path)
    (target.path / "a b.txt").write_text("other")
    with pytest.raises(UserError, match="is not what its manifest says"):
        dvc.track([target])
    assert not target.dvc_file.exists()


def test_a_tree_without_git_is_named_in_one_sentence(tmp_path: Path) -> None:
    make_repository(tmp_path)
    shutil.rmtree(tmp_path / ".git")
    with pytest.raises(dvc.NoRepository, match=r"no git checkout.*dvc init --no-scm"):
        dvc.track([one_payload(tmp_path)])


def test_a_repository_made_without_git_works(tmp_path: Path) -> None:
    subprocess.run([DVC, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    target = one_payload(tmp_path)
    dvc.track([target])
    assert dvc.recorded_md5(target.dvc_file) == target.md5


def test_a_payload_that_is_nowhere_is_named(tmp_path: Path) -> None:
    make_repository(tmp_path)
    with pytest.raises(UserError, match="neither here nor under DVC"):
        dvc.track([dvc.Tracked(tmp_path / "results" / "payload", "0" * 32 + ".dir")])


def test_a_fresh_clone_restores_a_checkpoint_with_one_command(study: Fabricated, tmp_path: Path) -> None:
    targets = tracked_payloads(study_artifacts(study.plan.spec, study.results))
    dvc.track(targets)
    dvc.push(targets)
    git(study.root, "add", "-A")
    git(study.root, "commit", "-qm", "a study")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(study.root), str(clone))
    shutil.copytree(
        study.root / ".dvc-remote", clone / ".dvc-remote"
    )  # a remote elsewhere would be reachable from both
    payload = f"results/runs/{study.run_ids()[0]}/payload"
    assert not (clone / payload).exists()
    subprocess.run([DVC, "pull", "-q", f"{payload}.dvc"], cwd=clone, check=True)
    manifest = read_manifest(clone / payload / ".." / "manifest.json")
    assert folder_md5(describe_folder(clone / payload)) == manifest.payload_md5


def test_a_clone_without_payloads_stays_as_it_is(study: Fabricated, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = tracked_payloads(study_artifacts(study.plan.spec, study.results))
    dvc.track(targets)
    for target in targets:
        shutil.rmtree(target.path) if target.path.is_dir() else target.path.unlink()
    monkeypatch.setattr(dvc, "dvc", lambda *_: pytest.fail("started"))
    assert dvc.track(targets) == []


def test_git_sees_manifests_and_dvc_files_and_no_payload(study: Fabricated) -> None:
    dvc.track(tracked_payloads(study_artifacts(study.plan.spec, study.results)))
    git(study.root, "add", "-A")
    names = git(study.root, "ls-files", "results").splitlines()
    assert not [name for name in names if "/payload/" in name]
    assert {"manifest.json", "record.json", "payload.dvc", "events.jsonl.dvc"} <= {Path(name).name for name in names}
