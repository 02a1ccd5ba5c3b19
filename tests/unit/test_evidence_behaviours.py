"""What is measured on responses beyond right or wrong, and the table of it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import evidence_fabricated as fabricated
import numpy as np
import pytest

from verizero.evidence.behaviours import METRICS, behaviour_estimate
from verizero.evidence.code_use import uses_code
from verizero.evidence.languages import mixes_languages, script_shares
from verizero.evidence.reading import MemberGrades
from verizero.evidence.reflection import KEYWORDS, keyword_count
from verizero.evidence.repetition import duplicated_share, repetitive, tail_ratio
from verizero.evidence.responses import MemberResponses
from verizero.tracking.table_text import first_difference, told

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_the_lists_have_as_many_keywords_as_the_papers() -> None:
    assert {name: len(set(words)) for name, words in KEYWORDS.items()} == {
        "reflection_a": 15,
        "reflection_b": 3,
        "reflection_c": 7,
    }


@pytest.mark.parametrize(
    ("text", "name", "count"),
    [
        ("Let me RECHECK, then re-check. Double-check it.", "reflection_a", 2),
        ("a reevaluation", "reflection_a", 1),
        ("Wait. However, wait: try again", "reflection_c", 4),
        ("I recalculate and rethink", "reflection_b", 2),
        ("The answer is 5.", "reflection_c", 0),
    ],
)
def test_a_keyword_counts_in_any_case_and_a_place_once(text: str, name: str, count: int) -> None:
    assert keyword_count(text, KEYWORDS[name]) == count


def test_letters_of_formulas_and_code_are_of_no_language() -> None:
    assert script_shares(r"答案是 $x + \alpha = abc$") == {"CJK": 1.0}
    assert script_shares("```python\nprint(x)\n```") == {}
    assert script_shares("") == {}
    assert script_shares("ab Жц") == {"LATIN": 0.5, "CYRILLIC": 0.5}


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("So the area is $5$ 平方厘米 altogether", True),
        ("所以答案是五", False),
        ("Let α be the angle and β the other", False),
        (
            "A sentence of more than a hundred letters, in which one stray 字 should not yet count as another language at all here",
            False,
        ),
    ],
)
def test_a_second_script_above_five_percent_is_a_mixture(text: str, mixed: bool) -> None:
    assert mixes_languages(text) is mixed


def test_a_loop_is_repetitive_and_a_solution_is_not() -> None:
    loop = "We add two and two and get four. " * 40
    solution = " ".join(f"Step {i}: add {i * 7} to {i * 13} which gives {i * 20}." for i in range(20))
    assert repetitive(loop) and duplicated_share(loop) > 0.9 and tail_ratio(loop) < 0.05
    assert not repetitive(solution)
    assert tail_ratio("short" * 20) == 1.0 and duplicated_share("two words") == 0.0
    assert repetitive("的是" * 600)  # no spaces: found by the second measure


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\nx = 1\n```", True),
        ("import math\nprint(math.sqrt(2))", True),
        ("def f(x):\n    return x + 1", True),
        ("for each of them: 3 apples\nx = 3", False),
        ("We print(x) the result and return home.", False),
        ("If x = 3:\nthen y = 4.", False),
        ("$$x = \\frac{1}{2}$$", False),
    ],
)
def test_code_is_a_fence_or_two_lines_of_python(text: str, code: bool) -> None:
    assert uses_code(text) is code


def _member(counts: list[list[int]], tokens: list[list[int]], correct: list[list[int]]) -> MemberResponses:
    right = np.array(correct, dtype=bool)
    grades = MemberGrades(
        Path("x"), tuple("abc"[: len(right)]), right, np.array(tokens, dtype=np.float64), ~right, right, {}
    )
    return MemberResponses(
        grades, {"reflection_a": np.array(counts, dtype=np.float64), "code": right.astype(np.float64)}
    )


def test_keywords_per_thousand_tokens_are_a_ratio_of_sums() -> None:
    member = _member([[2, 0], [1, 0]], [[100, 300], [400, 200]], [[1, 0], [1, 0]])
    assert behaviour_estimate({None: member}, "reflection_a_per_1k", 0.95).estimate == pytest.approx(1000 * 3 / 1000)
    among = behaviour_estimate({None: member}, "reflection_a_per_1k_correct", 0.95)
    assert (among.estimate, among.n_samples) == (pytest.approx(1000 * 3 / 500), 2)
    assert behaviour_estimate({None: member}, "reflection_a", 0.95).estimate == 0.5
    assert behaviour_estimate({None: member}, "reflection_a_correct", 0.95).estimate == 1.0
    assert behaviour_estimate({None: member}, "reflection_a_incorrect", 0.95).estimate == 0.0


def test_the_stopped_length_leaves_truncated_responses_out() -> None:
    member = _member([[0, 0], [0, 0]], [[100, 999], [300, 999]], [[1, 0], [1, 0]])
    found = behaviour_estimate({None: member}, "length_stopped", 0.95)
    assert (found.estimate, found.n_samples) == (pytest.approx(200), 2)
    assert behaviour_estimate({None: member}, "clip_ratio", 0.95).estimate == 0.5


def test_a_share_of_all_or_none_has_an_interval_all_the_same() -> None:
    member = _member([[0, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 0], [1, 0]])
    for metric in ("reflection_a", "reflection_a_correct"):
        found = behaviour_estimate({None: member}, metric, 0.95)
        assert (found.low, found.method) == (0.0, "wilson") and found.high is not None and found.high > 0.5


def test_a_group_with_a_seed_whose_texts_are_away_has_no_estimate_of_texts() -> None:
    member = _member([[2, 0]], [[100, 300]], [[1, 0]])
    away = MemberResponses(member.grades, {})
    assert behaviour_estimate({1: member, 2: away}, "reflection_a", 0.95).estimate is None
    assert behaviour_estimate({1: member, 2: away}, "clip_ratio", 0.95).estimate == 0.5


def _aggregate(made: fabricated.Fabricated) -> Path:
    out = made.results / "studies" / "mini" / "manifest.json"
    command = [sys.executable, SCRIPTS / "aggregate.py", "--spec", made.text, "--results", made.results, "--out", out]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    return out.parent


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> fabricated.Fabricated:
    spec = fabricated.spec_of(seeds=(1, 2), optimizers=("grpo",), behaviours=True)
    with pytest.MonkeyPatch.context() as patch:
        return fabricated.fabricate(tmp_path_factory.mktemp("asked"), patch, spec)


def _rows(study: Path) -> list[dict[str, str]]:
    with (study / "tables" / "behaviours.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_study_that_asks_gets_a_row_for_each_group_and_metric_and_figures(asked: fabricated.Fabricated) -> None:
    study = _aggregate(asked)
    rows = _rows(study)
    assert len(rows) == 2 * len(fabricated.MEMBERS) * len(METRICS)
    assert {row["checkpoint"] for row in rows} == {"0", "60"}
    answer = [row for row in rows if row["metric"] == "answer_rate"]
    assert {row["estimate"] for row in answer} == {"1.000000"} and all(row["ci_low"] for row in answer)
    assert (study / "figures" / "probe_pass_at_k.png").is_file() and (study / "figures" / "probe_rates.csv").is_file()
    assert "What responses are like" in (study / "report.html").read_text(encoding="utf-8")


def test_without_the_texts_what_follows_from_grades_is_there_and_the_rest_is_said_to_be_missing(
    asked: fabricated.Fabricated, tmp_path: Path
) -> None:
    moved = fabricated.Fabricated(tmp_path / "results", asked.spec)
    shutil.copytree(asked.results, moved.results, ignore=shutil.ignore_patterns("samples", "studies"))
    study = _aggregate(moved)
    estimates = {row["metric"]: row["estimate"] for row in _rows(study)}
    assert (
        estimates["answer_rate"] == estimates["code"] == "" and estimates["clip_ratio"] and estimates["length_stopped"]
    )
    assert "its samples are not on this machine" in (study / "record.json").read_text(encoding="utf-8")


def test_without_the_problems_only_the_answer_rate_is_missing(asked: fabricated.Fabricated, tmp_path: Path) -> None:
    moved = fabricated.Fabricated(tmp_path / "results", asked.spec)
    shutil.copytree(asked.results, moved.results, ignore=shutil.ignore_patterns("problems.jsonl", "studies"))
    missing = {row["metric"] for row in _rows(_aggregate(moved)) if not row["estimate"]}
    assert missing == {"answer_rate"} | {row["metric"] for row in _rows(_aggregate(asked)) if not row["estimate"]}


def test_rows_that_cannot_be_computed_again_are_left_out_of_an_audit_and_no_others() -> None:
    head = "benchmark,metric,estimate,ci_low,n_problems,seeds\n"
    published = f'{head}b,answer_rate,0.5,0.4,3,"1,2"\nb,clip_ratio,0.1,0.0,3,"1,2"\n'
    again = f'{head}b,answer_rate,,,0,\nb,clip_ratio,0.2,0.0,3,"1,2"\n'
    assert told(published, again) == f'{head}b,clip_ratio,0.1,0.0,3,"1,2"\n'
    difference = first_difference("behaviours.csv", told(published, again), told(again, again))
    assert difference and "estimate is 0.1, but its grades and curves give 0.2" in difference
