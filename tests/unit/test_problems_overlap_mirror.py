"""What the published training files share with the published benchmarks. Without VERIZERO_DATA they are skipped, and say so.

The numbers were looked at pair by pair (docs/contamination.md says what the pairs are).
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from pathlib import Path

import pytest

from verizero.artifacts.canonical import sha256_file
from verizero.config.problem_sets import Benchmark
from verizero.config.registry import load_registry
from verizero.config.spec import dataset_spec
from verizero.problems.overlap import Pair, find_pairs
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem
from verizero.problems.words import grams, words

REGISTRY = load_registry(Path(__file__).resolve().parents[2] / "config")
VERL = {"problem": "prompt.0.content", "answer": "reward_model.ground_truth"}
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published data files are not here"
    ),
]


@functools.cache
def benchmark(name: str) -> list[Problem]:
    return prepare(dataset_spec(REGISTRY, name).problems, {}).problems


def training_file(name: str, fields: dict[str, str] | None = None, answer_from: str = "field") -> list[Problem]:
    """A file as it is published, without any exclusion."""
    path, form = f"train/{name}", "parquet" if name.endswith("parquet") else "arrow-stream"
    digest = sha256_file(Path(os.environ["VERIZERO_DATA"]) / path)
    source = {"kind": "local", "path": path, "format": form, "sha256": digest}
    entry = {"source": source, "fields": fields or {}, "answer_from": answer_from}
    return prepare(Benchmark.model_validate(entry), {}).problems


def pairs(train: list[Problem], *names: str) -> list[Pair]:
    return find_pairs(train, {name: benchmark(name) for name in names})


def flagged(found: list[Pair], kind: str | None = None) -> dict[str, int]:
    """Benchmark -> how many of its problems are in a pair."""
    problems = {(pair.benchmark, pair.problem.id) for pair in found if kind in (None, pair.kind)}
    return dict(Counter(name for name, _ in problems))


def test_paper_a_s_gsm8k_file_contains_all_1319_test_questions() -> None:
    found = pairs(training_file("gsm_8k.arrow"), "gsm8k")
    assert flagged(found, "exact") == {"gsm8k": 1319}


def test_gsm8k_s_own_training_split_has_one_question_of_the_test_with_other_numbers() -> None:
    train = training_file("gsm8k_train_solutions.arrow", {"problem": "question"}, "after-hashes")
    found = pairs(train, "gsm8k", "math500", "amc23", "aime24", "asdiv-heldout")
    assert (flagged(found, "exact"), flagged(found)) == ({}, {"gsm8k": 1})
    assert not any(pair.same_answer for pair in found)


def test_the_endings_of_aime_flag_nothing() -> None:
    names = ("aime24", "aime25", "amc22-23", "math500")
    eight = set().union(*(grams(words(other.problem), 8) for other in benchmark("aime25")))
    shared = sum(bool(grams(words(one.problem), 8) & eight) for one in benchmark("aime24"))
    assert shared >= 7, "an open check by any shared 8-gram would flag these"
    for name in ("aime24", "aime25"):
        assert flagged(pairs(benchmark(name), *(other for other in names if other != name))) == {}


def test_math500_is_found_in_math_s_test_split_and_siblings_in_its_training_split() -> None:
    found = pairs(training_file("math_test.parquet"), "math500")
    assert flagged(found, "exact") == {"math500": 500}
    siblings = pairs(training_file("math_train.parquet"), "math500", "olympiadbench")
    assert (flagged(siblings, "exact"), flagged(siblings)) == ({}, {"math500": 29, "olympiadbench": 4})


def test_ten_problems_of_math500_are_problems_of_aime() -> None:
    found = pairs(training_file("aime_975.arrow"), "math500", "aime24", "aime25", "amc22-23")
    assert (flagged(found, "exact"), flagged(found)) == ({"math500": 4}, {"math500": 10})


def test_deepscaler_s_subset_has_three_siblings_in_math500_behind_its_own_instruction() -> None:
    train = training_file("dsr_sub.parquet", VERL)
    assert all("output the final answer within" in problem.problem for problem in train)
    found = pairs(train, "math500", "olympiadbench", "aime24", "aime25", "amc22-23", "minerva-math", "gsm8k")
    assert (flagged(found, "exact"), flagged(found)) == ({}, {"math500": 3, "olympiadbench": 1})


def test_one_example_repeated_128_times_is_in_no_benchmark() -> None:
    assert not pairs(training_file("pi1_r128.parquet", VERL), "math500", "aime24", "amc22-23", "olympiadbench")


def test_the_shares_of_asdiv_have_siblings_that_only_a_stricter_exclusion_takes_out() -> None:
    entry = dataset_spec(REGISTRY, "asdiv-train").problems
    excluded = {name: benchmark(name) for name in entry.exclude}
    exact = prepare(entry, excluded)
    found = pairs(exact.problems, "asdiv-test")
    assert (flagged(found, "exact"), flagged(found)) == ({}, {"asdiv-test": 10})
    stricter = prepare(entry.model_copy(update={"exclude_by": "near-duplicate"}), excluded)
    assert not pairs(stricter.problems, "asdiv-test", "asdiv-heldout")
    assert (len(exact.problems), len(stricter.problems)) == (1408, 1389)
