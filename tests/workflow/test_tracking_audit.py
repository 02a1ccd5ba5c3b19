"""The audit goes from one cell down to its sources, and names the first thing that is not as it was."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fabricated import NAME, ROOT, Fabricated, fabricate

from verizero.artifacts.canonical import sha256_text
from verizero.artifacts.errors import UserError
from verizero.artifacts.files import describe_folder, folder_md5, write_atomic
from verizero.config.plan import Plan
from verizero.tracking.chain import chain
from verizero.tracking.table import parse_where, pick
from verizero.tracking.verification import verify

RUN = "tiny.sums.plain.dr-grpo-toy.s2"
STEP = Plan(ROOT, {"study": "demo"}).spec.kept_steps["dr-grpo-toy"][-1]
MEMBER = "sums-id.plain.sampled-toy"
WHERE = "optimizer=dr-grpo-toy,benchmark=sums-id,protocol=sampled-toy,metric=avg@8"
PAYLOADS = {
    "model": "models/tiny/payload/model.safetensors",
    "first model": "models/tiny-init/payload/config.json",
    "training set": "datasets/sums/payload/problems.jsonl",
    "benchmark": "datasets/sums-id/payload/problems.jsonl",
    "corpus": "datasets/sums-corpus/payload/problems.jsonl",
    "benchmark kept out": "datasets/sums-ood/payload/problems.jsonl",
    "run": f"runs/{RUN}/payload/step-{STEP}/model.safetensors",
    "events": f"runs/{RUN}/events.jsonl",
    "samples": f"samples/{RUN}@{STEP}/toy/{MEMBER}/payload/samples.jsonl.gz",
    "grades": f"grades/{RUN}@{STEP}/toy/{MEMBER}/payload/grades.jsonl.gz",
    "table": f"studies/{NAME}/tables/main.csv",
    "ledger": f"studies/{NAME}/ledger.json",
}
MANIFESTS = {
    "model": "models/tiny",
    "first model": "models/tiny-init",
    "training set": "datasets/sums",
    "benchmark": "datasets/sums-id",
    "corpus": "datasets/sums-corpus",
    "run": f"runs/{RUN}",
    "samples": f"samples/{RUN}@{STEP}/toy/{MEMBER}",
    "samples' suite": f"samples/{RUN}@{STEP}/toy",
    "grades": f"grades/{RUN}@{STEP}/toy/{MEMBER}",
    "grades' suite": f"grades/{RUN}@{STEP}/toy",
    "study": f"studies/{NAME}",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    with pytest.MonkeyPatch.context() as patch:
        return fabricate(tmp_path_factory.mktemp("whole") / "checkout", patch)


@pytest.fixture
def study(whole: Fabricated, tmp_path: Path) -> Fabricated:
    shutil.copytree(whole.root, tmp_path / "copy")
    return Fabricated(tmp_path / "copy")


def audit(study: Fabricated, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    command = [python, "scripts/audit.py", f"results/studies/{NAME}/tables/main.csv", *arguments]
    return subprocess.run(command, cwd=study.root, capture_output=True, text=True, check=False)


def broken(study: Fabricated, where: str = WHERE) -> str:
    sentence = verify(pick(study.table, parse_where(where))).broken
    assert sentence is not None
    assert "\n" not in sentence
    return sentence


def flip(file: Path, place: int | None = None, bit: int = 1) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2 if place is None else place] ^= bit
    file.write_bytes(bytes(data))


def test_a_whole_chain_verifies(study: Fabricated) -> None:
    done = audit(study, "--where", WHERE, "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("VERIFIED: 17 manifests")


def test_every_cell_of_a_whole_table_verifies(study: Fabricated) -> None:
    header, *lines = [line.split(",") for line in study.table.read_text().splitlines()]
    outcomes = [verify(pick(study.table, dict(zip(header[:8], line[:8], strict=True)))) for line in lines]
    assert [outcome.exit_code for outcome in outcomes] == [0] * len(lines)


@pytest.mark.skipif(not (ROOT / ".venv/jobs/bin/python").is_file(), reason="the jobs' environment is not here")
def test_the_audit_runs_in_the_jobs_environment_too(study: Fabricated) -> None:
    assert audit(study, "--where", WHERE, "--verify", python=str(ROOT / ".venv/jobs/bin/python")).returncode == 0


@pytest.mark.parametrize("kind", PAYLOADS)
def test_one_flipped_byte_is_named(study: Fabricated, kind: str) -> None:
    flip(study.results / PAYLOADS[kind])
    done = audit(study, "--where", WHERE, "--verify") if kind != "table" else None
    if done is None:
        assert str(study.table) in broken(study)
        return
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"BROKEN: results/{PAYLOADS[kind]}")


@pytest.mark.parametrize("kind", MANIFESTS)
@pytest.mark.parametrize("place", [0, None], ids=["first byte", "middle byte"])
def test_one_flipped_byte_in_a_manifest_is_named(study: Fabricated, kind: str, place: int | None) -> None:
    flip(study.results / MANIFESTS[kind] / "manifest.json", place, bit=1 if place == 0 else 0x80)
    assert broken(study).startswith(str(study.results / MANIFESTS[kind] / "manifest.json"))


@pytest.mark.parametrize("kind", MANIFESTS)
def test_the_chain_of_a_damaged_manifest_is_printed_all_the_same(study: Fabricated, kind: str) -> None:
    file = study.results / MANIFESTS[kind] / "manifest.json"
    content = json.loads(file.read_text())
    for key, value in list(content["spec"].items()):
        content["spec"][f"{key}x"] = value
        del content["spec"][key]
    file.write_text(json.dumps(content))
    assert chain(pick(study.table, parse_where(WHERE))).below


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_number_edited_in_a_manifest_is_named(study: Fabricated, kind: str) -> None:
    file = study.results / MANIFESTS[kind] / "manifest.json"
    content = json.loads(file.read_text())
    content["counts"]["problems"] = 7
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    assert broken(study).startswith(str(file))


@pytest.mark.parametrize("column", [8, 9, 10, 11, 12])
def test_an_edited_number_in_the_table_is_named_with_the_right_one(study: Fabricated, column: int) -> None:
    lines = study.table.read_text().splitlines()
    number = next(
        number
        for number, line in enumerate(lines)
        if line.startswith(f"tiny,sums,plain,dr-grpo-toy,{STEP},sums-id,sampled-toy,avg@8,")
    )
    fields = lines[number].split(",")
    before, fields[column] = fields[column], "0.912345" if column < 11 else "7"
    lines[number] = ",".join(fields)
    study.table.write_text("\n".join(lines) + "\n")
    name = lines[0].split(",")[column]
    assert broken(study) == f"{study.table}: {name} is {fields[column]}, but its grades give {before}"


def forge_table(study: Fabricated, before: str, after: str) -> None:
    """Edit the table and make manifest and record agree with it: only the grades can tell."""
    study.table.write_text(study.table.read_text().replace(before, after))
    folder = study.manifest("studies", NAME).parent
    content = json.loads((folder / "manifest.json").read_text())
    named = {entry["path"] for entry in content["files"]}
    entries = [entry for entry in describe_folder(folder) if entry.path in named]
    content |= {"files": [vars(entry) for entry in entries], "payload_md5": folder_md5(entries)}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    record = json.loads((folder / "record.json").read_text()) | {"manifest_sha256": sha256_text(text)}
    write_atomic(folder / "manifest.json", text)
    write_atomic(folder / "record.json", json.dumps(record))


def test_a_forged_study_is_found_by_its_grades(study: Fabricated) -> None:
    row = pick(study.table, parse_where(WHERE)).texts
    forge_table(study, f"avg@8,{row['estimate']},{row['ci_low']}", f"avg@8,0.999999,{row['ci_low']}")
    assert broken(study) == f"{study.table}: estimate is 0.999999, but its grades give {row['estimate']}"


def test_regraded_samples_behind_an_old_table_are_found(study: Fabricated) -> None:
    file = study.results / PAYLOADS["grades"]
    text = gzip.decompress(file.read_bytes()).decode().replace('"correct": false', '"correct": true', 1)
    file.write_bytes(gzip.compress(text.encode(), mtime=0))
    assert broken(study).startswith(str(file))


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (f"runs/{RUN}/manifest.json", "manifest.json"),
        (f"runs/{RUN}/record.json", "record.json"),
        (f"grades/{RUN}@{STEP}/toy/{MEMBER}/manifest.json", "manifest.json"),
        ("datasets/sums/manifest.json", "manifest.json"),
    ],
)
def test_a_missing_link_is_named_with_and_without_verification(study: Fabricated, path: str, word: str) -> None:
    (study.results / path).unlink()
    assert str(study.results / path) in broken(study)
    done = audit(study, "--where", WHERE)
    assert done.returncode == 0
    assert any("MISSING" in line and word in line for line in done.stdout.splitlines())


def test_a_clone_without_payloads_names_the_command_that_brings_them(study: Fabricated) -> None:
    for folder in study.results.rglob("payload"):
        shutil.rmtree(folder)
    done = audit(study, "--where", WHERE, "--verify")
    assert done.returncode == 3
    last = done.stdout.splitlines()[-1]
    assert last.startswith("NOT VERIFIED: ")
    assert f"dvc pull results/grades/tiny.sums.plain.dr-grpo-toy.s1@{STEP}/toy/{MEMBER}/payload.dvc" in last
    assert f"results/runs/{RUN}/payload.dvc" in last


def test_a_study_without_its_figures_is_not_called_broken(study: Fabricated) -> None:
    (study.table.parent.parent / "ledger.json").unlink()
    outcome = verify(pick(study.table, parse_where(WHERE)))
    assert outcome.exit_code == 0
    assert "1 other files of the study are not here, for example ledger.json" in outcome.sentence()


def test_a_break_is_named_even_where_payloads_are_absent(study: Fabricated) -> None:
    shutil.rmtree(study.results / "models" / "tiny" / "payload")
    flip(study.results / PAYLOADS["training set"])
    assert broken(study).startswith(str(study.results / PAYLOADS["training set"]))


def test_the_chain_holds_every_kind_of_link(study: Fabricated) -> None:
    titles = [link.title for link in chain(pick(study.table, parse_where(WHERE))).walk()]
    for expected in (
        "study studies/mini",
        f"seed 2: grades grades/{RUN}@{STEP}",
        "samples samples/",
        f"checkpoint at step {STEP}",
        f"training run runs/{RUN}",
    ):
        assert any(title.startswith(expected) for title in titles)
    for expected in (
        "training set datasets/sums",
        "base model models/tiny",
        "pretrained from models/tiny-init",
        "pretrained on datasets/sums-corpus",
        "benchmark datasets/sums-id",
    ):
        assert expected in titles


def test_the_chain_states_seeds_recipe_counts_and_who_made_it(study: Fabricated) -> None:
    links = {
        link.title: link.facts
        for link in chain(pick(study.table, parse_where(WHERE))).walk()
        if link.facts != {"described": "above"}
    }
    run = links["training run runs/tiny.sums.plain.dr-grpo-toy.s1"]
    assert run["seed"] == 1
    assert run["spec"]["optimizer.learning_rate"] == study.plan.registry.optimizers["dr-grpo-toy"].learning_rate
    assert (
        links["training run runs/tiny.sums.plain.dr-grpo-toy.s2"]["spec"]
        == "as of runs/tiny.sums.plain.dr-grpo-toy.s1, but for the seed"
    )
    assert links["training set datasets/sums"]["counts"] == "distinct 7, problems 6, source 8"
    assert "done on" in run["made"]


def test_a_base_model_s_cell_is_chosen_by_an_empty_optimizer(study: Fabricated) -> None:
    row = pick(study.table, parse_where(WHERE.replace("dr-grpo-toy", "")))
    assert verify(row).exit_code == 0
    assert "base model models/tiny" in [link.title for link in chain(row).walk()]


def test_an_unpinned_source_is_said_loudly(study: Fabricated) -> None:
    file = study.manifest("datasets", "sums")
    file.write_text(file.read_text().replace('"unpinned": []', '"unpinned": ["problems sums (who/what)"]'))
    out = audit(study, "--where", WHERE).stdout
    assert "UNPINNED: problems sums (who/what) (nobody resolved the revision" in " ".join(out.split())


def edit_config(study: Fabricated, file: str, before: str, after: str) -> None:
    path = study.root / "config" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_a_changed_definition_is_stale_and_no_failure(study: Fabricated) -> None:
    edit_config(study, "optimizers/dr-grpo-toy.yaml", "length: 128", "length: 127")
    done = audit(study, "--where", WHERE, "--verify")
    assert done.returncode == 0
    assert f"stale: runs/{RUN} was made with another optimizer.weight.length" in done.stdout


def test_json_holds_the_row_the_chain_and_the_verdict(study: Fabricated) -> None:
    found = json.loads(audit(study, "--where", WHERE, "--verify", "--json").stdout)
    assert found["verified"] is True
    assert found["row"]["metric"] == "avg@8"
    assert len(found["chain"]["below"]) == 3


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("optimizer=dr-grpo-toy", "rows have optimizer=dr-grpo-toy; add one of: benchmark=sums-id|sums-ood; protocol="),
        ("optimizer=dr-grpo", "`optimizer` could be: (empty), dr-grpo-toy, grpo-toy"),
        ("optimiser=x", "`optimiser=x` is no condition; one reads COLUMN=VALUE"),
    ],
)
def test_a_condition_that_does_not_choose_one_row_says_what_would(study: Fabricated, where: str, sentence: str) -> None:
    done = audit(study, "--where", where)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_another_table_is_refused(study: Fabricated) -> None:
    with pytest.raises(UserError, match="main table"):
        pick(study.table.with_name("paired.csv"), {})
