"""generate.py: one start of the engine for a suite, and only for the members that changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from verizero.artifacts.manifest import read_manifest
from verizero.artifacts.rows import read_rows

ROOT = Path(__file__).resolve().parents[2]
ALPHABET = "0123456789ABCDEFGHIJKL=,?~.\\boxed{}"
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "layers": 1, "heads": 2, "kv_heads": 1, "max_positions": 96}
MODEL = {
    "source": {"kind": "scratch", "alphabet": ALPHABET, "architecture": SHAPE},
    "dtype": "float32",
    "max_model_len": 64,
}
TEMPLATE = {"text": "{question}"}
SAMPLED = {"temperature": 1.0, "max_tokens": 12}


def sums(seed, problems):
    return {
        "problems": {"source": {"kind": "sums", "problems": problems, "seed": seed, "min_terms": 2, "max_terms": 3}}
    }


def member(benchmark, **changes):
    return {"benchmark": benchmark, "template": TEMPLATE, "protocol": SAMPLED, "samples": 3, **changes}


def run(program, spec, *arguments, code=0, processes=1):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(ROOT / "scripts" / program)]
    command += ["--spec", json.dumps(spec), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A model and two benchmarks, made by their stages."""
    folder = tmp_path_factory.mktemp("made") / "results"
    run("prepare_model.py", MODEL, "--name", "small", "--out", folder / "models/small/manifest.json")
    for name, seed in (("one", 1), ("two", 2)):
        run("prepare_dataset.py", sums(seed, 6), "--name", name, "--out", folder / f"datasets/{name}/manifest.json")
    return folder


def generate(results, members, *options, code=0, processes=1):
    benchmarks = [results / f"datasets/{name}/manifest.json" for name in ("one", "two")]
    return run(
        "generate.py", {"members": members}, "--subject", "small", "--suite", "both", "--policy", results / "models/small/manifest.json",
        "--benchmark", *benchmarks, "--out", results / "samples/small/both/manifest.json", *options, code=code, processes=processes,
    )  # fmt: skip


def rows(results, name):
    return list(read_rows(results / f"samples/small/both/{name}/payload/samples.jsonl.gz"))


@pytest.fixture(scope="module")
def first_samples(results):
    """The samples of one member, made once."""
    said = generate(results, {"one.plain.sampled": member("one")})
    assert "to generate: one.plain.sampled" in said
    return results


@pytest.fixture()
def sampled(first_samples, tmp_path):
    """A copy of them that a test may change; nothing in an artifact says where it lies."""
    return Path(shutil.copytree(first_samples, tmp_path / "results"))


def test_every_problem_has_its_samples_in_order_and_the_counts_say_so(sampled):
    found = rows(sampled, "one.plain.sampled")
    problems = [
        json.loads(line)["id"] for line in (sampled / "datasets/one/payload/problems.jsonl").read_text().splitlines()
    ]
    assert [(row["problem"], row["sample"]) for row in found] == [
        (problem, k) for problem in problems for k in range(3)
    ]
    counts = read_manifest(sampled / "samples/small/both/one.plain.sampled/manifest.json").counts
    assert counts == {
        "problems": 6,
        "samples": 18,
        "truncated": sum(row["finish"] == "length" for row in found),
        "tokens": sum(row["tokens"] for row in found),
    }
    assert all(
        0 < row["tokens"] <= 12 and row["mean_logprob"] <= 0 and len(row["prompt_sha256"]) == 16 for row in found
    )


def test_an_added_benchmark_keeps_the_other_members_samples(sampled):
    before = (sampled / "samples/small/both/one.plain.sampled/record.json").read_bytes()
    said = generate(sampled, {"one.plain.sampled": member("one"), "two.plain.sampled": member("two", samples=2)})
    assert "members kept: one.plain.sampled; to generate: two.plain.sampled" in said
    assert (sampled / "samples/small/both/one.plain.sampled/record.json").read_bytes() == before
    assert len(rows(sampled, "two.plain.sampled")) == 12
    parts = read_manifest(sampled / "samples/small/both/manifest.json").parts
    assert sorted(parts) == ["one.plain.sampled", "two.plain.sampled"]


def test_more_samples_of_a_problem_begin_with_those_it_had(sampled):
    before = {(row["problem"], row["sample"]): row["text"] for row in rows(sampled, "one.plain.sampled")}
    generate(sampled, {"one.plain.sampled": member("one", samples=5)})
    after = {(row["problem"], row["sample"]): row["text"] for row in rows(sampled, "one.plain.sampled")}
    assert len(after) == 30 and all(after[key] == text for key, text in before.items())


