"""A finished study is published, checked in a bare clone, and brought back; what is wrong with it is named."""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout import Checkout, copy_checkout
from fabricated import NAME, QUOTED, fabricate

from verizero.artifacts.bundle import read_bundle
from verizero.artifacts.errors import UserError
from verizero.report.tabulating import Tabulation
from verizero.reward import grading
from verizero.tracking import regrading, study_verification
from verizero.tracking.bundle_verification import verify_bundle
from verizero.tracking.open_bundle import opened
from verizero.tracking.publishing import public_remote, publish
from verizero.tracking.study_verification import StudyVerification, verify_study
from verizero.tracking.table import TableRow, pick
from verizero.tracking.table_text import first_difference
from verizero.tracking.verification import verify

BUNDLE = f"results/published/{NAME}"
SUBJECT = "tiny.sums.plain.dr-grpo-toy.s2@120/toy/sums-id.plain.sampled-toy"
FILES = {
    "samples": f"samples/{SUBJECT}/payload/samples.jsonl.gz",
    "grades": f"grades/{SUBJECT}/payload/grades.jsonl.gz",
    "golds": "datasets/sums-id/golds.jsonl.xz",
    "curves": "runs/tiny.sums.plain.dr-grpo-toy.s2/payload/curves.jsonl.xz",
    "events": "runs/tiny.sums.plain.dr-grpo-toy.s2/events.jsonl.xz",
    "table": f"studies/{NAME}/tables/main.csv",
    "figure": f"studies/{NAME}/figures/overview.csv",
    "manifest": "models/tiny/manifest.json",
    "record": f"grades/{SUBJECT}/record.json",
}


def make(root: Path) -> Checkout:
    checkout = copy_checkout(root)
    with pytest.MonkeyPatch.context() as patch:
        fabricate(root, patch)
    return checkout


