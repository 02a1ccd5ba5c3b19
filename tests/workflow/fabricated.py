"""A small study's results made by real `Job`s with weights and completions that were never computed.

What is tested on it is what follows artifacts: DVC, MLflow, audit, restore. Specs, manifests, records, verdicts and tables are real.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from verizero.artifacts.events import EventLog
from verizero.artifacts.job import Job
from verizero.artifacts.rows import write_rows
from verizero.config.expansion import parse_run, parse_subject
from verizero.config.plan import Plan
from verizero.problems.overlap import find_pairs
from verizero.problems.overlap_rows import counts_of, pair_rows, text_rows, write_lines
from verizero.problems.problem import read_problems
from verizero.report.tabulating import tabulate
from verizero.reward.grading import grade_member
from verizero.reward.pool import GradingPool

ROOT = Path(__file__).resolve().parents[2]
NAME = "mini"
STUDY = """question: Does a fabricated study follow the chain?
models: [tiny]
train_sets: [sums]
templates: [plain]
optimizers: [grpo-toy, dr-grpo-toy]
seeds: [1, 2]
evaluation:
  suites: [toy]
  behaviours: true
"""
QUOTED = "A5B2="
"""The text of a problem, which stands in the completions that a run keeps."""


@dataclass(frozen=True)
class Fabricated:
    """A checkout with results.

    Args:
        root: the copy's folder; `results/` lies in it.
    """

    root: Path

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def plan(self) -> Plan:
        return Plan(self.root, {"study": NAME})

    @property
    def table(self) -> Path:
        return self.results / "studies" / NAME / "tables" / "main.csv"

    def manifest(self, *parts: str) -> Path:
        return self.results.joinpath(*parts) / "manifest.json"

    def run_ids(self) -> list[str]:
        return [run.id for run in self.plan.spec.runs]


def fabricate(root: Path, monkeypatch: pytest.MonkeyPatch, salt: str = "") -> Fabricated:
    """Make every artifact of the small study. Another `salt` gives other checkpoints and all that follows from them."""
    for part in ("config", "scripts", "workflow"):
        shutil.copytree(ROOT / part, root / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "config" / "studies" / f"{NAME}.yaml").write_text(STUDY, encoding="utf-8")
    made = Fabricated(root)
    plan = made.plan
    with monkeypatch.context() as patch:
        for name in ("sums-corpus", "sums-id", "sums-ood", "sums"):
            _dataset(made, plan, name, patch)
        _model(made, plan, "tiny-init", "prepare_model", patch, {})
        inputs = {"model": made.manifest("models", "tiny-init"), "dataset": made.manifest("datasets", "sums-corpus")}
        _model(made, plan, "tiny", "pretrain", patch, inputs)
        for name in plan.spec.compared:
            _overlap(made, plan, name, patch)
        for run in made.run_ids():
            _run(made, plan, run, patch, salt)
        with GradingPool("verizero") as pool:  # whole numbers: no worker is started
            for cell in plan.spec.cells:
                _evaluation(made, plan, cell.grades, patch, salt, pool)
        _study(made, plan, patch)
    return made


def _job(
    made: Fabricated,
    plan: Plan,
    stage: str,
    kind: Any,
    name: str,
    id: str,
    out: Path,
    inputs: dict[str, Path],
    patch: pytest.MonkeyPatch,
    spec: Any = None,
) -> Job:
    patch.setattr(sys, "argv", [str(made.root / "scripts" / f"{stage}.py")])
    return Job(kind, id, spec if spec is not None else json.loads(plan.stage_spec(stage, name)), out, inputs)


def _dataset(made: Fabricated, plan: Plan, name: str, patch: pytest.MonkeyPatch) -> None:
    excluded = {other: made.manifest("datasets", other) for other in plan.registry.problem_set(name).exclude}
    job = _job(made, plan, "prepare_dataset", "dataset", name, name, made.manifest("datasets", name), excluded, patch)
    rows = [{"id": f"{name}-{number}", "problem": f"A{number}B2=", "answers": [str(number + 2)]} for number in range(6)]
    (job.staging / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job.publish(counts={"source": 8, "distinct": 7, "problems": 6})


def _overlap(made: Fabricated, plan: Plan, train_set: str, patch: pytest.MonkeyPatch) -> None:
    names = [Path(path).parent.name for path in plan.benchmark_manifests()]
    problems = {
        name: read_problems(made.results / "datasets" / name / "payload" / "problems.jsonl")
        for name in (train_set, *names)
    }
    benchmarks = {name: problems[name] for name in names}
    pairs = find_pairs(problems[train_set], benchmarks)
    id, inputs = f"{NAME}/{train_set}", {f"datasets/{name}": made.manifest("datasets", name) for name in problems}
    job = _job(made, plan, "overlap", "overlap", id, id, made.manifest("overlaps", NAME, train_set), inputs, patch)
    write_lines(job.staging / "pairs.jsonl", pair_rows(pairs))
    write_lines(job.staging / "texts.jsonl", text_rows(pairs))
    job.publish(counts={"train_problems": 6, **counts_of(pairs, benchmarks)})


def _model(
    made: Fabricated, plan: Plan, name: str, stage: str, patch: pytest.MonkeyPatch, inputs: dict[str, Path]
) -> None:
    job = _job(made, plan, stage, "model", name, name, made.manifest("models", name), inputs, patch)
    (job.staging / "config.json").write_text("{}", encoding="utf-8")
    (job.staging / "model.safetensors").write_bytes(hashlib.sha256(name.encode()).digest() * 8)
    job.publish()


def _run(made: Fabricated, plan: Plan, run_id: str, patch: pytest.MonkeyPatch, salt: str) -> None:
    run = parse_run(run_id)
    inputs = {"model": made.manifest("models", run.model), "dataset": made.manifest("datasets", run.train_set)}
    job = _job(made, plan, "train", "run", run_id, run_id, made.manifest("runs", run_id), inputs, patch)
    step = plan.spec.kept_steps[run.optimizer][-1]
    (job.staging / f"step-{step}").mkdir()
    (job.staging / f"step-{step}" / "model.safetensors").write_bytes(
        hashlib.sha256(f"{run_id}{salt}".encode()).digest() * 8
    )
    (job.staging / "rollouts").mkdir()
    (job.staging / "rollouts" / "step-1.parquet").write_text(f"{QUOTED} {run_id}", encoding="utf-8")
    curve = [{"step": number, "reward_mean": number / 4, "length_mean": 40.0 + number} for number in (1, 2, 3)]
    (job.staging / "curves.jsonl").write_text("".join(json.dumps(row) + "\n" for row in curve), encoding="utf-8")
    events = EventLog(job.scratch / "events.jsonl")
    for number in (1, 2, 3):
        events.write(
            number, {"reward": number / 4, "response_length": 40 + number, "entropy": None}, {"rollout_seconds": 0.5}
        )
    job.publish(seeds=[run.seed], beside={"events.jsonl": events.path})


def _evaluation(
    made: Fabricated, plan: Plan, grades: str, patch: pytest.MonkeyPatch, salt: str, pool: GradingPool
) -> None:
    subject_id, suite = grades.split("/")
    subject = parse_subject(subject_id)
    policy = made.manifest("runs", subject.run.id) if subject.run else made.manifest("models", subject.model)
    spec = json.loads(plan.stage_spec("generate", grades))
    samples, graded = {}, {}
    for member, own in spec["members"].items():
        benchmark = made.manifest("datasets", own["benchmark"])
        out = made.manifest("samples", subject_id, suite, member)
        job = _job(
            made,
            plan,
            "generate",
            "samples",
            grades,
            f"{grades}/{member}",
            out,
            {"policy": policy, "benchmark": benchmark},
            patch,
            spec=own,
        )
        pairs = [(problem, sample) for problem in range(6) for sample in range(own.get("samples", 1))]
        said = [
            {
                "problem": f"{own['benchmark']}-{p}",
                "sample": s,
                "text": _response(f"{salt}{subject_id}", own["benchmark"], p, s),
                "tokens": 40 + p + s,
                "finish": "stop",
            }
            for p, s in pairs
        ]
        write_rows(job.staging / "samples.jsonl.gz", said)
        job.publish(
            counts={"problems": 6, "samples": len(said), "truncated": 0, "tokens": sum(row["tokens"] for row in said)}
        )
        samples[member] = out
        out = made.manifest("grades", subject_id, suite, member)
        own_grade = {"grader": json.loads(plan.stage_spec("grade", grades))["grader"]}
        job = _job(
            made,
            plan,
            "grade",
            "grades",
            grades,
            f"{grades}/{member}",
            out,
            {"samples": samples[member], "benchmark": benchmark},
            patch,
            spec=own_grade,
        )
        grade_member(job, samples[member], benchmark, pool)
        graded[member] = out
    benchmarks = {
        f"benchmark/{own['benchmark']}": made.manifest("datasets", own["benchmark"]) for own in spec["members"].values()
    }
    out = made.manifest("samples", subject_id, suite)
    _job(made, plan, "generate", "suite-samples", grades, grades, out, {"policy": policy, **benchmarks}, patch).publish(
        parts=samples
    )
    graded_out = made.manifest("grades", subject_id, suite)
    _job(
        made, plan, "grade", "suite-grades", grades, grades, graded_out, {"samples": out, **benchmarks}, patch
    ).publish(parts=graded)


def _response(subject: str, benchmark: str, problem: int, sample: int) -> str:
    """Right or wrong by chance, the same each time."""
    drawn = int(hashlib.sha256(f"{subject}{benchmark}-{problem}{sample}".encode()).hexdigest(), 16)
    return f"{subject}: \\boxed{{{problem + 2 if drawn % 3 else 99}}}"


def _study(made: Fabricated, plan: Plan, patch: pytest.MonkeyPatch) -> None:
    spec = plan.spec
    inputs = {f"runs/{run.id}": made.manifest("runs", run.id) for run in spec.runs}
    inputs |= {f"grades/{cell.grades}": made.manifest("grades", *cell.grades.split("/")) for cell in spec.cells}
    inputs |= {f"overlaps/{NAME}/{name}": made.manifest("overlaps", NAME, name) for name in spec.compared}
    job = _job(made, plan, "aggregate", "study", NAME, NAME, made.manifest("studies", NAME), inputs, patch)
    for path, text in tabulate(spec, made.results).texts().items():
        (job.staging / path).parent.mkdir(exist_ok=True)
        (job.staging / path).write_text(text, encoding="utf-8")
    (job.staging / "report.html").write_text("<p>A page</p>", encoding="utf-8")
    job.publish()
