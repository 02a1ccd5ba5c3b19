"""Flagged benchmark problems in a study's tables and report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import evidence_fabricated as fabricated
import numpy as np
import pytest

from verizero.config.contamination import Contamination
from verizero.config.spec import StudySpec
from verizero.evidence.cells import COLUMNS
from verizero.evidence.reading import missing_inputs, read_member
from verizero.report.contamination_section import MAX_PAIRS, contamination_data
from verizero.report.contamination_tables import WITHOUT_COLUMNS
from verizero.report.page import report_html
from verizero.report.table import Table
from verizero.report.tabulating import Tabulation, tabulate

EXACT, NEAR = range(6), range(6, 9)
ALIKE = [("sums-id", i, "exact") for i in EXACT] + [("sums-id", i, "near-duplicate") for i in NEAR]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> fabricated.Fabricated:
    with pytest.MonkeyPatch.context() as patch:
        found = fabricated.fabricate(tmp_path_factory.mktemp("flagged"), patch)
        fabricated.publish_overlap(found, "sums", ALIKE)
    return found


def flagging(spec: StudySpec, flag: str) -> StudySpec:
    contamination = Contamination.model_validate({"flag": flag})
    return spec.model_copy(update={"study": spec.study.model_copy(update={"contamination": contamination})})


def table(found: Tabulation, name: str) -> Table | None:
    return next((one for one in found.tables if one.name == name), None)


def page(made: fabricated.Fabricated, found: Tabulation) -> str:
    section = contamination_data(found.overlaps)
    return report_html(
        made.spec,
        found.headline,
        found.answer,
        found.findings,
        found.tables,
        [],
        found.ledger,
        [],
        [],
        [],
        contamination=section,
    )


def test_a_problem_counts_under_its_first_kind(made: fabricated.Fabricated) -> None:
    rows = table(tabulate(made.spec, made.results), "contamination").rows
    assert [(row["benchmark"], row["n_problems"], row["n_exact"], row["n_near_duplicate"]) for row in rows] == [
        ("sums-id", "24", "6", "3"),
        ("sums-ood", "24", "0", "0"),
    ]
    assert [(row["n_flagged"], row["share"]) for row in rows] == [("9", "0.375000"), ("0", "0.000000")]


def test_accuracy_without_flagged_problems_is_that_of_the_others(made: fabricated.Fabricated) -> None:
    found = tabulate(made.spec, made.results)
    rows = table(found, "without_flagged").rows
    assert WITHOUT_COLUMNS[: len(COLUMNS)] == COLUMNS
    assert {row["benchmark"] for row in rows} == {"sums-id"}
    assert {row["metric"] for row in rows} == {"avg@1", "avg@4", "pass@2", "pass@4"}
    [row] = [row for row in rows if (row["optimizer"], row["metric"]) == ("grpo", "avg@4")]
    left = [
        read_member(made.grades(f"tiny.sums.plain.grpo.s{seed}@60", "sums-id.plain.sampled")).correct[9:].mean()
        for seed in (1, 2, 3)
    ]
    assert float(row["estimate"]) == pytest.approx(np.mean(left), abs=1e-6)
    assert (row["n_problems"], row["n_flagged"], row["seeds"]) == ("15", "9", "1,2,3")


def test_the_row_of_all_problems_is_the_main_table_s(made: fabricated.Fabricated) -> None:
    found = tabulate(made.spec, made.results)
    main = {tuple(row[name] for name in COLUMNS[:8]): row["estimate"] for row in table(found, "main").rows}
    rows = table(found, "without_flagged").rows
    assert all(main[tuple(row[name] for name in COLUMNS[:8])] == row["all_problems"] for row in rows)
    assert {row["optimizer"] for row in rows} == {"", "grpo", "dr-grpo"}, "the base model is on the same problems"


def test_a_study_says_up_to_which_kind_it_flags(made: fabricated.Fabricated) -> None:
    exact = tabulate(flagging(made.spec, "exact"), made.results)
    assert {row["n_problems"] for row in table(exact, "without_flagged").rows} == {"18"}
    assert "6 of the 24 problems of sums-id are flagged against sums" in exact.findings[-1]
    none = tabulate(flagging(made.spec, "none"), made.results)
    assert table(none, "without_flagged") is None and table(none, "contamination") is not None


def test_nothing_flagged_is_one_sentence(made: fabricated.Fabricated, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(made.results, results)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["no-program"])
        fabricated.publish_overlap(fabricated.Fabricated(results, made.spec), "sums")
    found = tabulate(made.spec, results)
    assert found.findings[-1] == "Contamination: no benchmark problem is flagged in sums."
    assert table(found, "without_flagged") is None
    assert "<p>No benchmark problem is flagged in sums." in page(made, found)


def test_a_benchmark_that_is_flagged_whole_has_no_estimate_left(
    made: fabricated.Fabricated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    shutil.copytree(made.results, results)
    monkeypatch.setattr("sys.argv", ["no-program"])
    alike = [("sums-ood", i, "exact") for i in range(fabricated.PROBLEMS)]
    fabricated.publish_overlap(fabricated.Fabricated(results, made.spec), "sums", alike)
    rows = table(tabulate(made.spec, results), "without_flagged").rows
    assert {(row["estimate"], row["n_problems"], row["n_samples"]) for row in rows} == {("", "0", "0")}


def test_a_study_of_a_version_without_overlaps_is_tabulated_as_before(
    made: fabricated.Fabricated, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(made.results, results, ignore=shutil.ignore_patterns("overlaps"))
    found = tabulate(made.spec, results)
    assert [one.name for one in found.tables] == ["main", "paired", "change", "seeds", "statuses"]
    assert "Contamination" not in page(made, found)
    assert missing_inputs(made.spec, results) == [results / "overlaps" / "mini" / "sums" / "manifest.json"]


def test_the_report_lists_pairs_side_by_side_the_weakest_kind_first(made: fabricated.Fabricated) -> None:
    text = page(made, tabulate(made.spec, made.results))
    assert [*dict.fromkeys(re.findall(r'<span class="tag">([a-z-]+)</span>', text))][:2] == ["near-duplicate", "exact"]
    assert "9 of 9 pairs" in text
    assert "&lt;b&gt;A3B2=&lt;/b&gt;" in text and "<b>A3B2=</b>" not in text


def test_the_report_stops_at_fifty_pairs_and_says_where_texts_are_missing(
    made: fabricated.Fabricated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    shutil.copytree(made.results, results)
    monkeypatch.setattr("sys.argv", ["no-program"])
    alike = [("sums-id", i % 24, "exact") for i in range(70)]
    fabricated.publish_overlap(fabricated.Fabricated(results, made.spec), "sums", alike)
    (results / "overlaps" / "mini" / "sums" / "payload" / "texts.jsonl").unlink()
    section = contamination_data(tabulate(made.spec, results).overlaps)
    assert (len(section["pairs"]), section["of"]) == (MAX_PAIRS, 70)
    assert section["absent"] == ["The texts of the pairs of sums are not on this machine."]
