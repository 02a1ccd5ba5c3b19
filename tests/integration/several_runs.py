"""Train several recipes one after the other on the processes that torchrun started.

torchrun ... several_runs.py MODEL DATASET FOLDER '{"a run": {"zero_stage": 2}, ...}'
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "scripts")]

from training_inputs import run_of  # noqa: E402

from verizero.training.world import leave_world, start_world  # noqa: E402

model, dataset, folder, cases = sys.argv[1:]
world = start_world(threads=1)
for name, changes in json.loads(cases).items():
    run_of((Path(model), Path(dataset)), Path(folder) / name, world, **changes)
    world.wait()
leave_world()
