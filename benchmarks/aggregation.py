"""How long `aggregate` takes, and how much memory, for a million graded samples of 100 checkpoints, 6 benchmarks and 5 seeds.

    .venv/jobs/bin/python benchmarks/aggregation.py --folder FOLDER
    .venv/jobs/bin/python benchmarks/aggregation.py --folder FOLDER --checkpoints 10 --problems 20      a quick look

It makes a study of one optimizer whose verdicts are drawn at random (once; a folder that is there is used again), runs
`scripts/aggregate.py` on it in a process of its own, and prints wall time, peak memory and the sizes of the report and the tables. Samples are drawn for base
model and last checkpoint only, which is all that the report shows of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from verizero.artifacts.job import Job
from verizero.artifacts.rows import write_rows
from verizero.config.spec import StudySpec, spec_text
from verizero.config.study import Evaluation, Study

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS, SEEDS, SUITE, PROTOCOL = 6, 5, "six", "sampled"


def main() -> None:
    """Make the study where it is not there, aggregate it, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the results go; 1.5 GB for the default")
    parser.add_argument("--checkpoints", type=int, default=100)
    parser.add_argument("--problems", type=int, default=83, help="of each benchmark")
    parser.add_argument("--samples", type=int, default=4, help="of each problem")
    arguments = parser.parse_args()
    spec = study(arguments.checkpoints)
    results = arguments.folder / "results"
    number = (1 + arguments.checkpoints * SEEDS) * BENCHMARKS * arguments.problems * arguments.samples
    if not results.is_dir():
        make(spec, results, arguments.problems, arguments.samples)
    out = results / "studies" / spec.name / "manifest.json"
    command = [sys.executable, str(ROOT / "scripts" / "aggregate.py"), "--spec", spec_text(spec)]
    begin = time.monotonic()
    subprocess.run(
        [*command, "--results", str(results), "--out", str(out), "--partial"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    took = time.monotonic() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    report = (out.parent / "report.html").stat().st_size / 1e6
    tables = sum(file.stat().st_size for file in (out.parent / "tables").iterdir()) / 1e6
    print("| graded samples | seconds | peak memory, GiB | report, MB | tables, MB |\n|---:|---:|---:|---:|---:|")
    print(f"| {number} | {took:.0f} | {peak:.2f} | {report:.1f} | {tables:.1f} |")


def study(checkpoints: int) -> StudySpec:
    """One optimizer with so many checkpoints and five seeds."""
    asked = Study(
        question="How long does it take to aggregate a large study?",
        models=["model"],
        train_sets=["problems"],
        templates=["plain"],
        optimizers=["grpo"],
        seeds=list(range(1, SEEDS + 1)),
        evaluation=Evaluation(suites=[SUITE], checkpoints="all"),
    )
    steps = [10 * place for place in range(1, checkpoints + 1)]
    return StudySpec(name="large", study=asked, kept_steps={"grpo": steps}, own_template={SUITE: True})


def make(spec: StudySpec, results: Path, problems: int, samples: int) -> None:
    """Every run, every graded suite, and the samples of base model and last checkpoint."""
    sys.argv = ["no-program"]
    draw = np.random.default_rng(0)
    steps = spec.kept_steps["grpo"]
    for run in spec.runs:
        job = Job("run", run.id, {"seed": run.seed}, results / "runs" / run.id / "manifest.json")
        rows = ({"step": step, "reward_mean": draw.random(), "length_mean": 300.0} for step in range(1, steps[-1] + 1))
        (job.staging / "curves.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        job.publish(seeds=[run.seed])
    ease = draw.normal(-1, 2, (BENCHMARKS, problems))
    for cell in tqdm(spec.cells, "graded suites"):
        subject, graded = cell.grades.split("/")[0], {}
        for place in range(BENCHMARKS):
            member = f"benchmark-{place}.plain.{PROTOCOL}"
            gain = 0.0 if cell.step in (0, "best") else cell.step / steps[-1]
            right = draw.random((problems, samples)) < 1 / (1 + np.exp(-ease[place] - gain))[:, None]
            inputs = {}
            if cell.step in (0, steps[-1]):
                inputs["samples"] = results / "samples" / subject / SUITE / member / "manifest.json"
                job = Job("samples", f"{subject}/{SUITE}/{member}", {"samples": samples}, inputs["samples"])
                said = (
                    {"text": "It is so. " * 30 + "\\boxed{1}", "tokens": 90, "finish": "stop"}
                    for _ in range(right.size)
                )
                write_rows(job.staging / "samples.jsonl.gz", _placed(said, samples))
                job.publish()
            graded[member] = results / "grades" / subject / SUITE / member / "manifest.json"
            job = Job("grades", f"{subject}/{SUITE}/{member}", {"grader": "verizero"}, graded[member], inputs)
            verdicts = (
                {
                    "correct": bool(one),
                    "status": "correct" if one else "wrong",
                    "extracted": "1",
                    "rule": "exact",
                    "tokens": 90,
                    "finish": "stop",
                    "boxed": True,
                }
                for one in right.ravel()
            )
            write_rows(job.staging / "grades.jsonl.gz", _placed(verdicts, samples))
            job.publish(counts={"samples": right.size})
        job = Job(
            "suite-grades", cell.grades, {"grader": "verizero"}, results / "grades" / cell.grades / "manifest.json"
        )
        job.publish(parts=graded)


def _placed(rows: object, samples: int) -> list[dict[str, object]]:
    return [{"problem": f"p{place // samples:04}", "sample": place % samples, **row} for place, row in enumerate(rows)]


if __name__ == "__main__":
    main()
