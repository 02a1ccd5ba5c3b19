"""`aggregate` on a fabricated study: tables, ledger, report, and that it does the same twice."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import evidence_fabricated as fabricated
import numpy as np
import pytest

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import broken_files, read_manifest
from verizero.artifacts.rows import read_rows, write_rows
from verizero.evidence.cells import COLUMNS, estimate_cell, metrics_of, recompute, row_sources, rows_of
from verizero.evidence.curves import read_curves
from verizero.evidence.reading import read_member
from verizero.report.figure_data import planned_figures
from verizero.report.ledger import ledger

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
LOST = "tiny.sums.plain.dr-grpo.s3@60"


def _aggregate(
    made: fabricated.Fabricated, *more: str, results: Path | None = None
) -> subprocess.CompletedProcess[str]:
    results = results or made.results
    out = results / "studies" / "mini" / "manifest.json"
    command = [
        sys.executable,
        str(SCRIPTS / "aggregate.py"),
        "--spec",
        made.text,
        "--results",
        str(results),
        "--out",
        str(out),
        *more,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )


@pytest.fixture(scope="module")
def patch() -> pytest.MonkeyPatch:
    with pytest.MonkeyPatch.context() as own:
        yield own


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> fabricated.Fabricated:
    made = fabricated.fabricate(tmp_path_factory.mktemp("whole"), patch)
    done = _aggregate(made)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> fabricated.Fabricated:
    return fabricated.fabricate(tmp_path_factory.mktemp("holed"), patch, skip=lambda subject: subject == LOST)


def _study(made: fabricated.Fabricated, *parts: str) -> Path:
    return made.results.joinpath("studies", "mini", *parts)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_main_table_has_the_published_columns_in_their_order(whole: fabricated.Fabricated) -> None:
    first = _study(whole, "tables", "main.csv").read_text(encoding="utf-8").splitlines()[0]
    assert (
        first
        == "model,train_set,template,optimizer,checkpoint,benchmark,protocol,metric,estimate,ci_low,ci_high,n_problems,n_samples,seeds"
    )
    assert tuple(first.split(",")) == COLUMNS


def test_main_table_has_every_subject_member_and_metric_once(whole: fabricated.Fabricated) -> None:
    rows = _rows(_study(whole, "tables", "main.csv"))
    keys = [tuple(row[name] for name in COLUMNS[:8]) for row in rows]
    assert len(keys) == len(set(keys)) == 3 * sum(len(metrics_of(k)) for k in fabricated.MEMBERS.values())


def test_base_rows_are_step_0_without_recipe_or_seeds(whole: fabricated.Fabricated) -> None:
    base = [row for row in _rows(_study(whole, "tables", "main.csv")) if not row["optimizer"]]
    assert {(row["checkpoint"], row["train_set"], row["seeds"], row["template"]) for row in base} == {
        ("0", "", "", "plain")
    }


def test_accuracy_is_the_share_of_right_samples_over_all_seeds(whole: fabricated.Fabricated) -> None:
    row = next(
        row
        for row in rows_of(whole.spec, whole.results)
        if (row.key.optimizer, row.metric, row.key.benchmark) == ("grpo", "avg@4", "sums-id")
    )
    shares = [
        read_member(whole.grades(f"tiny.sums.plain.grpo.s{seed}@60", row.member)).correct.mean() for seed in (1, 2, 3)
    ]
    assert row.estimate.estimate == pytest.approx(sum(shares) / 3)
    assert (row.estimate.n_problems, row.estimate.n_samples, row.estimate.seeds) == (24, 24 * 4 * 3, (1, 2, 3))


def test_every_row_follows_again_from_the_grades_that_it_names(whole: fabricated.Fabricated) -> None:
    for row in _rows(_study(whole, "tables", "main.csv")):
        assert recompute(whole.spec, row, whole.results) == row
        sources = row_sources(whole.spec, row, whole.results)
        assert len(sources) == (3 if row["optimizer"] else 1)


def test_a_row_that_the_study_does_not_have_is_refused(whole: fabricated.Fabricated) -> None:
    row = {**_rows(_study(whole, "tables", "main.csv"))[0], "benchmark": "gsm8k"}
    with pytest.raises(UserError, match=r"has no row with .*benchmark=gsm8k"):
        recompute(whole.spec, row, whole.results)


def test_one_changed_verdict_changes_every_metric_that_depends_on_it(whole: fabricated.Fabricated) -> None:
    member = read_member(whole.grades("tiny.plain", "sums-id.plain.sampled"))
    one = member.correct.copy()
    one[np.argwhere(member.correct.sum(axis=1) == 0)[0, 0], 0] = True
    changed = replace(member, correct=one)
    for metric in ("avg@4", "pass@2", "pass@4", "length_correct", "length_incorrect"):
        assert estimate_cell({None: member}, metric).estimate != estimate_cell({None: changed}, metric).estimate
    assert estimate_cell({None: member}, "boxed_share") == estimate_cell({None: changed}, "boxed_share")


def test_the_same_inputs_give_the_same_manifest_in_another_folder(whole: fabricated.Fabricated, tmp_path: Path) -> None:
    moved = tmp_path / "results"
    shutil.copytree(whole.results, moved, ignore=shutil.ignore_patterns("studies"))
    assert _aggregate(whole, results=moved).returncode == 0
    assert sha256_file(moved / "studies" / "mini" / "manifest.json") == sha256_file(_study(whole, "manifest.json"))


def test_a_seed_more_without_a_design_is_a_second_look_and_the_page_says_so(
    whole: fabricated.Fabricated, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(whole.results, results, ignore=shutil.ignore_patterns("studies"))
    for seeds in ((1, 2), (1, 2, 3)):
        done = _aggregate(fabricated.Fabricated(results, fabricated.spec_of(seeds=seeds)), results=results)
        assert done.returncode == 0, done.stderr
    folder = results / "studies" / "mini"
    assert len((folder / "looks.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    sentence = "looked at 2 times, with seeds 1,2 then 1,2,3, and no sequential design was declared"
    assert sentence in (folder / "report.html").read_text(encoding="utf-8") and sentence in done.stderr


def test_every_file_is_listed_and_whole(whole: fabricated.Fabricated) -> None:
    manifest = read_manifest(_study(whole, "manifest.json"))
    listed = {entry.path for entry in manifest.files}
    figures = {
        f"figures/{name}.{ending}"
        for name in (
            *("overview", "reward", "length", "final_accuracy", "final_length_incorrect"),
            *("training_and_test", "accuracy_by_tokens"),
        )
        for ending in ("png", "svg", "csv")
    }
    tables = {
        f"tables/{name}.{ending}"
        for name in ("headline", "main", "paired", "change", "seeds", "statuses", "contamination")
        for ending in ("csv", "md", "tex")
    }
    assert listed == figures | tables | {"tables/methods.md", "looks.jsonl", "report.html", "ledger.json"}
    assert broken_files(_study(whole, "manifest.json")) == []


def test_inputs_are_every_run_graded_suite_and_overlap_and_unpinned_is_inherited(whole: fabricated.Fabricated) -> None:
    manifest = read_manifest(_study(whole, "manifest.json"))
    assert set(manifest.inputs) == {
        *(f"runs/{run.id}" for run in whole.spec.runs),
        *(f"grades/{cell.grades}" for cell in whole.spec.cells),
        "overlaps/mini/sums",
    }
    assert manifest.unpinned == ["problems sums-ood (someone/sums)"]


def test_figures_name_no_date_and_no_version(whole: fabricated.Fabricated) -> None:
    for path in _study(whole, "figures").glob("*.svg"):
        assert not re.search(r"<dc:date>|Matplotlib v|\b20\d\d-\d\d-\d\d\b", path.read_text(encoding="utf-8"))


def test_a_missing_input_is_one_sentence_and_exit_code_2(holed: fabricated.Fabricated) -> None:
    done = _aggregate(holed)
    assert done.returncode == 2
    assert re.fullmatch(
        r"error: .*runs/tiny\.sums\.plain\.dr-grpo\.s3/manifest\.json and 1 more of this study's inputs are missing; run `snakemake .*\n",
        done.stderr,
    )
    assert not _study(holed, "manifest.json").exists()


def test_partial_shows_the_missing_seed_and_averages_it_never_away(holed: fabricated.Fabricated) -> None:
    done = _aggregate(holed, "--partial")
    assert done.returncode == 0, done.stderr
    seeds = {row["optimizer"]: row["seeds"] for row in _rows(_study(holed, "tables", "main.csv"))}
    assert seeds == {"": "", "grpo": "1,2,3", "dr-grpo": "1,2 (missing: 3)"}
    assert {row["seeds"] for row in _rows(_study(holed, "tables", "paired.csv"))} == {"1,2 (missing: 3)"}
    assert "tiny.sums.plain.dr-grpo.s3@60" in _study(holed, "tables", "main.md").read_text(encoding="utf-8")
    assert "dr-grpo.s3" in _study(holed, "report.html").read_text(encoding="utf-8")


def test_an_optimizer_without_any_grades_keeps_its_rows_empty(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    made = fabricated.fabricate(tmp_path, patch, skip=lambda subject: "dr-grpo" in subject)
    rows = [row for row in rows_of(made.spec, made.results, partial=True) if row.key.optimizer == "dr-grpo"]
    assert {(row.texts()["estimate"], row.texts()["seeds"], row.estimate.n_samples) for row in rows} == {
        ("", "(missing: 1,2,3)", 0)
    }
    assert len(rows) == sum(len(metrics_of(k)) for k in fabricated.MEMBERS.values())
    assert recompute(made.spec, rows[0].texts(), made.results) == rows[0].texts()
    assert _aggregate(made, "--partial").returncode == 0


def test_nothing_but_a_plan_still_gives_a_report(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    made = fabricated.fabricate(tmp_path, patch, skip=lambda subject: True)
    done = _aggregate(made, "--partial")
    assert done.returncode == 0, done.stderr
    assert _rows(_study(made, "tables", "main.csv")) == []


def test_ledger_tells_a_killed_a_paused_and_a_missing_run_apart(holed: fabricated.Fabricated, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(holed.results, results)
    for optimizer, seed, notes in (
        ("grpo", 1, [{"started": "t"}, {"ended": "t", "outcome": "paused"}]),
        ("grpo", 2, [{"started": "t"}]),
    ):
        id = f"tiny.sums.plain.{optimizer}.s{seed}"
        (results / "runs" / id / "manifest.json").unlink()
        scratch = results / ".scratch" / f"run-{id}-0123abcd"
        scratch.mkdir(parents=True)
        (scratch / "attempts.jsonl").write_text("".join(f"\n{json.dumps(note)}\n" for note in notes), encoding="utf-8")
    states = {run["id"]: run["state"] for run in ledger(holed.spec, results)["runs"]}
    assert [states[f"tiny.sums.plain.{name}"] for name in ("grpo.s1", "grpo.s2", "grpo.s3", "dr-grpo.s3")] == [
        "paused",
        "running or killed",
        "done",
        "missing",
    ]


def test_a_member_that_was_changed_behind_its_suite_is_named(whole: fabricated.Fabricated, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(whole.results, results)
    path = results / "grades" / "tiny.plain" / "toy" / "sums-id.plain.greedy" / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace("verizero", "other"), encoding="utf-8")
    with pytest.raises(UserError, match=r"sums-id\.plain\.greedy/manifest\.json is not the member that"):
        rows_of(whole.spec, results)


def test_a_payload_that_is_not_here_names_what_makes_it_again(whole: fabricated.Fabricated, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(whole.results, results)
    shutil.rmtree(results / "grades" / "tiny.plain" / "toy" / "sums-id.plain.greedy" / "payload")
    with pytest.raises(
        UserError, match=r"snakemake --force -- .*grades/tiny\.plain/toy/manifest\.json` makes it again"
    ):
        rows_of(whole.spec, results)


def test_fewer_graded_samples_than_the_protocol_asks_for_are_refused(
    whole: fabricated.Fabricated, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    shutil.copytree(whole.results, results)
    place = ("tiny.plain", "toy", "sums-id.plain.sampled")
    grades = results.joinpath("grades", *place, "manifest.json")
    rows = [row for row in read_rows(grades.parent / "payload" / "grades.jsonl.gz") if row["sample"] < 3]
    inputs = {
        "samples": results.joinpath("samples", *place, "manifest.json"),
        "benchmark": results / "datasets" / "sums-id" / "manifest.json",
    }
    job = Job("grades", "/".join(place), {"grader": "verizero"}, grades, inputs)
    write_rows(job.staging / "grades.jsonl.gz", rows)
    job.publish()
    with pytest.raises(UserError, match="3 samples of each problem are graded, its protocol asks for 4"):
        read_member(grades)


def test_two_templates_keep_their_rows_apart(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    made = fabricated.fabricate(tmp_path, patch, fabricated.spec_of(seeds=(1, 2), templates=("plain", "r1")))
    rows = rows_of(made.spec, made.results)
    assert {(row.key.template, row.key.optimizer) for row in rows} == {
        (t, o) for t in ("plain", "r1") for o in ("", "grpo", "dr-grpo")
    }
    assert _aggregate(made).returncode == 0
    names = {path.name for path in _study(made, "figures").glob("*.png")}
    assert {"overview.png", "reward.tiny.sums.plain.png", "reward.tiny.sums.r1.png"} <= names


def test_what_only_some_optimizers_measure_has_one_figure_with_a_panel_each(
    tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    made = fabricated.fabricate(tmp_path, patch, fabricated.spec_of(seeds=(1, 2)))
    assert "objective" not in {one.name for one in planned_figures(made.spec, read_curves(made.spec, made.results), [])}
    for run in made.spec.runs:
        if run.optimizer == "dr-grpo":
            rows = [json.loads(line) for line in _curves_of(made, run.id).splitlines()]
            for row in rows:
                row |= {
                    "rounds": 1 + row["step"] % 2,
                    "extra_completions": 8,
                    "groups_with_signal": 4,
                    "correction_mean": None,
                }
            rows[3] |= {"correction_mean": 0.9}
            rows[5] |= {"validation_accuracy": 0.25}  # at step 6 and at no other
            fabricated.publish_run(made, run.id, run.seed, rows)
    [one] = [
        one for one in planned_figures(made.spec, read_curves(made.spec, made.results), []) if one.name == "objective"
    ]
    assert list(one.curves) == [
        "validation_accuracy",
        "rounds",
        "extra_completions",
        "groups_with_signal",
        "correction_mean",
    ]
    by_run = {(row["optimizer"], row["seed"], row["step"]): row for row in one.rows()}
    assert by_run["dr-grpo", "1", "5"]["rounds"] == "2.000000"
    assert [by_run["dr-grpo", "1", step]["correction_mean"] for step in ("4", "5")] == ["0.900000", ""]
    assert by_run["grpo", "1", "5"]["rounds"] == ""
    assert {key[2] for key, row in by_run.items() if row["validation_accuracy"]} == {"6"}
    assert by_run["dr-grpo", "1", "6"]["rounds"] == "1.000000"
    assert len(by_run) == 4 * fabricated.STEPS
    done = _aggregate(made)
    assert (done.returncode, "constrained_layout" in done.stderr) == (0, False), done.stderr
    titles = _study(made, "figures", "objective.svg").read_text(encoding="utf-8")
    assert "Rounds of sampling a step" in titles
    assert "Reward of greedy completions" not in titles


def _curves_of(made: fabricated.Fabricated, run: str) -> str:
    return (made.results / "runs" / run / "payload" / "curves.jsonl").read_text(encoding="utf-8")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.stack: list[str] = []
        self.script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link", "input"):
            self.stack.append(tag)
        if tag == "script" and ("id", "data") in attrs:
            self.script = "data"

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script" and self.script == "data":
            self.script = data


def test_report_is_one_well_formed_page_that_fetches_nothing(whole: fabricated.Fabricated) -> None:
    text = _study(whole, "report.html").read_text(encoding="utf-8")
    page = _Links()
    page.feed(text)
    assert page.stack == []
    assert all(source.startswith(("#", "data:image/png;base64,")) for source in page.sources)
    pictures = [base64.b64decode(source.split(",")[1]) for source in page.sources if source.startswith("data:")]
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"] * 7
    assert len(text) < 5_000_000


def test_report_shows_completions_with_their_verdicts_and_cannot_be_broken_by_them(
    whole: fabricated.Fabricated,
) -> None:
    page = _Links()
    page.feed(_study(whole, "report.html").read_text(encoding="utf-8"))
    samples = json.loads(page.script)
    assert {sample["correct"] for sample in samples} == {True, False}
    assert {sample["optimizer"] for sample in samples} == {"base", "grpo", "dr-grpo"}
    assert all("</script><b>" in sample["text"] and sample["question"] and sample["gold"] for sample in samples)


def test_report_names_unpinned_sources_and_the_audit_command(whole: fabricated.Fabricated) -> None:
    text = _study(whole, "report.html").read_text(encoding="utf-8")
    assert "problems sums-ood (someone/sums)" in text
    assert "python scripts/audit.py results/studies/mini/tables/main.csv --where" in text


def test_findings_say_unresolved_exactly_where_the_interval_holds_0(whole: fabricated.Fabricated) -> None:
    lines = [
        line
        for line in _study(whole, "tables", "main.md").read_text(encoding="utf-8").splitlines()
        if re.match(r"- .* minus ", line)
    ]
    assert len(lines) == 3 * 3 * 3
    for line in lines:
        low, high = map(float, re.search(r"\[([-+0-9.]+), ([-+0-9.]+)\]", line).groups())
        assert ("unresolved" in line) == (low <= 0 <= high) or "Holm" in line


def test_numbers_of_the_change_table_are_checkpoint_minus_base(whole: fabricated.Fabricated) -> None:
    main = {
        tuple(row[name] for name in ("optimizer", "benchmark", "protocol", "metric")): float(row["estimate"])
        for row in _rows(_study(whole, "tables", "main.csv"))
    }
    for row in _rows(_study(whole, "tables", "change.csv")):
        place = (row["benchmark"], row["protocol"], row["metric"])
        assert float(row["change"]) == pytest.approx(main[row["optimizer"], *place] - main["", *place], abs=2e-6)


def test_what_audit_imports_draws_nothing() -> None:
    heavy = "{'matplotlib', 'pandas', 'torch', 'jinja2', 'scipy.stats'}"
    code = f"import sys; import verizero.evidence.cells; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        check=True,
    )
    assert done.stdout.strip() == ""


def test_aggregate_imports_no_torch_nor_pandas() -> None:
    code = "import sys; import aggregate; print(*sorted({'pandas', 'torch', 'transformers', 'scipy.stats'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        check=True,
    )
    assert done.stdout.strip() == ""
