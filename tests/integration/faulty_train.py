"""`scripts/train.py` with a fault of the machine in it: faulty_train.py FAULT OPTIONS..., where the options are the program's.

It says that it is the program, so that what it leaves behind is what the program goes on from.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "scripts" / "train.py"
sys.path[:0] = [str(PROGRAM.parent)]
fault = sys.argv[1]
sys.argv = [str(PROGRAM), *sys.argv[2:]]

import train  # noqa: E402

train.set_threads(1)
train.set_threads = lambda threads: None  # what is harmed below brings torch in, and threads are set before

from verizero.artifacts.errors import UserError, main_program  # noqa: E402
from verizero.rollout.transformers_engine import TransformersEngine  # noqa: E402
from verizero.training import loop  # noqa: E402

if fault == "rank 1 refuses step 2":
    check = loop.check_logprobs

    def refused(responses, learner, limit, step):
        """As on a machine where one rank alone finds something wrong."""
        if step == 2 and os.environ["RANK"] == "1":
            raise UserError("this rank does not go on with step 2; ask it why")
        return check(responses, learner, limit, step)

    loop.check_logprobs = refused
elif fault == "the engine hangs in step 2":
    generate, asked = TransformersEngine.generate, []

    def hangs(self, *arguments):
        """As an engine that waits for something that never comes."""
        asked.append(arguments)
        if len(asked) == 2:
            time.sleep(3600)
        return generate(self, *arguments)

    TransformersEngine.generate = hangs
else:
    raise SystemExit(f"{fault} is no fault")

if __name__ == "__main__":
    main_program(train.as_one(train.main))()
