"""A study's lines beside the papers' numbers."""

from __future__ import annotations

from pathlib import Path

import evidence_fabricated as fabricated
import numpy as np
import pytest

from verizero.config.spec import PaperNumber, StudySpec
from verizero.config.study import PublishedLine
from verizero.evidence.cells import rows_of_groups
from verizero.evidence.comparisons import changes_from_base
from verizero.evidence.headline import headline
from verizero.evidence.published import Beside, published_rows
from verizero.evidence.reading import Group, Key, MemberGrades
from verizero.report.published_table import published_table
from verizero.report.tabulating import tabulate
from verizero.statistics.published import apart, repeated_margin, single_run_margin

PLACE = {"paper": "a", "table": "table 4", "subject": "Oat-Zero-1.5B", "variant": "Dr.GRPO", "model": "tiny"}
BASE = PublishedLine(**PLACE)
TRAINED = PublishedLine(**PLACE, optimizer="dr-grpo")


def _graded(
    optimizer, right, protocol="a-greedy-3k", k=1, problems=500, step=60, template="plain", benchmark="sums-id", seeds=(1, 2)
):  # fmt: skip
    """One group with so many right of so many problems."""
    correct = np.zeros((problems, k), dtype=bool)
    correct[:right] = True
    grades = MemberGrades(
        Path("x"), tuple(f"{i:03}" for i in range(problems)), correct, np.ones((problems, k)), ~correct, correct, {}
    )
    by_seed = dict.fromkeys(seeds if optimizer else (None,), grades)
    train_set = "sums" if optimizer else ""
    key = Key("tiny", train_set, template, optimizer, step if optimizer else 0, benchmark, protocol)
    return Group(key, "toy", f"{benchmark}.{template}.{protocol}", dict.fromkeys(by_seed, Path("x"))), by_seed


def _number(value, protocol="a-greedy-3k", metric="avg@1", kind="published", **more):
    values = {"line": 0, "benchmark": "sums-id", "source": "arXiv 2503.20783, Table 4", **more}
    return PaperNumber(value=value, protocol=protocol, metric=metric, kind=kind, **values)


def _spec(lines, numbers) -> StudySpec:
    spec = fabricated.spec_of()
    study = spec.study.model_copy(update={"published": lines})
    return spec.model_copy(update={"study": study, "published": numbers})


def _found(graded, lines, numbers) -> list[Beside]:
    spec, rows = _spec(lines, numbers), rows_of_groups(graded, 0.95)
    shown = headline(spec, graded, rows, changes_from_base(graded, 0.95))
    return published_rows(spec, graded, rows, shown)


def _row(graded, lines, numbers) -> dict[str, str]:
    [row] = published_table(_found(graded, lines, numbers), 0.95).rows
    return row


def test_the_difference_is_ours_minus_theirs_with_both_errors() -> None:
    graded = [_graded("", 200), _graded("dr-grpo", 370)]
    [found] = _found(graded, [TRAINED], [_number(60.0)])
    ours = found.row.estimate
    assert (found.row.key.optimizer, ours.estimate) == ("dr-grpo", 0.74)
    assert found.from_published == apart(ours.estimate, ours.low, ours.high, 0.6, single_run_margin(0.6, 500, 0.95))
    row = published_table([found], 0.95).rows[0]
    assert (row["published"], row["difference"], row["verdict"]) == ("0.600000", "0.140000", "differs")
    assert (row["published_protocol"], row["note"]) == ("a-greedy-3k", "")


def test_a_small_benchmark_cannot_tell_and_a_large_one_agrees() -> None:
    assert _row([_graded("", 6, problems=30)], [BASE], [_number(20.0)])["verdict"] == "can't tell"
    assert _row([_graded("", 960, problems=4800)], [BASE], [_number(20.0)])["verdict"] == "agrees"