def test_a_damaged_payload_is_generated_again_to_the_same_bytes(sampled):
    manifest = (sampled / "samples/small/both/one.plain.sampled/manifest.json").read_bytes()
    payload = sampled / "samples/small/both/one.plain.sampled/payload/samples.jsonl.gz"
    whole = payload.read_bytes()
    payload.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "to generate: one.plain.sampled" in generate(sampled, {"one.plain.sampled": member("one")})
    assert payload.read_bytes() == whole
    assert (sampled / "samples/small/both/one.plain.sampled/manifest.json").read_bytes() == manifest


def test_without_changes_no_engine_is_started(sampled):
    weights = sampled / "models/small/payload"
    hidden = weights.rename(weights.parent / "away")
    try:
        said = generate(sampled, {"one.plain.sampled": member("one")})
    finally:
        hidden.rename(weights)
    assert "members kept: one.plain.sampled; to generate: none" in said


def test_a_completion_that_does_not_fit_is_refused_in_one_sentence(results):
    long = member("one", protocol={"temperature": 1.0, "max_tokens": 60})
    said = generate(results, {"one.plain.sampled": long}, code=2)
    assert "more than the model's max_model_len 64" in said and "Traceback" not in said


def test_a_member_that_does_not_fit_is_found_before_any_other_is_sampled(results):
    long = member("two", protocol={"temperature": 1.0, "max_tokens": 60})
    said = generate(results, {"one.plain.unmade": member("one"), "two.plain.long": long}, code=2)
    assert "member `two.plain.long`: the longest prompt has" in said
    assert not (results / "samples/small/both/one.plain.unmade/manifest.json").exists()


def test_a_subject_without_that_checkpoint_and_a_missing_benchmark_are_refused(results):
    said = generate(results, {"three.plain.sampled": member("three")}, code=2)
    assert "--benchmark lacks the manifest of `three`" in said


@pytest.fixture()
def unsampled(results, tmp_path):
    """A copy of the model and the benchmarks, without samples."""
    for name in ("models", "datasets"):
        shutil.copytree(results / name, tmp_path / "results" / name)
    return tmp_path / "results"


BOTH = {"one.plain.sampled": member("one"), "two.plain.sampled": member("two", samples=2)}


@pytest.mark.slow
def test_two_processes_share_the_prompts_and_write_what_one_writes(first_samples, unsampled):
    said = generate(unsampled, BOTH, processes=2)
    assert said.count("members kept: none; to generate: one.plain.sampled, two.plain.sampled") == 1
    assert [line for line in said.splitlines() if "30/30 completion" in line], "one count of all processes"
    assert said.count("30/30 completion") == 1
    assert rows(unsampled, "one.plain.sampled") == rows(first_samples, "one.plain.sampled")
    files = [each / "samples/small/both/one.plain.sampled" for each in (first_samples, unsampled)]
    assert files[0].joinpath("manifest.json").read_bytes() == files[1].joinpath("manifest.json").read_bytes()
    assert len(rows(unsampled, "two.plain.sampled")) == 12
    assert "members kept: one.plain.sampled, two.plain.sampled" in generate(unsampled, BOTH)


@pytest.mark.slow
def test_more_processes_than_problems_are_no_mistake(unsampled):
    few = {"kind": "sums", "problems": 1, "seed": 3, "min_terms": 2, "max_terms": 3}
    out = unsampled / "datasets/one/manifest.json"
    run("prepare_dataset.py", {"problems": {"source": few}}, "--name", "one", "--out", out)
    generate(unsampled, {"one.plain.sampled": member("one")}, processes=2)
    assert [row["sample"] for row in rows(unsampled, "one.plain.sampled")] == [0, 1, 2]


@pytest.mark.slow
def test_a_process_that_fails_leaves_no_artifact(unsampled, tmp_path):
    # the second process dies where it begins to sample; the first waits for its part
    dies = "import os\nif os.environ.get('RANK') == '1':\n    from verizero.rollout.transformers_engine import TransformersEngine\n"
    dies += "    TransformersEngine.generate = lambda *given: os._exit(9)\n"
    program = tmp_path / "dies.py"
    program.write_text(
        f"import runpy, sys\nsys.path[:0] = [{str(ROOT / 'scripts')!r}]\n{dies}"
        f"sys.argv[0] = {str(ROOT / 'scripts/generate.py')!r}\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    benchmarks = [unsampled / f"datasets/{name}/manifest.json" for name in ("one", "two")]
    out = unsampled / "samples/small/both/manifest.json"
    run(
        program, {"members": BOTH}, "--subject", "small", "--suite", "both", "--policy", unsampled / "models/small/manifest.json",
        "--benchmark", *benchmarks, "--out", out, code=1, processes=2,
    )  # fmt: skip
    assert not list(unsampled.joinpath("samples").rglob("manifest.json"))
    generate(unsampled, BOTH)
    assert len(rows(unsampled, "one.plain.sampled")) == 18
