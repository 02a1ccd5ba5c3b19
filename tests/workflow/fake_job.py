"""Stands in for a stage program: an artifact with the real identity and a payload that says only that.

python fake_job.py scripts/train.py --spec ... --out .../manifest.json ...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

program = Path(sys.argv[1]).resolve()
sys.path.insert(0, str(program.parent))
sys.argv = [str(program), *sys.argv[2:]]

from verizero.artifacts.canonical import sha256_text  # noqa: E402
from verizero.artifacts.job import Job  # noqa: E402

KINDS = {
    "prepare_model": "model",
    "pretrain": "model",
    "prepare_dataset": "dataset",
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
    from verizero.analysis.reading import study_inputs
    from verizero.config.spec import StudySpec, read_spec

    inputs = study_inputs(read_spec(StudySpec, options["--spec"][0])[0], Path(options["--results"][0]))
job = Job(KINDS[program.stem], str(out.parent), spec, out, inputs)
(job.staging / "said.json").write_text(sha256_text(json.dumps([spec, job.inputs, job.code])), encoding="utf-8")
job.publish()
