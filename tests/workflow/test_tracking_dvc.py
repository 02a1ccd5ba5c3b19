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
from verizero.tracking.committed import committed_dvc_files
from verizero.tracking.dvc_file import recorded_md5
from verizero.tracking.dvc_repository import NoRepository, repository
from verizero.tracking.remote import bring, obtainable
from verizero.tracking.study import study_artifacts, tracked_payloads

DVC = Path(sys.executable).with_name("dvc")
OF_A_LAB = ("#!/results/**/*.dvc", "!/results/**/*.dvc")
"""The line of .gitignore that a lab with a shared remote changes."""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def make_repository(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    shutil.copy(ROOT / ".dvcignore", root)
    shutil.copy(ROOT / ".gitignore", root)
    git(root, "init", "-q")


def make_shared(root: Path, remote: Path) -> None:
    """What docs/reruns.md tells a lab to do."""
    ignored = (root / ".gitignore").read_text(encoding="utf-8")
    assert OF_A_LAB[0] in ignored
    (root / ".gitignore").write_text(ignored.replace(*OF_A_LAB), encoding="utf-8")
    command = [DVC, "remote", "add", "--quiet", "--default", "lab", str(remote)]
    subprocess.run(command, cwd=root, check=True)


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
    assert dvc.track([target]).added == [target]
    assert recorded_md5(target.dvc_file) == target.md5


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
    assert dvc.track([target]).kept == [target]


def test_content_that_differs_from_its_manifest_is_refused_and_not_registered(tmp_path: Path) -> None:
    make_repository(tmp_path)
    target = one_payload(tmp_path)
    (target.path / "a b.txt").write_text("other")
    with pytest.raises(UserError, match="is not what its manifest says"):
        dvc.track([target])
    assert not target.dvc_file.exists()


def test_a_tree_without_git_is_enough(tmp_path: Path) -> None:
    make_repository(tmp_path)
    shutil.rmtree(tmp_path / ".git")
    target = one_payload(tmp_path)
    assert dvc.track([target]).added == [target]


def test_a_repository_that_needs_git_and_has_none_is_named_in_one_sentence(tmp_path: Path) -> None:
    make_repository(tmp_path)
    shutil.rmtree(tmp_path / ".git")
    config = tmp_path / ".dvc" / "config"
    config.write_text(config.read_text().replace("    no_scm = true\n", ""))
    with pytest.raises(NoRepository, match=r"no git checkout.*dvc init --no-scm"):
        dvc.track([one_payload(tmp_path)])


def test_a_repository_made_without_git_works(tmp_path: Path) -> None:
    subprocess.run([DVC, "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    target = one_payload(tmp_path)
    dvc.track([target])
    assert recorded_md5(target.dvc_file) == target.md5


def test_what_is_neither_here_nor_under_dvc_is_left_out(tmp_path: Path) -> None:
    make_repository(tmp_path)
    here, nowhere = one_payload(tmp_path), dvc.Tracked(tmp_path / "results" / "payload", "0" * 32 + ".dir")
    outcome = dvc.track([nowhere, here])
    assert (outcome.added, outcome.left_out) == ([here], [nowhere])
    assert not nowhere.dvc_file.exists()


def test_a_payload_that_came_in_part_is_no_error(study: Fabricated) -> None:
    payload = study.results / "runs" / study.run_ids()[0] / "payload"
    shutil.rmtree(next(payload.glob("step-*")))
    outcome = dvc.track(tracked_payloads(study_artifacts(study.plan.spec, study.results)))
    assert [target.path for target in outcome.left_out] == [payload]


@pytest.fixture(scope="module")
def lab(whole: Fabricated, tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    """A study whose payloads are at a remote that others reach, committed."""
    folder = tmp_path_factory.mktemp("lab")
    made = Fabricated(folder / "checkout")
    shutil.copytree(whole.root, made.root)
    make_repository(made.root)
    make_shared(made.root, folder / "remote")
    targets = tracked_payloads(study_artifacts(made.plan.spec, made.results))
    dvc.track(targets)
    assert dvc.push(targets) == len(targets)
    git(made.root, "add", "-A")
    git(made.root, "commit", "-qm", "a study")
    return made


@pytest.fixture
def clone(lab: Fabricated, tmp_path: Path) -> Fabricated:
    git(tmp_path, "clone", "-q", str(lab.root), str(tmp_path / "clone"))
    return Fabricated(tmp_path / "clone")


def run_payload(study: Fabricated) -> Path:
    return study.results / "runs" / study.run_ids()[0] / "payload"


def whole_payload(payload: Path) -> bool:
    return folder_md5(describe_folder(payload)) == read_manifest(payload.with_name("manifest.json")).payload_md5


def test_a_fresh_clone_restores_a_checkpoint_with_one_command(clone: Fabricated) -> None:
    payload = run_payload(clone)
    assert not payload.exists()
    subprocess.run([DVC, "pull", "-q", f"{payload.relative_to(clone.root)}.dvc"], cwd=clone.root, check=True)
    assert whole_payload(payload)


def test_everything_pulled_is_a_clean_status(clone: Fabricated) -> None:
    subprocess.run([DVC, "pull", "-q"], cwd=clone.root, check=True)
    status = [
        subprocess.check_output([DVC, *verb], cwd=clone.root, text=True) for verb in (["status"], ["data", "status"])
    ]
    assert status == ["Data and pipelines are up to date.\n", "No changes.\n"]
    assert git(clone.root, "status", "--porcelain") == ""


def test_a_clone_without_payloads_stays_as_it_is(clone: Fabricated, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = tracked_payloads(study_artifacts(clone.plan.spec, clone.results))
    monkeypatch.setattr(dvc, "dvc", lambda *_: pytest.fail("started"))
    outcome = dvc.track(targets)
    assert (outcome.kept, outcome.added, outcome.left_out) == (targets, [], [])
    assert dvc.push(targets) == 0


def test_one_file_of_a_payload_comes_alone(clone: Fabricated) -> None:
    payload = run_payload(clone)
    file = payload.with_name("payload.dvc")
    bring([file], {file: ["curves.jsonl"]})
    assert [path.name for path in payload.rglob("*")] == ["curves.jsonl"]
    bring([file])
    assert whole_payload(payload)


def test_a_half_finished_pull_is_repaired(clone: Fabricated) -> None:
    payload = run_payload(clone)
    file = payload.with_name("payload.dvc")
    bring([file])
    next(payload.glob("step-*/*")).unlink()
    (payload / "curves.jsonl").chmod(0o644)
    (payload / "curves.jsonl").write_bytes(b"half")
    bring([file])
    assert whole_payload(payload)


def test_what_the_remote_holds_is_known_before_anything_is_pulled(clone: Fabricated) -> None:
    files = sorted(clone.results.rglob("*.dvc"))
    assert obtainable(files) == obtainable(files, cache=False)
    assert obtainable(files).files == frozenset(files)
    assert obtainable(files).reason is None
    assert not list(clone.results.rglob("payload"))


def test_one_lost_object_is_found_and_the_rest_of_its_payload_is_not(clone: Fabricated, lab: Fabricated) -> None:
    remote = clone.root.parent / "poorer"
    shutil.copytree(lab.root.parent / "remote", remote)
    subprocess.run([DVC, "remote", "modify", "--quiet", "lab", "url", str(remote)], cwd=clone.root, check=True)
    payload = run_payload(clone)
    weights = next(entry for entry in read_manifest(payload.with_name("manifest.json")).files if "step" in entry.path)
    (remote / "files" / "md5" / weights.md5[:2] / weights.md5[2:]).unlink()
    file, other = payload.with_name("payload.dvc"), clone.results / "models" / "tiny" / "payload.dvc"
    assert obtainable([file, other]).files == {other}
    assert obtainable([file, other]).reason == "the DVC remote does not hold it"
    assert obtainable([file], {file: ["curves.jsonl"]}).files == {file}
    with pytest.raises(UserError, match=rf"DVC did not bring {payload}/.* as its manifest says: .*{weights.md5}"):
        bring([file])


def test_a_dvc_file_of_another_payload_brings_nothing(clone: Fabricated) -> None:
    tiny, init = (clone.results / "models" / name / "payload.dvc" for name in ("tiny", "tiny-init"))
    shutil.copy(init, tiny)
    assert obtainable([tiny]).reason == "its `.dvc` file is of another payload"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/x", "the DVC remote `lab` cannot be reached: Cannot connect to host 127.0.0.1:9"),
        ("s3://bucket/x", "requires 'dvc-s3' to be installed"),
        ("../nowhere", "the DVC remote `lab` is not there: "),
    ],
)
def test_a_remote_that_cannot_be_reached_is_said_in_its_words(clone: Fabricated, url: str, said: str) -> None:
    subprocess.run([DVC, "remote", "modify", "--quiet", "lab", "url", url], cwd=clone.root, check=True)
    answer = obtainable([run_payload(clone).with_name("payload.dvc")])
    assert answer.files == frozenset()
    assert answer.reason is not None
    assert said in answer.reason


def test_no_remote_and_no_repository_are_said(clone: Fabricated) -> None:
    file = run_payload(clone).with_name("payload.dvc")
    subprocess.run([DVC, "config", "--unset", "core.remote"], cwd=clone.root, check=True)
    assert obtainable([file]).reason == "no DVC remote is configured"
    shutil.rmtree(clone.root / ".dvc")
    assert "no DVC repository" in (obtainable([file]).reason or "")


def test_a_deleted_payload_comes_back_from_the_cache_without_a_remote(study: Fabricated) -> None:
    dvc.track(tracked_payloads(study_artifacts(study.plan.spec, study.results)))
    file = run_payload(study).with_name("payload.dvc")
    shutil.rmtree(run_payload(study))
    assert obtainable([file]).files == {file}
    assert obtainable([file], cache=False).files == frozenset()
    bring([file])
    assert whole_payload(run_payload(study))


def test_git_sees_no_dvc_file_unless_a_remote_is_shared(study: Fabricated, lab: Fabricated) -> None:
    dvc.track(tracked_payloads(study_artifacts(study.plan.spec, study.results)))
    git(study.root, "add", "-A")
    assert committed_dvc_files(study.results) == []
    names = git(lab.root, "ls-files", "results").splitlines()
    assert not [name for name in names if "/payload/" in name]
    assert {"manifest.json", "record.json", "payload.dvc", "events.jsonl.dvc"} <= {Path(name).name for name in names}


def test_a_committed_dvc_file_that_no_remote_backs_is_named(clone: Fabricated) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "scripts" / "track.py"), "--check"]
        return subprocess.run(command, cwd=clone.root, capture_output=True, text=True, check=False)

    good = check()
    assert (good.returncode, good.stdout.split()[0]) == (0, str(len(committed_dvc_files(clone.results))))
    target = dvc.Tracked(one_payload(clone.root).path, one_payload(clone.root).md5)
    dvc.track([target])
    git(clone.root, "add", "-A")
    bad = check()
    assert bad.returncode == 1
    assert "cannot be pulled, first results/models/m/payload.dvc: " in bad.stderr


@pytest.fixture
def linked(clone: Fabricated, tmp_path: Path) -> Fabricated:
    """The clone with its results on another file system."""
    shutil.move(clone.results, tmp_path / "scratch")
    clone.results.symlink_to(tmp_path / "scratch")
    return clone


def test_results_behind_a_link_have_a_repository_of_their_own(
    linked: Fabricated, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run_payload(linked).with_name("payload.dvc")
    assert obtainable([file]).files == {file}
    assert not (tmp_path / "scratch" / ".dvc").exists()  # to ask changes nothing
    bring([file])
    assert whole_payload(run_payload(linked))
    said = f"{tmp_path / 'scratch'} lies outside {linked.root}: DVC has a repository of its own there, with the same remotes\n"
    assert capsys.readouterr().err == said
    target = one_payload(linked.root)
    assert dvc.track([target]).added == [target]
    shutil.rmtree(run_payload(linked))
    subprocess.run([DVC, "remote", "modify", "-q", "lab", "url", "../nowhere"], cwd=linked.root, check=True)
    bring([file])  # it has a cache of its own
    assert whole_payload(run_payload(linked))


def test_a_linked_repository_follows_its_checkout_and_keeps_what_is_its_own(linked: Fabricated, tmp_path: Path) -> None:
    repository(linked.results / "runs").make()
    config = tmp_path / "scratch" / ".dvc" / "config"
    subprocess.run([DVC, "remote", "modify", "-q", "lab", "url", "../elsewhere"], cwd=linked.root, check=True)
    repository(linked.results / "runs")
    assert f"url = {tmp_path / 'elsewhere'}" in config.read_text()
    config.write_text(config.read_text().partition("\n")[2].replace("elsewhere", "mine"))
    repository(linked.results / "runs")
    assert f"url = {tmp_path / 'mine'}" in config.read_text()
