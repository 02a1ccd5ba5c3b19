"""Claims about the published data files. Without VERIZERO_DATA they are skipped, and say so."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import Benchmark, Local
from verizero.config.registry import load_registry
from verizero.config.set_inputs import inputs_of
from verizero.config.spec import dataset_spec
from verizero.problems.evidence import Evidence, read_published
from verizero.problems.prepare import Prepared, prepare
from verizero.problems.ranking import by_variance
from verizero.problems.text import normalised

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load_registry(ROOT / "config")
MIRRORED = sorted(name for name, entry in REGISTRY.benchmarks.items() if isinstance(entry.source, Local))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published data files are not here"
    ),
]


@functools.cache
def made(name: str) -> Prepared:
    inputs = inputs_of(REGISTRY.problem_set(name))
    excluded = {other: made(other).problems for other in inputs.exclude}
    evidence = Evidence({other: made(other).problems for other in inputs.sets})
    return prepare(dataset_spec(REGISTRY, name).problems, excluded, evidence)


@pytest.mark.parametrize("name", MIRRORED)
def test_every_mirrored_benchmark_has_its_size_and_digest(name: str) -> None:
    entry = REGISTRY.benchmarks[name]
    assert entry.n is not None and entry.sha256 is not None
    prepared = made(name)
    assert (prepared.counts["problems"], prepared.counts["sha256_problems"]) == (entry.n, entry.sha256)
    assert len({problem.id for problem in prepared.problems}) == entry.n


def test_all_1319_gsm8k_test_questions_are_found_in_the_training_file() -> None:
    counts = made("gsm8k-train").counts
    assert (counts["source"], counts["excluded_gsm8k"], counts["problems"]) == (8792, 1319, 7473)


def test_the_asdiv_shares_do_not_meet() -> None:
    train, held_out = made("asdiv-train"), made("asdiv-heldout")
    assert not {problem.problem for problem in train.problems} & {problem.problem for problem in held_out.problems}
    assert len(train.problems) + len(held_out.problems) == held_out.counts["after_filter_2_max_problem_characters"]


def test_amc23_is_part_of_paper_a_s_amc_with_the_same_golds() -> None:
    whole = {problem.problem.strip(): problem.answers for problem in made("amc22-23").problems}
    assert all(whole[problem.problem.strip()] == problem.answers for problem in made("amc23").problems)


def test_paper_b_s_training_file_is_read_through_dotted_names() -> None:
    def entry(path: str, sha256: str) -> Benchmark:
        source = {"kind": "local", "path": path, "format": "parquet", "sha256": sha256}
        return Benchmark.model_validate(
            {"source": source, "fields": {"problem": "prompt.0.content", "answer": "reward_model.ground_truth"}}
        )

    many = prepare(
        entry("train/dsr_sub.parquet", "bce5945e5666d5b82f1554b0a18203a88a0209f82fa724e5bfdfc17cc9a1aea6"), {}
    )
    one = prepare(
        entry("train/pi1_r128.parquet", "75a7a6eec9da7ce6951b8e7ad039d70cd76f17511fe33deff3baacdc0f1cceea"), {}
    )
    assert (many.counts["source"], many.counts["without_answer"], len(many.problems)) == (1209, 1, 1208)
    assert (
        len({problem.problem for problem in one.problems}) == 1 and len({problem.id for problem in one.problems}) == 128
    )
    assert one.problems[0].answers == ["12.8"]
    with pytest.raises(UserError, match="SHA-256"):
        prepare(entry("train/pi1_r128.parquet", "0" * 64), {})


RANKED = {
    1: "124", 2: "267", 3: "531", 4: "931", 5: "212", 6: "25", 7: "568", 8: "131", 9: "649", 10: "724", 11: "875", 12: "925", 13: "682",
    14: "100", 15: "291", 16: "50", 17: "870", 605: "60", 606: "906", 1201: "847", 1207: "174", 1208: "770", 1209: "789",
}  # fmt: skip
"""Rank -> index in DSR-sub of paper B's examples (arXiv 2504.20571, appendix E)."""


def test_paper_b_s_examples_have_their_ranks() -> None:
    history = REGISTRY.datasets["dsr-pi1"].select.history
    assert history is not None
    ranking = by_variance(read_published(history))
    assert {rank: ranking[rank - 1] for rank in RANKED} == RANKED
    assert [one.id for one in made("dsr-first-16").problems] == [RANKED[rank] for rank in range(1, 17)]
    assert [one.id for one in made("dsr-pi1-pi2-pi13-pi1209").problems] == ["124", "267", "682", "789"]


def test_paper_b_s_wrong_labels_and_other_wording() -> None:
    assert made("dsr-pi1").problems[0].answers == ["12.8"]
    for name, answer in (("12-7", "12.7"), ("4", "4"), ("929725", "929725")):
        [one] = made(f"dsr-pi1-label-{name}").problems
        assert (one.answers, one.original_answers) == ([answer], ["12.8"])
    assert made("dsr-pi1-simplified").problems[0].problem == r"Calculate $\sqrt[3]{2048}$."
    assert (made("dsr-wrong-60").counts["wrong_labels"], made("dsr-wrong-90").counts["wrong_labels"]) == (725, 1087)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("math-12k", 11998),
        ("math-lvl3to5-8k", 8886),
        ("simplerl-easy", 8399),
        ("simplerl-medium", 8120),
        ("simplerl-hard", 8504),
        ("dsr-sub", 1208),
        ("a-mix-3k", 2996),
    ],
)
def test_the_papers_training_sets_have_about_their_sizes_and_no_problem_of_math500(name: str, count: int) -> None:
    prepared = made(name)
    assert len(prepared.problems) == count
    benchmark = {normalised(problem.problem) for problem in made("math500").problems}
    assert not benchmark & {normalised(problem.problem) for problem in prepared.problems}
    assert len({problem.id for problem in prepared.problems}) == count


def test_four_of_the_aime_problems_until_2023_are_in_math500() -> None:
    assert made("aime-975").counts["excluded_math500"] == 4
