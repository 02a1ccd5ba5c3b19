"""Claims about the published data files. Without VERIZERO_DATA they are skipped, and say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.config.registry import load_registry
from verizero.config.sources import Benchmark, Local
from verizero.config.spec import dataset_spec
from verizero.problems.prepare import Prepared, prepare
from verizero.problems.problem import Problem

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load_registry(ROOT / "config")
MIRRORED = sorted(name for name, entry in REGISTRY.benchmarks.items() if isinstance(entry.source, Local))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        not os.environ.get("VERIZERO_DATA"), reason="VERIZERO_DATA is not set: the published data files are not here"
    ),
]


def made(name: str) -> Prepared:
    excluded: dict[str, list[Problem]] = {other: made(other).problems for other in REGISTRY.problem_set(name).exclude}
    return prepare(dataset_spec(REGISTRY, name).problems, excluded)


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