def published(checkout: Checkout, limit: int = 3_000_000, replace: bool = False, weights_at: str | None = None) -> Path:
    target = checkout.root / BUNDLE
    publish(checkout.root / "results", NAME, target, None, limit, replace, weights_at, None, 1)
    return target


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with a finished study and its bundle."""
    checkout = make(tmp_path_factory.mktemp("finished") / "checkout")
    done = checkout.program("scripts/publish.py", NAME)
    assert done.returncode == 0, done.stderr
    return checkout


@pytest.fixture
def clone(finished: Checkout, tmp_path: Path) -> Checkout:
    """What git brings: no results but the bundle."""
    root = tmp_path / "clone"
    copied = shutil.ignore_patterns("results", ".snakemake", "__pycache__")
    shutil.copytree(finished.root, root, symlinks=True, ignore=copied)
    shutil.copytree(finished.root / BUNDLE, root / BUNDLE)
    return Checkout(root, finished.job_python)


@pytest.fixture
def results(finished: Checkout, tmp_path: Path) -> Path:
    """A copy of the working results that may be damaged."""
    return Path(shutil.copytree(finished.root / "results", tmp_path / "results"))


def broken(folder: Path) -> str:
    with opened(folder) as bundle:
        found = verify_bundle(bundle)
        return bundle.said(found.outcome())


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def test_a_bundle_holds_what_numbers_follow_from_and_lists_the_rest(finished: Checkout) -> None:
    bundle = read_bundle(finished.root / BUNDLE)
    kept = {stored.plain for stored in bundle.files}
    assert {name.removesuffix(".xz") for name in FILES.values()} <= kept
    reasons = {one.path: one.reason for one in bundle.elsewhere}
    assert reasons["models/tiny/payload/model.safetensors"] == "weights"
    assert reasons["datasets/sums/payload/problems.jsonl"] == "problems"
    assert reasons["runs/tiny.sums.plain.grpo-toy.s1/payload/rollouts/step-1.parquet"] == "rollouts"
    assert reasons[f"studies/{NAME}/report.html"] == "drawings"
    assert not kept & set(reasons)


def test_no_file_of_a_bundle_quotes_a_problem(finished: Checkout) -> None:
    kept = (
        finished.root / "results" / "runs" / "tiny.sums.plain.grpo-toy.s1" / "payload" / "rollouts" / "step-1.parquet"
    )
    assert QUOTED in kept.read_text(encoding="utf-8")
    opening = {".xz": lzma.decompress, ".gz": gzip.decompress}
    files = [file for file in (finished.root / BUNDLE).rglob("*") if file.is_file()]
    assert len(files) > 100
    for file in files:
        assert QUOTED.encode() not in opening.get(file.suffix, bytes)(file.read_bytes()), file


def test_a_bundle_verifies_in_a_bare_clone_and_says_where_the_weights_are(clone: Checkout) -> None:
    done = clone.program("scripts/audit.py", BUNDLE, "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    *said, outcome = done.stdout.splitlines()
    assert outcome == f"VERIFIED: study `{NAME}`"
    assert any(line.startswith("elsewhere  weights: 8 files") and "nowhere that is known" in line for line in said)
    assert any(line.startswith("elsewhere  completions of training: 4 files") for line in said)
    assert not (clone.root / "results" / "studies").exists()


def test_every_row_of_a_bundle_verifies_by_itself(clone: Checkout) -> None:
    with opened(clone.root / BUNDLE) as bundle:
        table = bundle.results / "studies" / NAME / "tables" / "main.csv"
        header, *lines = [line.split(",") for line in table.read_text().splitlines()]
        rows = [TableRow(table, pick(table, dict(zip(header[:8], line[:8], strict=True))).texts) for line in lines]
        assert [verify(row, published=True).broken for row in rows] == [None] * len(lines)
        assert {verify(row, published=True).exit_code for row in rows[:3]} == {0}


def test_a_row_of_a_bundle_is_audited_by_the_command(clone: Checkout) -> None:
    where = "optimizer=grpo-toy,benchmark=sums-id,protocol=sampled-toy,metric=avg@8"
    done = clone.program(
        "scripts/audit.py", f"{BUNDLE}/studies/{NAME}/tables/main.csv", "--where", where, "--verify", "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verified"] is True
    assert json.loads(done.stdout)["drift"] == []
    assert "verizero-" not in done.stdout  # where it was unpacked


@pytest.mark.parametrize("kind", FILES)
def test_one_flipped_byte_is_named(clone: Checkout, kind: str) -> None:
    flip(clone.root / BUNDLE / FILES[kind])
    with pytest.raises(UserError, match="has SHA-256") as error:
        broken(clone.root / BUNDLE)
    assert str(error.value).startswith(f"{clone.root / BUNDLE / FILES[kind]} ")


def test_a_flipped_byte_is_exit_code_1_and_the_last_line(clone: Checkout) -> None:
    flip(clone.root / BUNDLE / FILES["samples"])
    done = clone.program("scripts/audit.py", BUNDLE, "--verify")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"BROKEN: {BUNDLE}/{FILES['samples']} has SHA-256")


@pytest.mark.parametrize("kind", FILES)
def test_an_edit_that_bundle_json_agrees_with_is_named_all_the_same(clone: Checkout, kind: str) -> None:
    folder = clone.root / BUNDLE
    file = folder / FILES[kind]
    data = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
    edited = bytearray(data)
    edited[-3 if kind in ("manifest", "record") else len(edited) // 2] ^= 1
    file.write_bytes(lzma.compress(bytes(edited)) if file.suffix == ".xz" else bytes(edited))
    agree(folder, FILES[kind])
    assert broken(folder).startswith(f"BROKEN: {file.parent}")


def agree(folder: Path, path: str) -> None:
    """Let bundle.json state what a file is now."""
    from verizero.artifacts.canonical import sha256_file

    content = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    for stored in content["files"]:
        if stored["path"] == path:
            stored |= {"sha256": sha256_file(folder / path), "size": (folder / path).stat().st_size}
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_missing_file_and_one_too_many_are_named(clone: Checkout) -> None:
    folder = clone.root / BUNDLE
    (folder / "notes.txt").write_text("more")
    with pytest.raises(UserError, match=r"notes\.txt is not among the files"):
        broken(folder)
    (folder / "notes.txt").unlink()
    (folder / FILES["samples"]).unlink()
    with pytest.raises(UserError, match=r"samples\.jsonl\.gz is missing"):
        broken(folder)


def test_a_folder_without_a_bundle_or_without_verify_is_one_sentence(clone: Checkout) -> None:
    for arguments, sentence in (
        (("docs-of-nothing", "--verify"), "audit reads a study's main table"),
        (("config", "--verify"), "is neither a published study"),
        ((BUNDLE,), "a folder is audited as a whole"),
    ):
        done = clone.program("scripts/audit.py", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert sentence in done.stderr


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a grader that called one wrong answer right: whole in every digest, and with tables that follow from it."""
    first: list[str] = []

    def favouring(row: dict[str, object], verdict: grading.Verdict) -> dict[str, object]:
        graded = honest(row, verdict)
        if not graded["correct"] and not first:
            first.append("done")
            graded |= {"correct": True, "status": "correct"}
        return graded

    honest = grading._graded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "_graded", favouring)
        return make(tmp_path_factory.mktemp("forged") / "checkout").root / "results"