def test_a_re_measured_number_has_the_error_of_its_seeds() -> None:
    again = _number(41.0, "lighteval", kind="re-measured", spread=1.7, seeds=3, source="arXiv 2504.07086, Table 3")
    [found] = _found([_graded("", 200)], [BASE], [_number(60.0), again])
    ours = found.row.estimate
    margin = repeated_margin(0.017, 3, 0.95)
    assert found.from_re_measured == apart(ours.estimate, ours.low, ours.high, 0.41, margin)
    row = published_table([found], 0.95).rows[0]
    assert (row["verdict"], row["re_measured_verdict"]) == ("differs", "can't tell")
    assert (row["re_measured"], row["re_measured_spread"]) == ("0.410000", "0.017000")
    assert row["source"].endswith("Table 4; re-measured: arXiv 2504.07086, Table 3 (lighteval)")


def test_where_the_paper_has_none_the_re_measured_number_stands_alone() -> None:
    row = _row([_graded("", 200)], [BASE], [_number(41.0, "lighteval", kind="re-measured", spread=1.7, seeds=3)])
    assert (row["published"], row["difference"], row["verdict"]) == ("", "", "")
    assert (row["re_measured_difference"], row["re_measured_verdict"]) == ("-0.010000", "can't tell")
    assert row["note"] == "other protocol"


def test_ours_under_the_published_protocol_is_taken_and_another_one_is_noted() -> None:
    greedy, sampled = _graded("", 200), _graded("", 300, "sampled", k=8)
    assert _row([greedy, sampled], [BASE], [_number(60.0)])["protocol"] == "a-greedy-3k"
    other = _row([sampled], [BASE], [_number(60.0, note="printed 0.6")])
    assert (other["protocol"], other["note"]) == ("sampled", "other protocol; printed 0.6")


def test_of_two_published_accuracies_the_one_of_our_samples_is_taken() -> None:
    numbers = [_number(40.0, "c-t1-16k"), _number(24.0, "c-t1-16k", "avg@32")]
    few = _row([_graded("", 200, "c-t1-16k")], [BASE], numbers)
    many = _row([_graded("", 200, "c-t1-16k", k=32)], [BASE], numbers)
    assert (few["published_metric"], many["published_metric"]) == ("avg@1", "avg@32")


def test_a_line_is_its_last_checkpoint_under_its_template() -> None:
    graded = [
        _graded("dr-grpo", 100, step=30),
        _graded("dr-grpo", 370, template="plain/r1"),
        _graded("grpo", 250),
        _graded("", 200),
    ]
    row = _row(graded, [TRAINED], [_number(74.2)])
    assert (row["optimizer"], row["checkpoint"], row["template"], row["seeds"]) == ("dr-grpo", "60", "plain/r1", "1,2")


def test_rows_come_in_the_order_of_the_study_s_file() -> None:
    graded = [_graded(name, 200, benchmark=b) for b in ("sums-id", "sums-ood") for name in ("", "dr-grpo")]
    numbers = [
        _number(30.0, line=0, benchmark="sums-ood"),
        _number(30.0, line=0),
        _number(20.0, line=1),
    ]
    found = _found(graded, [TRAINED, BASE], numbers)
    assert [(one.row.key.optimizer, one.row.key.benchmark) for one in found] == [
        ("dr-grpo", "sums-ood"),
        ("dr-grpo", "sums-id"),
        ("", "sums-id"),
    ]


def test_a_line_without_grades_shows_as_missing() -> None:
    group, _ = _graded("dr-grpo", 1)
    without = Group(group.key, group.suite, group.member, {}, (1, 2)), {}
    row = _row([_graded("", 200), without], [TRAINED], [_number(74.2)])
    assert (row["estimate"], row["seeds"], row["difference"], row["verdict"]) == (
        "",
        "(missing: 1,2)",
        "",
        "can't tell",
    )


def test_the_study_has_the_table_where_it_names_lines_and_only_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fabricated.fabricate(tmp_path, monkeypatch)
    assert "tables/published.csv" not in tabulate(made.spec, made.results).table_texts()
    texts = tabulate(_spec([TRAINED], [_number(74.2)]), made.results).table_texts()
    assert texts["tables/published.csv"].splitlines()[1].startswith("tiny,sums,plain,dr-grpo,60,sums-id,")
    assert "other protocol" in texts["tables/published.md"] and r"can't tell" in texts["tables/published.tex"]
