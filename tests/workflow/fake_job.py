"""Stands in for a stage program: an artifact with the real identity and a payload that says only that.

python fake_job.py [scripts/launch.py ... --] scripts/train.py --spec ... --out .../manifest.json ...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if Path(sys.argv[1]).name == "launch.py":
    del sys.argv[1 : sys.argv.index("--") + 1]
program = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(program.parent))
sys.argv = [str(program), *sys.argv[2:]]

from verizero.artifacts.canonical import sha256_text  # noqa: E402
from verizero.artifacts.code import code_digest  # noqa: E402
from verizero.artifacts.job import Job  # noqa: E402
from verizero.artifacts.manifest import open_artifact, read_manifest  # noqa: E402
from verizero.artifacts.members import unchanged  # noqa: E402

KINDS = {
    "prepare_model": "model",
    "pretrain": "model",
    "prepare_dataset": "dataset",
    "overlap": "overlap",
    "train": "run",
    "generate": "suite-samples",
    "grade": "suite-grades",
    "aggregate": "study",
}
options: dict[str, list[str]] = {}
for word in sys.argv[1:]:
    if word.startswith("--"):
        options[word] = []
    else:
        options[list(options)[-1]].append(word)
out = Path(options["--out"][0])
inputs = {
    path: Path(path)
    for values in options.values()
    for path in values
    if path.endswith("manifest.json") and path != str(out)
}
spec = json.loads(options["--spec"][0])
if program.stem == "aggregate":  # it finds its inputs by itself
    from verizero.config.spec import StudySpec, read_spec
    from verizero.evidence.reading import study_inputs

    inputs = study_inputs(read_spec(StudySpec, options["--spec"][0])[0], Path(options["--results"][0]))
name = "/".join(out.parts[2:-1])


def publish(job: Job, files: tuple[str, ...], parts: dict[str, Path] | None = None) -> None:
    """Files that follow from what defines the artifact, and from the salt that a test may have put down."""
    salt = Path("salt").read_text(encoding="utf-8") if Path("salt").is_file() else ""
    for file in files:
        (job.staging / file).parent.mkdir(exist_ok=True)
        text = sha256_text(json.dumps([job.spec, job.inputs, job.code, file, salt]))
        (job.staging / file).write_text(text, encoding="utf-8")
    job.publish(parts=parts)


STEP = f"step-{name.split('/')[0].partition('@')[2]}/"
"""The one of a run's checkpoints that a suite is about."""


def members() -> dict[str, Path]:
    """The members of a suite, those that are unchanged kept, as the real programs do."""
    kind = KINDS[program.stem].removeprefix("suite-")
    found = {}
    for member in spec["members"]:
        place = found[member] = out.parent / member / "manifest.json"
        if kind == "samples":
            own = spec["members"][member]
            benchmark = Path(f"results/datasets/{own['benchmark']}/manifest.json")
            read = {"policy": Path(options["--policy"][0]), "benchmark": benchmark}
        else:
            own = {"grader": spec["grader"]}
            samples = Path(options["--samples"][0]).parent / member / "manifest.json"
            benchmark = Path(f"results/datasets/{read_manifest(samples).spec['benchmark']}/manifest.json")
            read = {"samples": samples, "benchmark": benchmark}
        if not unchanged(place, own, read, code_digest(program)):
            for path in read.values():
                open_artifact(path, (lambda file: file.startswith(STEP)) if path.parts[1] == "runs" else None)
            publish(Job(kind, f"{name}/{member}", own, place, read), (f"{kind}.jsonl",))
    return found


if program.stem in ("generate", "grade"):
    publish(Job(KINDS[program.stem], name, spec, out, inputs), (), members())
else:
    for path in inputs.values():
        if program.stem == "aggregate":
            open_artifact(path, lambda file: file == "curves.jsonl")
            for part in read_manifest(path).parts:
                open_artifact(path.parent / part / "manifest.json")
        else:
            open_artifact(path)
    weights = ("step-120/model.safetensors", "curves.jsonl") if program.stem == "train" else ("said.json",)
    publish(Job(KINDS[program.stem], name, spec, out, inputs), weights)
