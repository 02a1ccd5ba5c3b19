"""A study that measures its runs while they train: what it plans, and what it may not say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.config.describe import recipe_text
from verizero.config.expansion import Subject, parse_run, parse_subject, time_of
from verizero.config.plan import Plan
from verizero.config.problem_sets import Selection
from verizero.config.registry import load_registry, may_share
from verizero.config.spec import TrainSpec, read_spec

ROOT = Path(__file__).resolve().parents[2]
RUN = "tiny.sums.plain.grpo-toy.s1"
HELD_OUT = """sums-validation:
  source:
    kind: sums
    problems: 64
    seed: 5
    min_terms: 3
    max_terms: 5
"""
VALIDATION = """validation:
  benchmark: sums-validation
  protocol: greedy-toy
  every: 20
  problems: 32
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function: the plan of the demo study with something behind it, and with other checkpoints evaluated."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.chdir(tmp_path)
    benchmarks = tmp_path / "config" / "registry" / "benchmarks.yaml"
    benchmarks.write_text(benchmarks.read_text(encoding="utf-8") + HELD_OUT, encoding="utf-8")

    def plan(added: str = "", checkpoints: str = "last") -> Plan:
        file = tmp_path / "config" / "studies" / "demo.yaml"
        text = (ROOT / "config" / "studies" / "demo.yaml").read_text(encoding="utf-8")
        file.write_text(text.replace("checkpoints: last", f"checkpoints: {checkpoints}") + added, encoding="utf-8")
        return Plan(tmp_path)

    return plan


def test_the_spec_of_a_run_holds_the_protocol_and_not_what_is_default(study) -> None:
    spec = json.loads(study(VALIDATION).stage_spec("train", RUN))
    assert spec["validation"] == {
        "benchmark": "sums-validation",
        "every": 20,
        "problems": 32,
        "protocol": {"max_tokens": 128, "temperature": 0.0},
    }
    assert "validation" not in json.loads(study().stage_spec("train", RUN))


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("sums-id", "sums-id", True),
        ("sums-id", "sums-ood", False),
        ("math500-50", "math500", True),
        ("gsm8k-100", "gsm8k", True),
        ("math500", "gsm8k", False),
        ("asdiv-probe", "asdiv-heldout", True),
        ("math500-25", "math500", True),  # a part of a part
        ("asdiv-probe-40", "asdiv-probe", True),
        ("asdiv-probe-40", "asdiv-test", False),
    ],
)
def test_benchmarks_of_one_source_may_share_problems(one: str, other: str, may: bool) -> None:
    registry = load_registry(ROOT / "config")
    assert may_share(registry, one, other) == may_share(registry, other, one) == may


def test_disjoint_shares_of_a_source_share_no_problem() -> None:
    registry = load_registry(ROOT / "config")
    whole = registry.benchmarks["sums-id"]
    for name, seed, low, high in (("a", 1, 0.0, 0.4), ("b", 1, 0.4, 1.0), ("c", 2, 0.4, 1.0)):
        select = Selection(rule="share", seed=seed, low=low, high=high)
        registry.benchmarks[name] = whole.model_copy(update={"select": select})
    assert [may_share(registry, "a", other) for other in "abc"] == [True, False, True]
    part = registry.benchmarks["math500-25"]
    for name, low, high in (("d", 0.0, 0.4), ("e", 0.4, 1.0)):
        select = Selection(rule="share", seed=1, low=low, high=high)
        registry.benchmarks[name] = part.model_copy(update={"select": select})
    assert [may_share(registry, "d", other) for other in ("d", "e", "math500")] == [True, False, True]


def test_a_dry_run_names_the_validation(study) -> None:
    spec = read_spec(TrainSpec, study(VALIDATION + "  keep_best: true\n").stage_spec("train", RUN))[0]
    [line] = [
        line for line in recipe_text(spec.optimizer, spec.validation).splitlines() if line.startswith("validation")
    ]
    assert line.endswith(
        "32 problems of sums-validation × 1 every 20 steps and after the last, temperature 0, graded by verizero; the best weights are kept"
    )
    assert "validation" not in recipe_text(spec.optimizer)


def test_a_run_reads_the_benchmark_and_the_study_makes_it(study) -> None:
    plan = study(VALIDATION)
    manifest = Path("results/datasets/sums-validation/manifest.json")
    jobs = {job.output: job for job in plan.jobs()}
    assert manifest in jobs
    assert manifest in jobs[Path(f"results/runs/{RUN}/manifest.json")].inputs
    assert str(manifest) not in study().targets()


def test_the_best_checkpoint_is_evaluated_under_that_name(study) -> None:
    plan = study(VALIDATION + "  keep_best: true\n", checkpoints="best")
    assert f"results/grades/{RUN}@best/toy/manifest.json" in plan.targets()
    assert not [target for target in plan.targets() if "@120" in target]
    assert [cell.step for cell in plan.spec.cells] == [0] + ["best"] * 6
    assert (
        json.loads(plan.stage_spec("generate", f"{RUN}@best/toy"))["members"]["sums-id.plain.greedy-toy"]["step"]
        == "best"
    )


def test_best_is_a_step_after_every_other() -> None:
    subject = parse_subject(f"{RUN}@best")
    assert subject == Subject("tiny", "plain", parse_run(RUN), "best")
    assert subject.id == f"{RUN}@best"
    assert sorted(["best", 120, 0], key=time_of) == [0, 120, "best"]
    with pytest.raises(UserError, match="must be a step, or `best`"):
        parse_subject(f"{RUN}@last")


@pytest.mark.parametrize(
    ("added", "checkpoints", "words"),
    [
        ("", "best", ["evaluation.checkpoints is `best`", "keep_best: true"]),
        (VALIDATION, "best", ["evaluation.checkpoints is `best`"]),
        (
            VALIDATION.replace("sums-validation", "sums-id") + "  keep_best: true\n",
            "best",
            ["validation.benchmark `sums-id`", "suite `toy` reports", "the same source"],
        ),
        (
            VALIDATION.replace("every: 20", "every: 120") + "  keep_best: true\n",
            "best",
            ["validation.every is 120", "`grpo-toy` has 120 steps"],
        ),
        (VALIDATION.replace("sums-validation", "sums-validatoin"), "last", ["did you mean `sums-validation`?"]),
        (VALIDATION.replace("greedy-toy", "greedy-tyo"), "last", ["validation.protocol", "did you mean `greedy-toy`?"]),
        (VALIDATION + "  samples: 2\n", "last", ["validation.samples is 2", "`greedy-toy` is greedy"]),
        (VALIDATION.replace("greedy-toy", "greedy"), "last", ["up to 3000 tokens", "`tiny`"]),
        (VALIDATION.replace("every: 20", "every: 0"), "last", ["validation.every"]),
    ],
)
def test_a_mistake_is_found_before_any_job(study, added: str, checkpoints: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        study(added, checkpoints)
    for word in [*words, "studies/demo.yaml"]:
        assert word in str(caught.value)
