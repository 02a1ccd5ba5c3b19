"""How the problems of a set are chosen: filters, sets of sets, rankings, labels, difficulty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import Benchmark, Difficulty, Filter, Labels, PromptTokens, Replacement, Selection
from verizero.config.registry import load_registry
from verizero.problems.evidence import Evidence
from verizero.problems.labels import by_difficulty, replaced, with_wrong_labels
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem
from verizero.problems.ranking import by_variance
from verizero.problems.selection import filtered, selected

ROOT = Path(__file__).resolve().parents[2]


def problem(number: int, answer: str | None = None, **more: object) -> Problem:
    return Problem.model_validate(
        {
            "id": f"p{number}",
            "problem": f"What is {number}?",
            "answers": [answer or str(number)],
            "answer_type": "integer",
            **more,
        }
    )


TEN = [problem(number, level=number % 5 + 1, subject="Algebra" if number % 2 else "Geometry") for number in range(10)]
RATES = Evidence(pass_rates={"tiny.plain/probe": {f"p{number}": number / 8 for number in range(10)}})


def ids(problems: list[Problem]) -> list[str]:
    return [problem.id for problem in problems]


def entry(**keys: object) -> Benchmark:
    return Benchmark.model_validate_json(json.dumps({"source": {"kind": "sets", "names": ["ten"]}, **keys}))


def test_each_condition_of_a_filter_is_counted_in_the_order_of_its_keys() -> None:
    how = Filter(levels=[1, 2, 3], subjects=["Algebra"], answer_types=["integer"])
    steps = filtered(TEN, how)
    assert [(name, len(left)) for name, left in steps] == [("levels", 6), ("subjects", 3), ("answer_types", 3)]
    assert ids(steps[-1][1]) == ["p1", "p5", "p7"]


def test_of_near_duplicates_the_first_is_kept() -> None:
    text = "A train leaves the station at noon and travels north at sixty miles per hour for three hours, how far"
    near = [problem(1), problem(2), problem(3)]
    near[0] = near[0].model_copy(update={"problem": text})
    near[1] = near[1].model_copy(update={"problem": text + "?"})
    assert ids(filtered(near, Filter(near_duplicates=0.7))[-1][1]) == ["p1", "p3"]


def test_a_problem_without_a_level_passes_no_filter_of_levels() -> None:
    assert filtered([problem(1), problem(2, level=3)], Filter(levels=[3]))[-1][1] == [problem(2, level=3)]


def test_a_band_of_pass_rates_has_both_its_bounds() -> None:
    band = Filter.model_validate({"pass_rate": {"subject": "tiny.plain", "suite": "probe", "low": 0.25, "high": 0.5}})
    assert ids(filtered(TEN, band, RATES)[-1][1]) == ["p2", "p3", "p4"]
    with pytest.raises(
        UserError, match=r"tiny.plain/probe has no sample of the problem p11; the suite must sample a set"
    ):
        filtered([problem(11)], band, RATES)
    with pytest.raises(UserError, match=r"--grades: the manifest of tiny.plain/probe is missing"):
        filtered(TEN, band)


def test_prompts_are_measured_by_the_tokenizer_that_is_named() -> None:
    evidence = Evidence(prompt_tokens=lambda problem, how: len(problem.problem) + len(how.model))
    how = Filter(prompt_tokens=PromptTokens(most=10 + 4, model="tiny", template="plain"))
    assert ids(filtered([problem(1), problem(22)], how, evidence)[-1][1]) == ["p1"]
    with pytest.raises(UserError, match="--tokenizer: the manifest of the model tiny is missing"):
        filtered([problem(1)], how)


def test_problems_of_several_sets_say_which_set_they_are_of() -> None:
    one, two = [problem(1), problem(2)], [problem(1)]
    alone = prepare(entry(), {}, Evidence({"ten": TEN}))
    assert alone.problems == TEN
    both = prepare(entry(source={"kind": "sets", "names": ["one", "two"]}), {}, Evidence({"one": one, "two": two}))
    assert ids(both.problems) == ["one/p1", "one/p2", "two/p1"] and both.counts["source"] == 3
    with pytest.raises(UserError, match="--set: ten is missing"):
        prepare(entry(), {})


HISTORIES = {"p3": [0.0, 1.0], "p1": [0.5, 0.5], "p2": [0.0, 0.5], "p4": [0.25, 0.75], "p0": [0.0, 0.0]}


def test_the_ranking_is_by_variance_and_ties_keep_the_order_of_the_history() -> None:
    assert by_variance(HISTORIES) == ["p3", "p2", "p4", "p1", "p0"]


@given(
    st.dictionaries(st.text(max_size=3), st.lists(st.sampled_from([n / 8 for n in range(9)]), min_size=1), min_size=1)
)
def test_every_problem_has_one_place_in_the_ranking(histories: dict[str, list[float]]) -> None:
    assert sorted(by_variance(histories)) == sorted(histories)


def test_examples_are_taken_by_rank_or_as_so_many() -> None:
    run = "tiny.ten.plain.grpo.s1"
    evidence = Evidence(histories={run: HISTORIES})
    first = Selection(rule="historical-variance", run=run, n=2)
    assert ids(selected(TEN, first, evidence)) == ["p3", "p2"]
    assert ids(selected(TEN, Selection(rule="historical-variance", run=run, ranks=[5, 1]), evidence)) == ["p0", "p3"]
    # who is not in the set takes no place of the first n, but keeps its rank
    assert ids(selected(TEN[:3], first, evidence)) == ["p2", "p1"]
    with pytest.raises(UserError, match=r"`select.ranks` names the problem p3, which is not in the set"):
        selected(TEN[:3], Selection(rule="historical-variance", run=run, ranks=[1]), evidence)
    with pytest.raises(UserError, match=r"`select.ranks` has 9, but the history has 5 problems"):
        selected(TEN, Selection(rule="historical-variance", run=run, ranks=[9]), evidence)
    with pytest.raises(UserError, match=r"--history: the manifest of the run tiny.ten.plain.grpo.s1 is missing"):
        selected(TEN, first)


def test_a_history_in_which_nothing_varied_ranks_nothing() -> None:
    evidence = Evidence(histories={"r": {"p1": [1.0], "p2": [0.5], "p3": [0.25, 0.25]}})
    with pytest.raises(UserError, match="no problem's accuracy varied in r: each was trained on once or never"):
        selected(TEN, Selection(rule="historical-variance", run="r", n=1), evidence)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"rule": "historical-variance", "n": 1}, "needs either `run` or `history`"),
        ({"rule": "historical-variance", "run": "r"}, "needs either `n` or `ranks`"),
        ({"rule": "ids"}, "`ids` and the rule `ids` belong together"),
        ({"rule": "random", "n": 1, "run": "r"}, "only the rule `historical-variance` reads it"),
    ],
)
def test_a_rule_that_lacks_what_it_reads_is_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Selection.model_validate(keys)


def test_named_problems_come_in_the_order_of_their_names() -> None:
    assert ids(selected(TEN, Selection(rule="ids", ids=["p7", "p1"]))) == ["p7", "p1"]


@given(st.sampled_from([0.0, 0.25, 0.6, 1.0]), st.integers(0, 20))
def test_a_share_of_the_labels_is_wrong_and_says_what_was_right(share: float, seed: int) -> None:
    found = with_wrong_labels(TEN, Labels(wrong_share=share, seed=seed))
    wrong = [new for old, new in zip(TEN, found, strict=True) if new != old]
    assert len(wrong) == round(share * 10 + 1e-9)
    assert all(one.answers != one.original_answers == [one.id[1:]] for one in wrong)
    assert found == with_wrong_labels(TEN, Labels(wrong_share=share, seed=seed))


def test_where_all_answers_are_equal_there_is_no_wrong_one() -> None:
    with pytest.raises(UserError, match="every problem of the set has the answer of p"):
        with_wrong_labels([problem(1, "7"), problem(2, "7")], Labels(wrong_share=1.0))


def test_one_label_and_one_text_are_replaced_and_counted() -> None:
    changes = {"p1": Replacement(answers=["1.5"]), "p2": Replacement(problem="Two?")}
    one, two = replaced([problem(1, solution="1"), problem(2)], changes)
    assert (one.answers, one.original_answers, one.answer_type, one.solution) == (["1.5"], ["1"], "decimal", None)
    assert (two.problem, two.answers, two.original_answers) == ("Two?", ["2"], None)
    with pytest.raises(UserError, match="`replace` names the problem p9, which is not in the set"):
        replaced([problem(1)], {"p9": Replacement(answers=["1"])})
    counts = prepare(
        entry(replace={"p1": {"answers": ["5"]}}, labels={"wrong_share": 0.5}), {}, Evidence({"ten": TEN})
    ).counts
    assert (counts["replaced"], counts["wrong_labels"]) == (1, 5)


def test_a_curriculum_has_easy_problems_first() -> None:
    by_level = by_difficulty(TEN, Difficulty(by="level"), Evidence())
    assert [one.level for one in by_level] == sorted(one.level or 0 for one in TEN)
    how = Difficulty.model_validate({"by": "pass-rate", "graded": {"subject": "tiny.plain", "suite": "probe"}})
    assert ids(by_difficulty(TEN[:3], how, RATES)) == ["p2", "p1", "p0"]
    run = "tiny.ten.plain.grpo.s1"
    histories = Evidence(histories={run: HISTORIES})
    assert ids(by_difficulty(TEN[:5], Difficulty(by="history", run=run), histories)) == ["p1", "p3", "p4", "p2", "p0"]
    with pytest.raises(UserError, match=r"`difficulty.by` is `level`, but 1 of 1 problems have none"):
        by_difficulty([problem(1)], Difficulty(by="level"), Evidence())


def registry_with(tmp_path: Path, text: str) -> None:
    import shutil

    shutil.copytree(ROOT / "config", tmp_path / "config")
    with (tmp_path / "config/registry/datasets.yaml").open("a", encoding="utf-8") as file:
        file.write(text)
    load_registry(tmp_path / "config")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("aa: {source: {kind: sets, names: [bb]}}\nbb: {source: {kind: sets, names: [aa]}}\n", "`aa` depends on itself: aa -> bb -> aa"),
        ("aa: {source: {kind: sets, names: [nowhere]}}\n", "`aa.source.names`"),
        (
            "aa: {source: {kind: sets, names: [sums]}, select: {rule: historical-variance, run: tiny.aa.plain.grpo-toy.s1, n: 1}}\n",
            "`aa` depends on itself: aa -> aa",
        ),
        (
            "aa: {source: {kind: sets, names: [sums]}, select: {rule: historical-variance, run: tiny.sums.plain.grpo-toe.s1, n: 1}}\n",
            "grpo-toe",
        ),
        ("aa: {source: {kind: sets, names: [sums]}, filters: [{pass_rate: {subject: tiny, suite: toy}}]}\n", "names no template"),
        ("aa: {source: {kind: sets, names: [sums]}, fields: {problem: text}}\n", "a source of kind `sets` has none"),
    ],
)  # fmt: skip
def test_a_set_that_names_nothing_or_itself_is_found_before_any_job(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UserError) as found:
        registry_with(tmp_path, text)
    assert why in str(found.value)
