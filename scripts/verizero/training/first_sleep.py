"""Does the engine come back from its sleep as it was? Asked once, before anything is sampled that is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from verizero.artifacts.seeds import derive_seed
from verizero.rollout.engine import Engine, Sampling
from verizero.training.learner import Learner
from verizero.training.logprob_check import LogprobGap, logprob_gap, require_close
from verizero.training.rollouts import numbered

PROMPTS, TOKENS = 4, 32
"""What is sampled for the question: prompts of each rank, and tokens of a completion at most."""


def prove_sleep(
    engine: Engine,
    learner: Learner,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    step: int,
    warn: Callable[[str], None],
) -> None:
    """Let an engine that throws its weights away sleep, wake and sample; where it says nonsense, let it keep them from now on.

    Sleep level 2 also drops what a model computes when it is loaded, which no update brings back where vLLM does not know of it
    (NeMo-RL issue 2631): rollouts then turn to garbage. All ranks call this together.

    Args:
        step: the next one, for the error.
        warn: takes a sentence, on the first rank.

    Raises:
        UserError: the engine's log-probabilities are off with sleep level 1 as well.
    """
    if engine.sleep_level < 2:
        return
    limit = learner.settings.rollout.max_logprob_gap
    gap = _gap_after_sleep(engine, learner, prompts, sampling)
    if gap.mean <= limit:
        return
    if learner.world.first:
        warn(
            f"after a sleep of level 2 the engine's log-probabilities differ from the learner's by {gap.mean:.4f} nats on average, so from "
            "now on it sleeps at level 1, which keeps its weights in the host's memory"
        )
    engine.keep_weights_asleep()
    require_close(_gap_after_sleep(engine, learner, prompts, sampling), limit, step)


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
