"""Does the engine come back from its sleep as it was? Asked once, before anything is sampled that is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from verizero.artifacts.files import write_atomic
from verizero.artifacts.seeds import derive_seed
from verizero.rollout.engine import Engine, Sampling, VllmRuntime
from verizero.training.learner import Learner
from verizero.training.logprob_check import LogprobGap, logprob_gap, require_close
from verizero.training.rollouts import numbered
from verizero.training.world import World

PROMPTS, TOKENS = 4, 32
"""What is sampled for the question: prompts of each rank, and tokens of a completion at most."""
LIGHT = "sleep-level-1"
"""In the run's scratch folder: the deeper sleep was tried and loses something."""
AGAIN = "the engine must start anew, to sleep at level 1"


def with_known_level(runtime: VllmRuntime, scratch: Path, world: World) -> VllmRuntime:
    """Sleep at level 1 where an earlier start of this run has found that level 2 loses something."""
    return replace(runtime, sleep_level=1) if world.from_first((scratch / LIGHT).exists()) else runtime


def prove_sleep(
    engine: Engine,
    learner: Learner,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    step: int,
    scratch: Path,
    warn: Callable[[str], None],
) -> bool:
    """Let an engine sleep, wake and sample; whether it is still the learner's policy that it samples from.

    Sleep level 2 also drops what a model computes when it is loaded, which no update brings back where vLLM does not know of it
    (NeMo-RL issue 2631): rollouts then turn to garbage. A vLLM that ends takes the process group with it, so the run ends where that is found,
    and begins at level 1 when it is started again. All ranks call this together.

    Args:
        step: the next one, for the error.
        scratch: where the finding is kept.
        warn: takes a sentence, on the first rank.

    Raises:
        UserError: the engine's log-probabilities are off with sleep level 1 as well.
    """
    if engine.sleep_level == 0:
        return True
    limit = learner.settings.rollout.max_logprob_gap
    gap = _gap_after_sleep(engine, learner, prompts, sampling)
    if engine.sleep_level == 1:
        require_close(gap, limit, step)
    if gap.mean <= limit:
        return True
    if learner.world.first:
        write_atomic(scratch / LIGHT, "")
        warn(
            f"after a sleep of level 2 the engine's log-probabilities differ from the learner's by {gap.mean:.4f} nats on average, so this run "
            "begins anew with level 1, which keeps the engine's weights in the host's memory"
        )
    learner.world.wait()
    return False


def _gap_after_sleep(engine: Engine, learner: Learner, prompts: Sequence[list[int]], sampling: Sampling) -> LogprobGap:
    engine.sleep()
    engine.update(learner.named_weights())
    asked = list(prompts[:PROMPTS])
    seeds = [derive_seed(0, "first sleep", place) for place in range(len(asked))]
    few = replace(sampling, max_tokens=min(sampling.max_tokens, TOKENS))
    responses = numbered(range(len(asked)), asked, engine.generate(asked, 1, few, seeds))
    engine.sleep()
    scores = learner.score([(response.prompt, response.tokens) for response in responses])
    return logprob_gap(responses, scores, learner.world)