def test_a_verdict_that_the_grader_does_not_give_is_named_with_its_sample(forged: Path) -> None:
    sentence = verify_study(forged, NAME).links.broken
    assert sentence is not None
    assert "`correct` is True, the present grader says False (1 of " in sentence
    assert "grader's version" not in sentence
    with pytest.raises(UserError, match="does not audit, and is not published: BROKEN: "):
        publish(forged, NAME, forged / "published" / NAME, None, 3_000_000, False, None, None, 1)
    assert not (forged / "published" / NAME).exists()


def test_answers_that_were_called_the_same_and_are_not_are_named(tmp_path: Path) -> None:
    def other_classes(problems: list[str], verdicts: list[grading.Verdict], pool: object) -> list[int | None]:
        return [0 if verdict.correct else None if verdict.extracted is None else 7 for verdict in verdicts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "answer_classes", other_classes)
        results = make(tmp_path / "checkout").root / "results"
    sentence = verify_study(results, NAME).links.broken
    assert sentence is not None
    assert "grades.jsonl.gz: sample " in sentence and "`answer_class` is 7, the present grader says 1" in sentence


def other_grader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regrading, "code_digest", lambda program: "f" * 64)


def test_another_version_of_the_grader_is_told_and_equal_verdicts_suffice(
    finished: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_grader(monkeypatch)
    with opened(finished.root / BUNDLE) as bundle:
        found: StudyVerification = verify_bundle(bundle)
    assert found.exit_code == 0
    assert "graded by another version of the grader" in found.text()


def test_a_verdict_of_another_version_of_the_grader_that_differs_fails_and_is_called_that(
    forged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_grader(monkeypatch)
    assert "a difference of the grader's version: it was graded by" in str(verify_study(forged, NAME).links.broken)


def test_a_python_without_algebra_calls_nothing_broken(finished: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_worker(pool: object, pairs: object) -> None:
        raise RuntimeError("a grading worker did not start")

    monkeypatch.setattr(regrading.GradingPool, "grade_all", no_worker)
    monkeypatch.setattr(regrading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"run the same with \.venv/jobs/bin/python"):
        verify_study(finished.root / "results", NAME)


@pytest.mark.parametrize("same", [True, False])
def test_a_table_that_a_later_version_adds_is_told_and_is_nothing_broken(
    finished: Checkout, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    tables = Tabulation.texts
    monkeypatch.setattr(Tabulation, "texts", lambda own: {**tables(own), "tables/paired_new.csv": "a\n"})
    record = finished.root / "results" / "studies" / NAME / "record.json"
    code = json.loads(record.read_text(encoding="utf-8"))["code_sha256"]
    monkeypatch.setattr(study_verification, "code_digest", lambda program: code if same else "1" * 64)
    found = verify_study(finished.root / "results", NAME)
    if same:
        assert "lists no tables/paired_new.csv, which its grades and curves give" in found.text()
        return
    assert found.exit_code == 0, found.text()
    assert "the present one gives more files: tables/paired_new.csv" in found.text()
    # what lies there without being listed is no file that is lacking
    stray = finished.root / "results" / "studies" / NAME / "tables" / "paired_new.csv"
    stray.write_text("a\n", encoding="utf-8")
    try:
        assert "lists no tables/paired_new.csv" in verify_study(finished.root / "results", NAME).text()
    finally:
        stray.unlink()
    # and what studies have had for long is not tolerated to be away
    monkeypatch.setattr(Tabulation, "texts", lambda own: {**tables(own), "tables/change_new.csv": "a\n"})
    assert "lists no tables/change_new.csv" in verify_study(finished.root / "results", NAME).text()


def test_the_first_cell_that_differs_is_named() -> None:
    text, again = "model,metric,estimate\ntiny,avg@8,0.500000\n", "model,metric,estimate\ntiny,avg@8,0.600000\n"
    assert first_difference("main.csv", text, again) == (
        "main.csv, line 2 (model=tiny, metric=avg@8): estimate is 0.500000, but its grades and curves give 0.600000"
    )
    assert first_difference("main.csv", text, text) is None


def test_an_unfinished_study_is_refused(results: Path) -> None:
    (results / "studies" / NAME / "manifest.json").unlink()
    with pytest.raises(UserError, match="there is no such study here; `snakemake --config study=mini` finishes it"):
        publish(results, NAME, results / "published" / "new", None, 3_000_000, False, None, None, 1)


def test_a_study_with_a_stale_record_is_refused(results: Path) -> None:
    file = results / "datasets" / "sums" / "record.json"
    file.write_text(file.read_text().replace('"manifest_sha256": "', '"manifest_sha256": "0', 1)[:-1])
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"manifest_sha256": "0" * 64}))
    with pytest.raises(
        UserError, match=r"datasets/sums/manifest.json is not the manifest that its record.json describes"
    ):
        publish(results, NAME, results / "published" / "new", None, 3_000_000, False, None, None, 1)


def test_too_large_a_bundle_is_refused_with_its_largest_files_and_leaves_nothing(results: Path) -> None:
    with pytest.raises(UserError, match=r"more than the limit of 20.0 kB; the largest are .*--limit-mb allows more"):
        publish(results, NAME, results / "published" / "new", None, 20_000, False, None, None, 1)
    assert [file.name for file in (results / "published").iterdir()] == [NAME]


def test_publishing_again_needs_to_be_told_and_gives_the_same_bytes(results: Path) -> None:
    target = results / "published" / NAME
    before = {file.relative_to(target): file.read_bytes() for file in target.rglob("*") if file.is_file()}
    with pytest.raises(UserError, match="is there already; --replace"):
        publish(results, NAME, target, None, 3_000_000, False, None, None, 1)
    (target / "notes.txt").write_text("of the old one")
    publish(results, NAME, target, None, 3_000_000, True, None, None, 1)
    after = {file.relative_to(target): file.read_bytes() for file in target.rglob("*") if file.is_file()}
    licences = b'"licence": null'  # the command reads them from config/
    assert before.keys() == after.keys()
    assert {path for path in before if before[path] != after[path] and licences not in after[path]} == set()


def test_where_the_weights_are_is_said(results: Path, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    config = tmp_path / ".dvc" / "config"
    config.write_text("[core]\n    remote = hub\n['remote \"hub\"']\n    url = https://example.org/store/\n")
    remote = public_remote(tmp_path)
    bundle = publish(results, NAME, tmp_path / "out", None, 3_000_000, False, None, remote, 1)
    places = {one.where for one in bundle.elsewhere if one.reason == "weights"}
    assert all(place and place.startswith("https://example.org/store/files/md5/") for place in places)
    config.write_text("[core]\n    remote = local\n['remote \"local\"']\n    url = ../.dvc-remote\n")
    assert public_remote(tmp_path) is None


def restored(clone: Checkout) -> subprocess.CompletedProcess[str]:
    return clone.program("scripts/restore.py", "--from", BUNDLE, "--config", "tracking={enabled: false}")


def test_a_bundle_that_was_brought_back_leaves_nothing_to_do_and_verifies(clone: Checkout) -> None:
    done = restored(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert clone.planned("--config", f"study={NAME}", "tracking={enabled: false}") == set()
    assert not list((clone.root / "results" / "models").rglob("*.safetensors"))
    assert verify_study(clone.root / "results", NAME).exit_code == 0
    again = restored(clone)
    assert again.stderr.startswith("0 artifacts were brought back")
    assert (again.returncode, again.stdout) == (0, "")


def test_something_different_in_the_way_is_named_and_stays(clone: Checkout) -> None:
    name = "runs/tiny.sums.plain.grpo-toy.s1/manifest.json"
    file = clone.root / "results" / name
    file.parent.mkdir(parents=True)
    other = (clone.root / BUNDLE / name).read_text().replace('"counts": {}', '"counts": {"steps": 1}')
    file.write_text(other)
    done = restored(clone)
    assert done.returncode == 1
    assert f"left alone, {file.relative_to(clone.root)} is here and is another one" in done.stdout
    assert [one.name for one in file.parent.iterdir()] == ["manifest.json"]
    assert file.read_text() == other


def test_a_damaged_bundle_is_not_brought_back(clone: Checkout) -> None:
    flip(clone.root / BUNDLE / FILES["grades"])
    done = restored(clone)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert FILES["grades"] in done.stderr
    assert not (clone.root / "results" / "grades").exists()
