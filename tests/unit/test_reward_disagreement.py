"""`compare_graders.py`: the same completions, judged by several."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from verizero.artifacts.job import Job
from verizero.artifacts.rows import write_rows
from verizero.evidence.disagreement import disagreements
from verizero.problems.problem import Problem, write_problems
from verizero.report.tables import disagreement_table
from verizero.reward.verdict import Verdict

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
RIGHT, WRONG, LATE = Verdict(True, "correct"), Verdict(False, "wrong"), Verdict(False, "timeout")


def compare(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "compare_graders.py"), *map(str, arguments), "--workers", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_each_two_graders_have_a_row_with_both_directions() -> None:
    table = disagreement_table(
        disagreements({"a": [RIGHT, RIGHT, WRONG, LATE], "b": [RIGHT, WRONG, WRONG, RIGHT], "c": [WRONG] * 4})
    )
    assert [(row["grader_a"], row["grader_b"]) for row in table.rows] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table.rows[0] == {
        **{"grader_a": "a", "grader_b": "b", "n_completions": "4", "n_correct_a": "2", "n_correct_b": "2"},
        **{"n_differ": "2", "n_only_a": "1", "n_only_b": "1", "share": "0.500000", "n_stopped": "1"},
    }
    assert [(row["n_only_a"], row["n_only_b"]) for row in table.rows[1:]] == [("2", "0"), ("2", "0")]


def test_no_completions_are_no_disagreement() -> None:
    assert disagreements({"a": [], "b": []})[0]["share"] == ""


def test_pairs_become_a_table_in_either_format(tmp_path: Path) -> None:
    rows = [
        {"gold": "17", "response": r"\boxed{17}"},
        {"gold": "17", "response": "it is 17"},  # no box
        {"gold": "0.5", "response": r"\boxed{50}"},  # the hundredfold
        {"gold": ["1", "50"], "response": r"\boxed{50}"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = "verizero,qwen-math-equal,paper-b"
    for out in ("table.csv", "table.md"):
        done = compare("--pairs", tmp_path / "in.jsonl", "--graders", names, "--out", tmp_path / out)
        assert done.returncode == 0, done.stderr
    with (tmp_path / "table.csv").open() as stream:
        table = {(row["grader_a"], row["grader_b"]): row for row in csv.DictReader(stream)}
    assert {pair: (row["n_differ"], row["n_only_a"], row["n_only_b"]) for pair, row in table.items()} == {
        ("verizero", "qwen-math-equal"): ("2", "0", "2"),
        ("verizero", "paper-b"): ("0", "0", "0"),
        ("qwen-math-equal", "paper-b"): ("2", "2", "0"),
    }
    assert "| verizero | qwen-math-equal | 4 | 2 | 4 | 2 | 0 | 2 | 0.500 | 0 |" in (tmp_path / "table.md").read_text()


def test_stored_samples_are_judged_with_their_benchmarks_golds(tmp_path: Path) -> None:
    benchmark, samples = tmp_path / "datasets/toy/manifest.json", tmp_path / "samples/tiny/toy/m/manifest.json"
    job = Job("dataset", "toy", {}, benchmark)
    write_problems(job.staging / "problems.jsonl", [Problem(id="1", problem="A?", answers=["21"])])
    job.publish()
    job = Job("samples", "tiny/toy/m", {"benchmark": "toy", "samples": 3}, samples, inputs={"benchmark": benchmark})
    texts = [r"\boxed{21}", "so 21", r"\boxed{22}"]
    write_rows(
        job.staging / "samples.jsonl.gz", [{"problem": "1", "sample": k, "text": t} for k, t in enumerate(texts)]
    )
    job.publish()
    out = tmp_path / "table.csv"
    done = compare("--samples", samples, "--benchmark", benchmark, "--graders", "verizero,paper-c", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_text().splitlines()[1] == "verizero,paper-c,3,1,2,1,0,1,0.333333,0"


def test_a_wrong_call_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    for graders, out, words in [
        ("verizero", "t.csv", "takes two or more of verizero, paper-a-fast"),
        ("verizero,nobody", "t.csv", "grader `nobody` is not defined; choices: verizero"),
        ("verizero,paper-b", "t.txt", "ends in none of .csv, .md"),
    ]:
        done = compare("--pairs", tmp_path / "in.jsonl", "--graders", graders, "--out", tmp_path / out)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    done = compare("--graders", "verizero,paper-b", "--out", tmp_path / "t.csv")
    assert done.returncode == 2 and "give --pairs, or --samples and --benchmark" in done.stderr
