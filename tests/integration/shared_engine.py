"""Two processes share one vLLM: each samples prompts of its own, before and after an update, and says what it got.

torchrun ... shared_engine.py MODEL_FOLDER OUT_FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "scripts")]

from verizero.policy.load import load_policy  # noqa: E402
from verizero.rollout.engine import Sampling, VllmRuntime  # noqa: E402
from verizero.rollout.start import start_engine  # noqa: E402
from verizero.rollout.world import SharedCount, join_world, leave_world  # noqa: E402

PROMPTS = [[[3, 14, 5], [6, 7, 8, 15], [9, 10]], []]
"""Of each process; the second one's share is empty at first."""


def main() -> None:
    """Sample, update, sample again, with other shares."""
    folder, out = map(Path, sys.argv[1:])
    world, store = join_world(threads=1)
    model, _ = load_policy(folder, "float32")
    runtime = VllmRuntime(tensor_parallel=2, cpu_cache_gib=1)
    engine = start_engine("vllm", folder, "float32", 64, vllm=runtime)
    finished = SharedCount("finished", store)
    engine.progress = lambda completions, tokens: finished.add(completions) and None
    greedy, said = Sampling(0.0, 1.0, 8), []
    for number, place in enumerate((world.rank, 1 - world.rank)):
        if number:
            for parameter in model.parameters():
                parameter.data.mul_(1.5).add_(0.01)
            engine.sleep()
            engine.update(model.named_parameters(remove_duplicate=False))
        asked = PROMPTS[place]
        groups = engine.generate(asked, 2, greedy, list(range(len(asked))))
        said.append([[one.token_ids for one in group] for group in groups])
    embedded = start_engine("transformers", folder, "float32", 64, model=model)
    asked = PROMPTS[1 - world.rank]
    expected = [[one.token_ids for one in group] for group in embedded.generate(asked, 2, greedy, [0] * len(asked))]
    world.wait()
    found = {"said": said, "expected": expected, "finished": finished.add(0)}
    (out / f"{world.rank}.json").write_text(json.dumps(found), encoding="utf-8")
    engine.close()
    leave_world()


main()
