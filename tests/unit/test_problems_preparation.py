"""From a source to a set: fields, golds, filters, exclusion, selection, identity."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.artifacts.errors import UserError
from verizero.config.optimizers import Template
from verizero.config.problem_sets import Benchmark, Fields, Filter, Local, Selection
from verizero.config.sources import Hub
from verizero.problems.golds import NoGold, golds
from verizero.problems.hub import check_files, read_hub
from verizero.problems.local import read_local
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem, read_problems, sha256_problems, write_problems
from verizero.problems.rows import problems_of
from verizero.problems.selection import filtered, selected, without
from verizero.problems.templates import render
from verizero.problems.text import last_box, normalised

SUMS = {"kind": "sums", "problems": 40, "seed": 5, "min_terms": 3, "max_terms": 5}


def problem(text: str, answer: str = "1") -> Problem:
    return Problem(id=text, problem=text, answers=[answer])


def benchmark(**keys: object) -> Benchmark:
    return Benchmark.model_validate_json(json.dumps({"source": SUMS, **keys}))


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VERIZERO_DATA", str(tmp_path))
    return tmp_path


def local(path: Path, format: str = "jsonl") -> Local:
    return Local(kind="local", path=path.name, format=format, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("value", "answer_from", "expected"),
    [
        ("42", "field", ["42"]),
        (" 42\n", "field", ["42"]),
        (27.0, "field", ["27"]),
        (0.5, "field", ["0.5"]),
        (-3.0, "field", ["-3"]),
        (204, "field", ["204"]),
        ("025", "field", ["25"]),
        ("000", "field", ["0"]),
        ("0.25", "field", ["0.25"]),
        (["9.6\n", "9.7", "9.6"], "field", ["9.6", "9.7"]),
        ("so\n#### 2,125", "after-hashes", ["2125"]),
        ("#### 1 #### -7", "after-hashes", ["-7"]),
        (r"first \boxed{1}, then \boxed{\frac{1}{2}}.", "last-box", [r"\frac{1}{2}"]),
    ],
)
def test_golds_are_read_as_texts(value: object, answer_from: str, expected: list[str]) -> None:
    assert golds(value, answer_from) == expected


@pytest.mark.parametrize(
    ("value", "answer_from"),
    [
        ("", "field"),
        (None, "field"),
        (True, "field"),
        ([], "field"),
        (float("nan"), "field"),
        ("no hashes", "after-hashes"),
        ("no box", "last-box"),
    ],
)
def test_a_row_without_a_gold_is_refused(value: object, answer_from: str) -> None:
    with pytest.raises(NoGold):
        golds(value, answer_from)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed{5}", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed {5}", "5"),
        (r"\\boxed{5}", "5"),
        (r"x \\ \boxed{5}", "5"),
        (r"\boxed{1} then \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{1\right.}", r"\left\{1\right."),
        (r"\boxed{x=\boxed{5}}", r"x=\boxed{5}"),
        (r"\boxed{12, \boxed{13}", "13"),
        (r"} \boxed{5} }", "5"),
        (r"\boxed{5", None),
        (r"\boxed{1} and \boxed{2", None),
        (r"\boxed{5\}", None),
        (r"\boxed{}", ""),
    ],
)
def test_last_box(text: str, content: str | None) -> None:
    box = last_box(text)
    assert box is not None and box.content == content


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so $\boxed5$.", "5"),
        (r"\[\boxed 1,234.5\]", " 1,234.5"),
        (r"the answer is \boxed -17.", " -17"),
        ("\\boxed 57\nDone", " 57"),
        (r"\fbox C", " C"),
        (r"\boxed{1} then \boxed 2", " 2"),
    ],
)
def test_a_number_without_braces_is_boxed_where_nothing_stands_behind_it(text: str, content: str) -> None:
    box = last_box(text)
    assert box is not None and box.content == content
    assert text[box.begin : box.end].endswith(content)


@pytest.mark.parametrize(
    "text", ["", "17", r"\boxed 5x", r"\boxed 17 apples", r"\boxedA", r"\boxedanswer{5}", "boxed{5}"]
)
def test_no_box(text: str) -> None:
    assert last_box(text) is None


@given(st.text(alphabet="ab{}\\ 1", max_size=30))
@settings(deadline=None)
def test_a_box_at_the_end_is_found_behind_any_text_that_closes_its_boxes(before: str) -> None:
    box = last_box(before + " " + r"\boxed{7}")
    assert box is not None and box.content == "7"


def test_normalised_text_ignores_spacing_and_form_but_no_sign() -> None:
    assert normalised("Find  $ x\\,+ 1$.\n") == normalised("find $x+1$.")
    assert normalised(r"$\left( a \right)$") == normalised("$(a)$")
    assert normalised("ﬁnd ½") == normalised("find 1⁄2")
    assert normalised("$x+1$") != normalised("$x-1$")
    assert normalised(r"\leftarrow") != normalised("arrow")


def test_dotted_names_reach_into_records_and_lists() -> None:
    row = {
        "prompt": [{"content": "Q?"}],
        "reward_model": {"ground_truth": "3"},
        "extra_info": {"index": 7},
        "a.b": "literal",
    }
    entry = benchmark(
        fields={"problem": "prompt.0.content", "answer": "reward_model.ground_truth", "id": "extra_info.index"}
    )
    assert problems_of([row], entry)[0] == [Problem(id="7", problem="Q?", answers=["3"], answer_type="integer")]
    assert (
        problems_of([row], benchmark(fields={"problem": "a.b", "answer": "reward_model.ground_truth"}))[0][0].problem
        == "literal"
    )


def test_ids_come_from_the_text_and_a_repeated_text_is_numbered() -> None:
    rows = [{"problem": text, "answer": "1"} for text in ("A?", "B?", "A ?", "A?")]
    ids = [problem.id for problem in problems_of(rows, benchmark())[0]]
    assert ids[2:] == [f"{ids[0]}-2", f"{ids[0]}-3"] and len(set(ids)) == 4
    assert [problem.id for problem in problems_of(rows[1:2], benchmark())[0]] == [ids[1]]


@pytest.mark.parametrize(
    ("rows", "fields", "words"),
    [
        ([{"question": "Q", "answer": "1"}], {}, "row 1.*no `problem`.*answer, question"),
        (
            [{"problem": "Q", "answer": ""}, {"problem": "R", "answer": None}],
            {},
            "no row has an answer: row 1.*fields.answer.*empty",
        ),
        ([{"problem": 3, "answer": "1"}], {}, "row 1.*type int.*must be a text"),
        (
            [{"problem": "Q", "answer": "1", "n": 1}, {"problem": "R", "answer": "1", "n": 1}],
            {"id": "n"},
            "row 2.*the id 1.*twice",
        ),
        ([], {}, "no rows"),
    ],
)
def test_a_bad_row_is_one_sentence(rows: list, fields: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        problems_of(rows, benchmark(fields=fields))


def test_rows_without_an_answer_are_left_out_and_counted() -> None:
    rows = [{"problem": "Q", "answer": "1"}, {"problem": "R", "answer": ""}, {"problem": "S", "answer": "2"}]
    problems, without_answer = problems_of(rows, benchmark())
    assert ([problem.problem for problem in problems], without_answer) == (["Q", "S"], 1)


ROWS = [{"problem": "1+1?", "answer": "2"}, {"problem": "2+2?", "answer": "4"}]


@pytest.mark.parametrize("format", ["jsonl", "json", "parquet", "arrow-stream"])
def test_every_local_format_gives_the_same_rows(mirror: Path, format: str) -> None:
    path = mirror / "rows"
    table = pyarrow.Table.from_pylist(ROWS)
    if format == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif format == "json":
        path.write_text(json.dumps(ROWS))
    elif format == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    assert read_local(local(path, format)).values == ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_row(mirror: Path) -> None:
    path = mirror / "rows.jsonl"
    path.write_text("\ufeff" + "".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    assert read_local(local(path)).values == ROWS


def test_a_broken_row_is_named_by_its_line(mirror: Path) -> None:
    path = mirror / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]) + '\n\n{"problem": "2+2?", answer: 4}\n')
    with pytest.raises(
        UserError, match=r"rows.jsonl: cannot be read as jsonl: line 3, column 21: Expecting property name"
    ):
        read_local(local(path))
    path.write_text(json.dumps(ROWS[0]) + '\n\n{"problem": "2+2?"}\n')
    source = json.loads(local(path).model_dump_json())
    with pytest.raises(UserError, match=r"line 3 of rows.jsonl: there is no `answer`"):
        prepare(benchmark(source=source), {})
    path.write_text(json.dumps(ROWS[0]) + "\n[1]\n")
    with pytest.raises(UserError, match=r"rows.jsonl, line 2: '\[1\]' is no record"):
        read_local(local(path))


def test_an_instruction_behind_every_problem_is_taken_off() -> None:
    entry = benchmark(fields={"problem_suffix": " Think."})
    assert problems_of([{"problem": "1+1? Think.", "answer": "2"}], entry)[0][0].problem == "1+1?"
    with pytest.raises(UserError, match=r"the problem ends in '1\+1\?', not in fields.problem_suffix"):
        problems_of([{"problem": "1+1?", "answer": "2"}], entry)


def test_gsm8k_s_solutions_lose_their_marks_and_end_in_a_box() -> None:
    solution = "He sold 48/2 = <<48/2=24>>24 clips.\n48+24 = <<48+24=72>>72 in all.\n#### 72"
    keys = {
        "fields": {"answer": "solution", "solution": "solution"},
        "answer_from": "after-hashes",
        "solutions": "boxed",
    }
    found = problems_of([{"problem": "How many?", "solution": solution}], benchmark(**keys))[0][0]
    assert found.solution == "He sold 48/2 = 24 clips.\n48+24 = 72 in all.\nThe answer is $\\boxed{72}$."
    assert found.answers == ["72"]
    keys |= {"fields": {"solution": "solution"}, "answer_from": "field"}
    with pytest.raises(UserError, match="the solution has no `####`"):
        problems_of([{"problem": "How many?", "solution": "72", "answer": "72"}], benchmark(**keys))


@pytest.mark.parametrize(("said", "level"), [("Level 3", 3), (5, 5), ("Level ?", None), (None, None)])
def test_a_level_is_the_number_in_its_text(said: object, level: int | None) -> None:
    row = {"problem": "1+1?", "answer": "2", "level": said, "type": "Algebra"}
    found = problems_of([row], benchmark(fields={"level": "level", "subject": "type"}))[0][0]
    assert (found.level, found.subject) == (level, "Algebra")


def test_a_missing_mirror_file_or_hash_is_one_sentence(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mirror / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]))
    source = local(path)
    path.write_text(json.dumps(ROWS[1]))
    with pytest.raises(UserError, match=r"SHA-256 is [0-9a-f]{64}, `source.sha256` says"):
        read_local(source)
    with pytest.raises(UserError, match="cannot be read as parquet"):
        read_local(local(path, "parquet"))
    path.write_text("[1]\n")
    with pytest.raises(UserError, match="no record"):
        read_local(local(path))
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        read_local(source)
    monkeypatch.setenv("VERIZERO_DATA", str(mirror / "absent"))
    with pytest.raises(UserError, match="no folder"):
        read_local(source)
    monkeypatch.delenv("VERIZERO_DATA")
    with pytest.raises(UserError, match="VERIZERO_DATA is not set"):
        read_local(source)


def test_filters_count_each_condition() -> None:
    problems = [problem("a", "1"), problem("A ", "1"), problem("b", r"\pi"), problem("c" * 50, "2.5")]
    steps = filtered(problems, Filter(distinct=True, numeric_answer=True, max_problem_characters=10))
    assert [(name, len(left)) for name, left in steps] == [
        ("distinct", 3),
        ("numeric_answer", 2),
        ("max_problem_characters", 1),
    ]


def test_exclusion_finds_other_spellings_and_counts_each_benchmark() -> None:
    left, found = without(
        [problem("What is $x$?"), problem("Other")], {"one": [problem("what is $ x $ ?")], "two": [problem("nothing")]}
    )
    assert [kept.problem for kept in left] == ["Other"] and found == {"one": 1, "two": 0}


texts = st.lists(st.text(alphabet="abcdef123", min_size=1, max_size=6), unique=True, min_size=1, max_size=40)


@given(texts, st.floats(0, 1), st.integers(0, 9))
@settings(deadline=None)
def test_shares_are_disjoint_complete_and_blind_to_what_else_is_there(names: list[str], cut: float, seed: int) -> None:
    problems = [problem(name) for name in names]
    low = selected(problems, Selection(rule="share", seed=seed, low=0.0, high=cut))
    high = selected(problems, Selection(rule="share", seed=seed, low=cut, high=1.0))
    assert sorted([*low, *high], key=lambda p: p.id) == sorted(problems, key=lambda p: p.id)
    half = problems[::2]
    assert selected(half, Selection(rule="share", seed=seed, low=0.0, high=cut)) == [
        kept for kept in low if kept in half
    ]


@given(texts, st.integers(0, 9), st.data())
@settings(deadline=None)
def test_random_keeps_the_order_and_grows_with_n(names: list[str], seed: int, data: st.DataObject) -> None:
    problems = [problem(name) for name in names]
    n = data.draw(st.integers(1, len(problems)))
    chosen = selected(problems, Selection(rule="random", n=n, seed=seed))
    assert len(chosen) == n and chosen == [kept for kept in problems if kept in chosen]
    more = selected(problems, Selection(rule="random", n=min(n + 1, len(problems)), seed=seed))
    assert set(map(repr, chosen)) <= set(map(repr, more))


def test_random_selection_is_a_published_order() -> None:
    chosen = selected([problem(name) for name in "abcdefgh"], Selection(rule="random", n=3, seed=7))
    order = sorted("abcdefgh", key=lambda name: hashlib.sha256(f"7\x1f{name}".encode()).hexdigest())
    assert {kept.id for kept in chosen} == set(order[:3])


def test_more_than_there_are_cannot_be_selected() -> None:
    with pytest.raises(UserError, match="only 1 problems are left"):
        selected([problem("a")], Selection(rule="random", n=2))


def test_counts_tell_each_step_and_the_digest_proves_the_set() -> None:
    whole = prepare(benchmark(), {})
    entry = benchmark(filters=[{"distinct": True}], exclude=["held-out"], select={"rule": "random", "n": 10}, n=10)
    made = prepare(entry, {"held-out": whole.problems[:3]})
    assert made.counts | {"sha256_problems": ""} == {
        "source": 40,
        "after_filter_1_distinct": 40,
        "excluded_held-out": 3,
        "after_exclusion": 37,
        "problems": 10,
        "sha256_problems": "",
    }
    assert prepare(benchmark(sha256=whole.counts["sha256_problems"]), {}).problems == whole.problems


@pytest.mark.parametrize(
    ("keys", "excluded", "words"),
    [
        ({"n": 41}, {}, "`n` is 41, but the set has 40"),
        ({"sha256": "0" * 64}, {}, "the problems have [0-9a-f]{64}"),
        ({"exclude": ["a"]}, {}, "a is missing; the spec excludes it"),
        ({}, {"a": []}, "the spec does not exclude it"),
        ({"filters": [{"max_problem_characters": 1}]}, {}, "no problem is left"),
    ],
)
def test_a_set_that_is_not_what_was_said_is_refused(keys: dict, excluded: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        prepare(benchmark(**keys), excluded)


def test_the_digest_ignores_order_and_spacing_but_no_gold() -> None:
    one, two = problem("a", "1"), problem("b", "2")
    assert sha256_problems([one, two]) == sha256_problems([two, one])
    assert sha256_problems([one]) == sha256_problems([Problem(id="a", problem=" A", answers=["1"], solution="any")])
    assert sha256_problems([one]) != sha256_problems([problem("a", "2")])


def test_problems_survive_writing(tmp_path: Path) -> None:
    problems = [Problem(id="1", problem="α {x}\n", answers=["1", r"\frac12"], solution="so"), problem("b")]
    write_problems(tmp_path / "problems.jsonl", problems)
    assert read_problems(tmp_path / "problems.jsonl") == problems
    (tmp_path / "problems.jsonl").write_text('{"id": "1", "problem": "x", "answers": []}\n')
    with pytest.raises(UserError, match="line 1: answers"):
        read_problems(tmp_path / "problems.jsonl")


def test_a_template_replaces_the_question_and_nothing_else() -> None:
    template = Template(text="{question} in \\boxed{}.")
    assert render(template, "What is {x} of {question}?") == "What is {x} of {question}? in \\boxed{}."


def test_a_hub_file_that_differs_from_the_pin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("content")
    pinned = hashlib.sha256(b"content").hexdigest()
    source = Hub(kind="hub", repo="o/d", revision="0" * 40, split="train", files={"data/train.parquet": pinned})
    url = f"hf://datasets/o/d@{'0' * 40}/data/train.parquet"

    def fetch(name: str) -> str:
        return str(tmp_path / Path(name).name)

    check_files(source, [url], fetch)
    with pytest.raises(UserError, match="does not name it"):
        check_files(source, [url, url.replace("train.p", "test.p")], fetch)
    with pytest.raises(UserError, match="no file could be told"):
        check_files(source, [], fetch)
    (tmp_path / "train.parquet").write_text("other")
    with pytest.raises(UserError, match="not what was pinned"):
        check_files(source, [url], fetch)


def test_a_data_set_folder_is_read_as_the_hub_would_give_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "d").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "d/train.parquet")
    assert read_hub(Hub(kind="hub", repo=str(tmp_path / "d"), revision="unpinned", split="train")) == ROWS
    with pytest.raises(UserError, match=r"source\.split"):
        read_hub(Hub(kind="hub", repo=str(tmp_path / "d"), revision="unpinned", split="absent"))


def test_an_unreachable_hub_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"cannot be fetched .* use `kind: local`"):
        read_hub(Hub(kind="hub", repo="no-such-owner-of-a-test/d", revision="unpinned", split="train"))


def test_a_hub_source_needs_a_split() -> None:
    with pytest.raises(UserError, match=r"`source\.split` is missing"):
        read_hub(Hub(kind="hub", repo="o/d", revision="unpinned"))


def test_fields_default_to_problem_and_answer() -> None:
    assert (Fields().problem, Fields().answer) == ("problem", "answer")
