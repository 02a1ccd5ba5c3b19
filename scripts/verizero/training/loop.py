"""The training loop, from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from verizero.artifacts.errors import UserError
from verizero.artifacts.events import EventLog
from verizero.artifacts.seeds import derive_seed
from verizero.config.optimizers import Optimizer, Template
from verizero.config.spec import TrainSpec
from verizero.objective.advantage import advantages
from verizero.objective.loss import Objective
from verizero.objective.weight import token_weights
from verizero.policy.load import load_policy, load_tokenizer, max_positions
from verizero.policy.prompts import prompt_token_ids
from verizero.policy.save import save_policy
from verizero.problems.problem import Problem
from verizero.reward.pool import GradingPool
from verizero.rollout.engine import Sampling
from verizero.rollout.start import start_engine
from verizero.training.batches import prompts_of_step, updates_of_step
from verizero.training.checkpoint import Checkpoints
from verizero.training.learner import Learner, TrainRow, learning_rate_at
from verizero.training.logprob_check import logprob_gap, require_close, to_check
from verizero.training.metrics import rollout_metrics, update_metrics
from verizero.training.progress import Clock, Progress
from verizero.training.rollouts import Outcomes, Response, numbered, outcomes
from verizero.training.walltime import StopRequest
from verizero.training.world import World


@dataclass(frozen=True)
class Runtime:
    """How a run is computed; nothing of it changes the result but by the order of float additions."""

    threads: int = 1
    micro_batch_tokens: int = 8192
    save_seconds: float = 120.0
    """State for resuming is saved at least this often, and at each kept step."""


@dataclass(frozen=True)
class Prompts:
    """The problems that a run trains on, those with too long a prompt left out."""

    problems: list[Problem]
    token_ids: list[list[int]]
    too_long: int


def train(
    spec: TrainSpec,
    folder: Path,
    prompts: Prompts,
    checkpoints: Checkpoints,
    world: World,
    stop: StopRequest,
    runtime: Runtime,
) -> bool:
    """Train until the last step, or until it is time to stop; whether the run is complete.

    Everything random is a function of (seed, purpose, step): a run that was killed and goes on from a saved state does
    what it would have done.

    Raises:
        UserError: the engine samples from another policy than the one being trained.
    """
    settings, seed = spec.optimizer, spec.seed
    rollout, objective = settings.rollout, objective_of(settings)
    model, tokenizer = load_policy(folder, settings.train_dtype)
    reference = (
        load_policy(folder, settings.train_dtype)[0].to(world.device).requires_grad_(False)
        if objective.kl_coefficient
        else None
    )
    learner = Learner(model, settings, world, runtime.micro_batch_tokens)
    done = checkpoints.resume(learner.load)
    log = EventLog(checkpoints.events) if world.first else None
    if log:
        log.keep_through(done)
    shared: Any = learner.module if settings.zero_stage < 3 else None
    engine = start_engine(
        rollout.engine,
        folder,
        rollout.dtype,
        rollout.max_prompt_tokens + rollout.max_tokens,
        runtime.threads,
        derive_seed(seed, "engine", world.rank) % 2**31,
        shared,
    )
    sampling = Sampling(
        temperature=rollout.temperature, max_tokens=rollout.max_tokens, top_p=1.0, stop=tuple(spec.template.stop)
    )
    progress, saved_at, saving = Progress(settings.steps, done, world.first), time.monotonic(), 0.0
    stopping = False

    with GradingPool(settings.reward.grader, runtime.threads) as grading:
        for step in range(done + 1, settings.steps + 1):
            clock = Clock(save=saving)  # the state was saved after the last step's line was written

            clock.phase("sync")  # 1. the engine gets the learner's weights
            engine.wake()
            engine.update(learner.named_weights())

            clock.phase("generate")  # 2. each rank samples the completions of its share of the prompts
            chosen = prompts_of_step(step, rollout.prompts, len(prompts.problems), seed)
            places = world.share(len(chosen))
            mine = [prompts.token_ids[chosen[place]] for place in places]
            seeds = [derive_seed(seed, "rollout", step, place) for place in places]
            responses = numbered(places, mine, engine.generate(mine, rollout.samples, sampling, seeds))
            engine.sleep()

            clock.phase("check")  # 3. is it the learner's policy that was sampled from?
            checked = to_check(responses, rollout.samples)
            gap = logprob_gap(
                checked, learner.score([(response.prompt, response.tokens) for response in checked]), world
            )
            require_close(gap, rollout.max_logprob_gap, step)

            clock.phase("grade")  # 4. rewards, known to all ranks
            golds = [prompts.problems[chosen[response.number // rollout.samples]].answers for response in responses]
            verdicts = grading.grade_all(
                [(gold, response.completion.text) for gold, response in zip(golds, responses, strict=True)]
            )
            known = Outcomes(world.gather(outcomes(responses, verdicts, settings.reward)), rollout.samples)

            clock.phase("advantage")  # 5. advantages over all responses, weights over all responses of an update
            advantage = advantages(
                known.rewards,
                known.groups,
                settings.advantage.baseline,
                settings.advantage.scale,
                settings.advantage.epsilon,
            ).tolist()
            parts = updates_of_step(len(known.rows), settings.updates_per_rollout, seed, step)
            weight = [0.0] * len(known.rows)
            for part in parts:
                for number, value in zip(
                    part,
                    token_weights(
                        known.lengths[part], settings.weight.kind, settings.weight.length or rollout.max_tokens
                    ).tolist(),
                    strict=True,
                ):
                    weight[number] = value

            clock.phase("score")  # 6. log-probabilities before the updates; responses without influence need none
            used = {
                response.number: response
                for response in responses
                if objective.needs_all_tokens or advantage[response.number] != 0
            }
            stale = [used[number] for part in parts[1:] for number in part if number in used]
            old = log_probabilities(learner, stale) if len(parts) > 1 else {}
            referred = log_probabilities(learner, list(used.values()), reference) if reference is not None else {}

            clock.phase("train")  # 7. one optimizer update for each part of the rollout
            updates = []
            for part in parts:
                rows = [
                    TrainRow(used[n].prompt, used[n].tokens, old.get(n), referred.get(n), advantage[n], weight[n])
                    for n in part
                    if n in used
                ]
                rate = learning_rate_at(
                    (step - 1) * len(parts) + len(updates), settings.learning_rate, settings.warmup_steps
                )
                updates.append(learner.update(rows, objective, rate))

            clock.phase("log")  # 8. what was measured
            metrics = rollout_metrics(known, settings.reward)
            metrics |= update_metrics(updates, int(known.lengths.sum()), reference is not None)
            metrics |= {"entropy": gap.entropy, "logprob_gap_mean": gap.mean, "logprob_gap_max": gap.max}
            clock.phase("save")  # 9. weights of the kept steps; state to go on from
            kept = step in settings.kept_steps()
            stop.step_done()
            stopping, save = map(
                bool, world.maxima([stop.due(), kept or time.monotonic() - saved_at >= runtime.save_seconds])
            )
            if kept:
                weights = {name: tensor.cpu() for name, tensor in learner.named_weights(aliases=False)}
                checkpoints.keep(
                    step, partial(save_policy, model, tokenizer, dtype=settings.train_dtype, weights=weights)
                )
            clock.phase(None)
            timing = clock.timing(int(known.lengths.sum()))
            if log:
                log.write(step, metrics, timing)
            progress.step(step, metrics["reward_mean"], timing["tokens_per_second"])
            begin, saving = time.monotonic(), 0.0
            if save or stopping:
                checkpoints.save(step, learner.save)
                saved_at = time.monotonic()
                saving = saved_at - begin
            if stopping:
                break
    progress.close()
    engine.close()
    return not stopping or step == settings.steps


def readable_prompts(problems: Sequence[Problem], template: Template, folder: Path, settings: Optimizer) -> Prompts:
    """The prompts that are not too long.

    Raises:
        UserError: none is left, or the model cannot read the longest of them with its completion.
    """
    tokenizer = load_tokenizer(folder)
    limit, answer = settings.rollout.max_prompt_tokens, settings.rollout.max_tokens
    pairs = [(problem, prompt_token_ids(tokenizer, template, problem.problem)) for problem in problems]
    kept = [(problem, ids) for problem, ids in pairs if len(ids) <= limit]
    if not kept:
        raise UserError(f"none of the {len(problems)} prompts has at most rollout.max_prompt_tokens = {limit} tokens")
    longest = max(len(ids) for _, ids in kept)
    if longest + answer > (positions := max_positions(folder)):
        raise UserError(
            f"the longest prompt has {longest} tokens and rollout.max_tokens is {answer}, but the model reads {positions} in all; "
            f"lower rollout.max_tokens or rollout.max_prompt_tokens"
        )
    return Prompts([problem for problem, _ in kept], [ids for _, ids in kept], len(pairs) - len(kept))


def objective_of(settings: Optimizer) -> Objective:
    """The objective that an optimizer's file describes."""
    return Objective(
        surrogate=settings.surrogate.kind,
        clip_low=settings.surrogate.clip_low,
        clip_high=settings.surrogate.clip_high,
        kl_coefficient=settings.kl.coefficient,
        kl_estimator=settings.kl.estimator,
        entropy_coefficient=settings.entropy_coefficient,
    )


def log_probabilities(learner: Learner, responses: Sequence[Response], model: Any = None) -> dict[int, Tensor]:
    """Log-probabilities of responses by their number, under the learner's policy or another model."""
    scores = learner.score([(response.prompt, response.tokens) for response in responses], model)
    return {response.number: score.logprobs for response, score in zip(responses, scores, strict=True)}
