"""`grade.py`: suites, kept members, pairs, one explanation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from verizero.artifacts.job import Job
from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.rows import read_rows, write_rows
from verizero.problems.problem import Problem, write_problems

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TEXTS = {"1": [r"so \boxed{21}", r"so \boxed{22}", "21"], "2": [r"\boxed{\frac{3}{\sqrt3}}", r"\boxed{", r"\boxed{ }"]}


def grade(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "grade.py"), *map(str, arguments)], capture_output=True, text=True, check=False
    )


class Suite:
    """A suite of two members over one benchmark, on disk."""

    def __init__(self, root: Path) -> None:
        self.results = root / "results"
        self.benchmark = self.results / "datasets/toy/manifest.json"
        self.samples = self.results / "samples/tiny/suite/manifest.json"
        self.out = self.results / "grades/tiny/suite/manifest.json"
        self.policy = self.results / "models/tiny/manifest.json"
        Job("model", "tiny", {}, self.policy).publish()
        job = Job("dataset", "toy", {}, self.benchmark)
        write_problems(
            job.staging / "problems.jsonl",
            [Problem(id="1", problem="A?", answers=["21"]), Problem(id="2", problem="B?", answers=[r"\sqrt{3}"])],
        )
        job.publish()
        for member in ("a", "b"):
            self.sample(member, TEXTS)
        self.collect()

    def member(self, name: str) -> Path:
        return self.samples.parent / name / "manifest.json"

    def sample(self, name: str, texts: dict[str, list[str]]) -> None:
        job = Job(
            "samples",
            f"tiny/suite/{name}",
            {"benchmark": "toy", "samples": len(texts["1"])},
            self.member(name),
            inputs={"policy": self.policy, "benchmark": self.benchmark},
        )
        rows = [
            {
                "problem": problem,
                "sample": k,
                "text": text,
                "tokens": len(text),
                "finish": "stop",
                "prompt_sha256": "0" * 16,
                "mean_logprob": None,
            }
            for problem, responses in texts.items()
            for k, text in enumerate(responses)
        ]
        write_rows(job.staging / "samples.jsonl.gz", rows)
        job.publish()

    def collect(self) -> None:
        Job("suite-samples", "tiny/suite", {}, self.samples).publish(
            parts={name: self.member(name) for name in ("a", "b")}
        )

    def grade(self, *more: object) -> subprocess.CompletedProcess[str]:
        spec = json.dumps({"members": ["a", "b"], "grader": "verizero"})
        fixed = ("--spec", spec, "--subject", "tiny", "--suite", "suite", "--samples", self.samples, "--out", self.out)
        return grade(*fixed, *(more or ("--benchmark", self.benchmark)))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_every_sample_gets_its_status_in_order(suite: Suite) -> None:
    done = suite.grade()
    assert done.returncode == 0, done.stderr
    rows = list(read_rows(suite.out.parent / "a/payload/grades.jsonl.gz"))
    assert [(row["problem"], row["sample"], row["status"], row["boxed"]) for row in rows] == [
        ("1", 0, "correct", True),
        ("1", 1, "wrong", True),
        ("1", 2, "no_box", False),
        ("2", 0, "correct", True),
        ("2", 1, "unterminated", False),
        ("2", 2, "empty", False),
    ]
    columns = {"problem", "sample", "correct", "status", "extracted", "rule", "tokens", "finish", "boxed"}
    assert set(rows[0]) == columns | {"answer_class"}
    assert [row["answer_class"] for row in rows] == [0, 1, None, 0, None, None]
    member, whole = read_manifest(suite.out.parent / "a/manifest.json"), read_manifest(suite.out)
    assert member.counts == {"samples": 6, "correct": 2, "wrong": 1, "no_box": 1, "unterminated": 1, "empty": 1}
    assert (
        whole.counts == {"samples": 12, "correct": 4}
        and set(whole.parts) == {"a", "b"}
        and whole.kind == "suite-grades"
    )


def test_only_a_member_whose_samples_changed_is_graded_again(suite: Suite) -> None:
    assert "graded: a, b" in suite.grade().stderr
    before, kept = suite.out.read_bytes(), (suite.out.parent / "a/record.json").read_bytes()
    assert "members kept: a, b; graded: none" in suite.grade().stderr
    assert suite.out.read_bytes() == before
    suite.sample("b", {"1": [r"\boxed{21}"], "2": ["1"]})
    suite.collect()
    assert "members kept: a; graded: b" in suite.grade().stderr
    assert (suite.out.parent / "a/record.json").read_bytes() == kept
    (suite.out.parent / "a/payload/grades.jsonl.gz").write_bytes(b"damaged")
    assert "members kept: b; graded: a" in suite.grade().stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [(("--benchmark", "absent.json"), "no such manifest"), (("--workers", 1), "--benchmark: `toy` is missing")],
)
def test_a_wrong_call_is_one_sentence(suite: Suite, more: tuple, words: str) -> None:
    done = suite.grade(*more)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"1": ["a", "b", "c"], "2": ["a", "b"]}, "problem 2 has 2 samples, its protocol asks for 3 of each"),
        ({"1": ["a", "b", "c"]}, "problem 2 has 0 samples, its protocol asks for 3"),
    ],
)
def test_a_member_with_fewer_samples_than_asked_is_refused(
    suite: Suite, texts: dict[str, list[str]], words: str
) -> None:
    suite.sample("b", texts)
    suite.collect()
    done = suite.grade()
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert not suite.out.exists()


def test_samples_of_another_version_of_the_benchmark_are_refused(suite: Suite) -> None:
    job = Job("dataset", "toy", {"changed": True}, suite.benchmark)
    write_problems(job.staging / "problems.jsonl", [Problem(id="1", problem="A?", answers=["22"])])
    job.publish()
    done = suite.grade()
    assert done.returncode == 2 and "another version of toy" in done.stderr
    assert not suite.out.exists()


def test_pairs_are_graded_in_their_order(tmp_path: Path) -> None:
    rows = [
        {"gold": "1", "response": r"\boxed{2}", "note": "kept"},
        {"gold": ["1", r"\sqrt{4}"], "response": r"\boxed{2}"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = grade("--pairs", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    assert done.returncode == 0 and "1 of 2 are correct" in done.stderr
    graded = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["correct"], row["status"]) for row in graded] == [(False, "wrong"), (True, "correct")] and graded[0][
        "note"
    ] == "kept"
    (tmp_path / "in.jsonl").write_text('{"response": "x"}\n')
    done = grade("--pairs", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    assert done.returncode == 2 and "line 1" in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[1, 2]", "is a list, no record"),
        ('{"gold": "1"}', "there is no `response`"),
        ('{"gold": "1", "response": 5}', "`response` is 5; it must be a text"),
        ('{"gold": "1", "response": false}', "`response` is False; it must be a text"),
        ('{"gold": [], "response": "x"}', "`gold` is an empty list"),
        ('{"gold": "1", "response": "x", "unit": 5}', "`unit` is 5; it must be a text"),
        ('{"gold": "1", "response": "x", "tolerance": "0.1"}', "`tolerance` is '0.1'; it must be a share"),
        ('{"gold": "1", "response": "x", "tolerance": true}', "`tolerance` is True"),
        ('{"gold": "1", "response": "x", "tolerance": NaN}', "`tolerance` is nan"),
        ('{"gold": ' + "9" * 5000 + ', "response": "x"}', "digits"),
        ("[" * 100_000, "line 1"),
        ("{", "is no JSON"),
    ],
)
def test_a_line_that_is_no_pair_is_one_sentence(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "in.jsonl").write_text(line + "\n")
    done = grade("--pairs", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert f"{tmp_path / 'in.jsonl'}, line 1: " in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_text_may_hold_any_line_separator_and_lines_may_be_blank(tmp_path: Path) -> None:
    row = {"gold": "1", "response": "a\u2028b\u0085c " + r"\boxed{1}"}
    (tmp_path / "in.jsonl").write_text("\n" + json.dumps(row, ensure_ascii=False) + "\r\n\n")
    done = grade("--pairs", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
    assert done.returncode == 0 and "1 of 1 are correct" in done.stderr


def test_a_file_that_is_no_utf8_or_has_no_line_is_one_sentence(tmp_path: Path) -> None:
    for content, words in ((b"\xe9", "is no UTF-8"), (b"\n", "has no line")):
        (tmp_path / "in.jsonl").write_bytes(content)
        done = grade("--pairs", tmp_path / "in.jsonl", "--out", tmp_path / "out.jsonl")
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"gold": "1", "response": "x"}\n')
    for out, words in ((tmp_path, "is a folder"), (tmp_path / "in.jsonl/x", "is no folder"), ("/dev/null", "device")):
        done = grade("--pairs", tmp_path / "in.jsonl", "--out", out)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_explain_prints_the_rule() -> None:
    done = grade("--explain", "--gold", r"\frac12", "--gold", "3", "--response", r"So \boxed{0.5}.")
    said = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert said[1] == ["verdict", "right"] and " ".join(said[2]).startswith(
        "decided by   number (both are plain numbers"
    )
    assert r"gold         \frac12, compared as \frac{1}{2}" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1].split() == ["wrong", "(number)"], "the other gold on its own"
    done = grade("--explain", "--gold", "1.41", "--tolerance", "0.01", "--response", r"\boxed{\sqrt2}")
    assert "within the declared tolerance" in done.stdout
    done = grade("--explain", "--gold", "1", "--response", r"\boxed{1}", "--grader", "nobody")
    assert done.returncode == 2 and "choices: verizero" in done.stderr
