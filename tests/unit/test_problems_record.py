"""What a problem says besides its text: the type of its answer, its tolerance and unit, its options, and where it was read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import Benchmark
from verizero.problems.golds import answer_type
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem, read_problems, write_problems
from verizero.problems.rows import problems_of

SUMS = {"kind": "sums", "problems": 1, "seed": 5, "min_terms": 3, "max_terms": 5}
ARC = {"problem": "question", "answer": "answerKey", "id": "id", "choices": "choices"}


def entry(**keys: Any) -> Benchmark:
    return Benchmark.model_validate_json(json.dumps({"source": SUMS, **keys}))


def made(row: dict[str, Any], **keys: Any) -> Problem:
    return problems_of([{"problem": "Q?", **row}], entry(**keys))[0][0]


@pytest.mark.parametrize(
    ("golds", "kind"),
    [
        (["42"], "integer"),
        (["-1,234"], "integer"),
        (["0.5", "1/2"], "expression"),
        (["0.5", "3"], "decimal"),
        ([r"3.0 \times 10^{8}"], "decimal"),
        (["1.5e-19"], "decimal"),
        (["B"], "letter"),
        (["(C)"], "letter"),
        ([r"\text{Monday}"], "words"),
        (["x"], "expression"),
        ([r"\frac{1}{2}"], "expression"),
        (["(1,2)"], "expression"),
    ],
)
def test_the_type_of_an_answer(golds: list[str], kind: str) -> None:
    assert answer_type(golds) == kind


@pytest.mark.parametrize(("gold", "tolerance"), [("0.5613", 0.01), ("56", None), (r"\frac{1}{2}", None), ("K", None)])
def test_only_rounded_decimals_have_the_declared_tolerance(gold: str, tolerance: float | None) -> None:
    assert made({"answer": gold}, tolerance=0.01).tolerance == tolerance


def test_a_row_s_own_error_is_a_share_of_its_gold() -> None:
    fields = {"error": "error", "unit": "unit"}
    problem = made({"answer": "4.2", "error": "1e-1", "unit": "%"}, fields=fields)
    assert problem.tolerance == pytest.approx(0.1 / 4.2) and problem.unit == "%"
    plain = made({"answer": "4", "error": None, "unit": None}, fields=fields)
    assert (plain.tolerance, plain.unit) == (None, None)
    with pytest.raises(UserError, match=r"row 1 .*fields\.error.*a number on both sides"):
        made({"answer": "x", "error": "1e-1", "unit": None}, fields=fields)


@pytest.mark.parametrize(("labels", "key", "letter"), [("ABC", "B", "B"), ("123", "3", "C"), ("ABCDE", "E", "E")])
def test_options_stand_behind_the_problem_and_the_gold_is_a_letter(labels: str, key: str, letter: str) -> None:
    row = {
        "id": "x-1",
        "question": "Which?",
        "answerKey": key,
        "choices": {"text": [f"thing {n}" for n in range(len(labels))], "label": list(labels)},
    }
    problem = problems_of([row], entry(fields=ARC))[0][0]
    assert problem.problem.splitlines()[:3] == ["Which?", "A. thing 0", "B. thing 1"]
    assert (problem.answers, problem.answer_type, problem.id) == ([letter], "letter", "x-1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answerKey": "F"}, r"`answerKey` \(fields\.answer\) is 'F', which is no option's label; the labels are A, B"),
        ({"choices": {"text": ["one"], "label": ["A"]}}, r"`choices` \(fields\.choices\)"),
        ({"choices": {"text": ["one", "two"], "label": ["A"]}}, r"`choices` \(fields\.choices\)"),
        ({"choices": ["one", "two"]}, r"`choices` \(fields\.choices\)"),
    ],
)
def test_options_that_cannot_be_read_are_one_sentence(change: dict[str, Any], words: str) -> None:
    row = {"id": "1", "question": "?", "answerKey": "A", "choices": {"text": ["one", "two"], "label": ["A", "B"]}}
    with pytest.raises(UserError, match=f"row 1 .*{words}"):
        problems_of([row | change], entry(fields=ARC))


def test_all_of_it_survives_writing(tmp_path: Path) -> None:
    problems = [
        Problem(id="1", problem="?", answers=["4.2"], answer_type="decimal", tolerance=0.01, unit="km"),
        Problem(id="2", problem="?", answers=["x"]),
    ]
    write_problems(tmp_path / "problems.jsonl", problems)
    assert read_problems(tmp_path / "problems.jsonl") == problems
    assert "tolerance" not in (tmp_path / "problems.jsonl").read_text().splitlines()[1]


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An entry with a file in a mirror and a copy of it on a hub, which is a folder here."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"problem": f"What is {n}?", "answer": str(n)} for n in range(4)]
    (tmp_path / "mirror").mkdir()
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "mirror/set.jsonl").write_text(text)
    (tmp_path / "hub").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "hub/test.parquet")
    keys: dict[str, Any] = {
        "source": {
            "kind": "local",
            "path": "set.jsonl",
            "format": "jsonl",
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        },
        "hub": {"kind": "hub", "repo": str(tmp_path / "hub"), "revision": "unpinned", "split": "test"},
    }
    monkeypatch.setenv("VERIZERO_DATA", str(tmp_path / "mirror"))
    sha256 = prepare(entry(source=keys["source"]), {}).counts["sha256_problems"]
    return {**keys, "sha256": sha256}


def test_without_a_mirror_the_hub_s_copy_is_read_and_proven(
    both: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = prepare(entry(**both), {})
    monkeypatch.delenv("VERIZERO_DATA")
    from_hub = prepare(entry(**both), {})
    assert from_hub.problems == mirrored.problems
    assert (mirrored.unpinned, from_hub.unpinned) == ([], [str(tmp_path / "hub")])
    other = [{"problem": f"What is {n}?", "answer": str(n + 1)} for n in range(4)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(other), tmp_path / "hub/test.parquet")
    with pytest.raises(UserError, match=r"`sha256` is .* but the problems have"):
        prepare(entry(**both), {})


@pytest.mark.parametrize("without", ["sha256", "source"])
def test_a_hub_copy_needs_a_mirror_and_a_digest_to_be_held_against(both: dict[str, Any], without: str) -> None:
    with pytest.raises(
        ValidationError, match="stands beside a source of kind `local`, in an entry that has a `sha256`"
    ):
        entry(**{key: value for key, value in both.items() if key != without})
