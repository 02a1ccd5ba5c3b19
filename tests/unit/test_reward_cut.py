"""A shorter limit is read off samples without sampling again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_reward_grade import Suite

from verizero.artifacts.errors import UserError
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.rows import read_rows, write_rows
from verizero.config.expansion import cut_members, parse_subject
from verizero.config.registry import load_registry
from verizero.config.spec import grade_spec, spec_text
from verizero.evidence.reading import graded_samples, read_member
from verizero.policy.scratch import scratch_policy
from verizero.policy.text_places import text_places
from verizero.reward.cut import cut_row

ROOT = Path(__file__).resolve().parents[2]
LONG = {"problem": "1", "sample": 0, "text": "first \\boxed{22} then \\boxed{21}", "tokens": 1200, "finish": "stop"}


def test_a_response_within_the_limit_stays_as_it_is() -> None:
    row = {**LONG, "tokens": 1000}
    assert cut_row(row, 1000) == row and cut_row(LONG, None) == LONG


def test_a_longer_response_is_its_beginning_and_counts_as_truncated() -> None:
    cut = cut_row({**LONG, "places": {"1000": 16}}, 1000)
    assert (cut["text"], cut["tokens"], cut["finish"]) == ("first \\boxed{22}", 1000, "length")


def test_a_sample_that_notes_no_place_is_refused() -> None:
    with pytest.raises(UserError, match=r"doesn't say where its text stands after 1000"):
        cut_row(LONG, 1000)


def test_places_are_noted_at_thousands_and_1024s_below_the_length() -> None:
    from verizero.config.sources import Architecture

    shape = {"hidden_size": 8, "intermediate_size": 8, "layers": 1, "heads": 1, "kv_heads": 1, "max_positions": 8}
    _, tokenizer = scratch_policy(Architecture(**shape), "abc", 0)
    ids = tokenizer("abc" * 800, add_special_tokens=False)["input_ids"]
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert text_places(tokenizer, ids, text) == {"1000": 1000, "1024": 1024, "2000": 2000, "2048": 2048}
    assert text_places(tokenizer, ids[:1000], text[:1000]) == {}
    assert text_places(tokenizer, ids, "another text") == {}


def test_a_cut_member_is_graded_from_the_samples_of_the_member_it_cuts(tmp_path: Path) -> None:
    suite = Suite(tmp_path)
    job = Job(
        "samples",
        "tiny/suite/a",
        {"benchmark": "toy"},
        suite.member("a"),
        inputs={"policy": suite.policy, "benchmark": suite.benchmark},
    )
    right = {**LONG, "places": {"1000": 16}}
    write_rows(job.staging / "samples.jsonl.gz", [right, {**right, "problem": "2", "tokens": 40}])
    job.publish()
    suite.collect()
    spec = {"members": ["a"], "grader": "verizero", "cuts": {"a-1k": {"member": "a", "tokens": 1000}}}
    more = ("--spec", json.dumps(spec), "--benchmark", suite.benchmark)
    done = suite.grade(*more)
    assert done.returncode == 0, done.stderr
    whole, cut = (next(read_rows(suite.out.parent / name / "payload/grades.jsonl.gz")) for name in ("a", "a-1k"))
    assert (whole["status"], whole["tokens"], whole["finish"]) == ("correct", 1200, "stop")
    assert (cut["status"], cut["tokens"], cut["finish"]) == ("wrong", 1000, "length")
    manifest = suite.out.parent / "a-1k/manifest.json"
    assert read_manifest(manifest).spec == {"grader": "verizero", "member": "a", "cut_tokens": 1000}
    assert set(read_manifest(suite.out).parts) == {"a", "a-1k"}
    assert graded_samples(manifest) == suite.member("a") and read_member(manifest).truncated.tolist() == [
        [True],
        [False],
    ]
    assert "kept: a, a-1k; graded: none" in suite.grade(*more).stderr


def test_paper_c_is_graded_at_3000_tokens_too_and_sampled_once() -> None:
    registry = load_registry(ROOT / "config")
    found = cut_members(registry.suites["paper-c"], "qwen-boxed", registry.cuts)
    assert found["math500.qwen-boxed.c-t1-3k-of-16k"] == ("math500.qwen-boxed.c-t1-16k", 3000) and len(found) == 6
    spec = grade_spec(registry, parse_subject("tiny.qwen-boxed"), "paper-c")
    assert len(spec.members) == 6 and spec.cuts.keys() == found.keys()
    assert "cuts" not in json.loads(spec_text(grade_spec(registry, parse_subject("tiny.plain"), "toy")))
