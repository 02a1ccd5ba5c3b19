"""The papers' protocols by name: what their suites sample is what the papers say."""

from __future__ import annotations

from pathlib import Path

import pytest

from verizero.config.expansion import parse_subject
from verizero.config.registry import load_registry
from verizero.config.spec import GenerateSpec, generate_spec, grade_spec

REGISTRY = load_registry(Path(__file__).resolve().parents[2] / "config")
BASE, TRAINED = "tiny.qwen-math", "tiny.sums.qwen-math.grpo-toy.s1@120"


def sampled(suite: str, subject: str = BASE) -> GenerateSpec:
    return generate_spec(REGISTRY, parse_subject(subject), suite)


@pytest.mark.parametrize(
    ("suite", "problems", "completions", "settings"),
    [
        # papers.md, section 8: 30 + 83 + 500 + 272 + 675 problems, once each, greedy
        ("paper-a", 1560, 1560, {(0.0, 1.0, 3000)}),
        # MATH500, Minerva and OlympiadBench greedy; AIME24, AIME25 and 40 of AMC eight times at 0.6
        ("paper-b", 1547, 1447 + 100 * 8, {(0.0, 1.0, 3072), (0.6, 1.0, 3072)}),
        # GSM8K, MATH500, Minerva, OlympiadBench and AMC once, AIME24 32 times
        ("paper-c", 2836, 2806 + 30 * 32, {(1.0, 0.95, 16000)}),
        ("paper-c-base", 2836, 2836, {(0.0, 1.0, 16000)}),
        ("main", 2866, 100 * 32 + 2766 * 4, {(0.6, 1.0, 3072)}),
        ("pass-at-k", 570, 570 * 128, {(0.6, 1.0, 3072)}),
        # 500 problems, eight samples, ten temperatures, three templates
        ("paper-a-probe", 15000, 3 * 40_000, {(t / 10, 1.0, 3000) for t in range(1, 11)}),
    ],
)
def test_a_suite_samples_what_its_paper_says(
    suite: str, problems: int, completions: int, settings: set[tuple[float, float, int]]
) -> None:
    members = sampled(suite).members.values()
    sizes = {name: REGISTRY.benchmarks[name].n or 0 for name in {member.benchmark for member in members}}
    assert sum(sizes[member.benchmark] for member in members) == problems
    assert sum(sizes[member.benchmark] * member.samples for member in members) == completions
    assert {(one.protocol.temperature, one.protocol.top_p, one.protocol.max_tokens) for one in members} == settings


@pytest.mark.parametrize("suite", ["paper-a", "paper-b", "paper-c", "main", "pass-at-k"])
def test_base_and_trained_models_are_asked_the_same(suite: str) -> None:
    base, trained = sampled(suite), sampled(suite, TRAINED)
    assert base.members.keys() == trained.members.keys()
    for name, member in base.members.items():
        assert member.model_copy(update={"step": 120}) == trained.members[name]


def test_a_cut_changes_what_is_graded_and_not_what_is_sampled() -> None:
    suite = REGISTRY.suites["paper-c"]
    other = REGISTRY.__class__(**{**vars(REGISTRY), "suites": {"paper-c": suite.model_copy(update={"cuts": []})}})
    subject = parse_subject(TRAINED)
    assert generate_spec(REGISTRY, subject, "paper-c") == generate_spec(other, subject, "paper-c")
    assert grade_spec(REGISTRY, subject, "paper-c") != grade_spec(other, subject, "paper-c")
