"""The training loop, from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from verizero.artifacts.events import EventLog
from verizero.artifacts.seeds import derive_seed
from verizero.config.optimizers import Optimizer
from verizero.config.spec import TrainSpec
from verizero.objective.advantage import GROUPED
from verizero.objective.loss import Objective
from verizero.objective.value_loss import explained_variance
from verizero.policy.load import load_policy
from verizero.policy.packed_attention import reads_packed
from verizero.policy.save import save_policy
from verizero.problems.problem import Problem
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted
from verizero.rollout.engine import Engine, Sampling, VllmRuntime
from verizero.rollout.start import start_engine
from verizero.training.advantages import step_advantages, value_targets
from verizero.training.balance import balanced
from verizero.training.batches import updates_of_step
from verizero.training.begun import Begun, load_begun
from verizero.training.checkpoint import GOES_ON, Checkpoints
from verizero.training.clock import Clock
from verizero.training.critic import Critic, critic_of, critic_updates
from verizero.training.divergence import require_finite
from verizero.training.first_sleep import AGAIN, prove_sleep, with_known_level
from verizero.training.full_disk import told_when_full
from verizero.training.history import History
from verizero.training.kept_rollouts import rollout_table
from verizero.training.learner import Learner, Score, TrainRow
from verizero.training.live import LiveLine
from verizero.training.logprob_check import check_logprobs, to_check
from verizero.training.metrics import critic_metrics, refill_metrics, rollout_metrics, update_metrics
from verizero.training.objective import objective_of
from verizero.training.peak_memory import PeakMemory
from verizero.training.prompt_order import chosen_prompts, require_difficulty
from verizero.training.prompts import Prompts
from verizero.training.refill import Round, filled, kept_groups, sampled
from verizero.training.rollouts import Outcome, Outcomes, Response, numbered, outcomes, with_greedy
from verizero.training.saving import Saving
from verizero.training.schedule import frozen_steps, learning_rate_at
from verizero.training.scores import Scores, reward_penalties
from verizero.training.selection import entering, read_by_updates
from verizero.training.signal_watch import SignalWatch
from verizero.training.validation import ACCURACY, UNMEASURED, Validation, accuracies
from verizero.training.walltime import StopRequest
from verizero.training.watchdog import UNWATCHED, Watchdog
from verizero.training.weights import imitation_of, uncertain_tokens, weights_of
from verizero.training.world import World


@dataclass(frozen=True)
class Runtime:
    """How a run is computed; nothing of it changes the result but by the order of float additions."""

    threads: int = 1
    micro_batch_tokens: int = 2048
    save_seconds: float = 120.0
    """State for resuming is saved at least this often, between the updates of a rollout too, and at each kept step."""
    vllm: VllmRuntime = field(default_factory=partial(VllmRuntime, memory_percent=50))
    offload_optimizer: bool = False
    """Master weights and moments in the memory of the CPU."""


def train(
    spec: TrainSpec,
    folder: Path,
    prompts: Prompts,
    checkpoints: Checkpoints,
    world: World,
    stop: StopRequest,
    runtime: Runtime,
    warn: Callable[[str], None] = print,
    validation: Validation | None = None,
    watchdog: Watchdog = UNWATCHED,
) -> bool:
    """Train until the last step, or until it is time to stop; whether the run is complete.

    Everything random is a function of (seed, purpose, step): a run that was killed and goes on from a saved state does
    what it would have done.

    Args:
        folder: the Hugging Face folder of the model to start from, which is also the reference policy.
        warn: takes a sentence, on the first rank.
        validation: what the run is measured on while it trains.
        watchdog: is told where the run is.

    Raises:
        UserError: the engine samples from another policy than the one being trained, a loss or gradient is no number, or the disk
            is full.
    """
    settings, seed = spec.optimizer, spec.seed
    require_difficulty(prompts.problems, settings)
    rollout, objective = settings.rollout, objective_of(settings)
    sampling = Sampling(rollout.temperature, top_p=1.0, max_tokens=rollout.max_tokens, stop=tuple(spec.template.stop))
    greedily = replace(sampling, temperature=0.0) if settings.advantage.baseline == "greedy" else None
    model, tokenizer = load_policy(folder, settings.train_dtype)
    learner = Learner(model, settings, world, runtime.micro_batch_tokens, runtime.offload_optimizer)
    critic = critic_of(folder, settings, world, runtime.micro_batch_tokens, runtime.offload_optimizer)
    frozen = frozen_steps(settings)
    reference = reference_policy(folder, settings, world)
    trained: list[Learner | Critic] = [learner, critic] if critic else [learner]
    found = checkpoints.resume(
        lambda state, universal: [one.load(state, universal) for one in trained if (state / one.held.tag).is_dir()],
        warn,
    )
    done, resumed = (found.step, load_begun(found, checkpoints.state, world)) if found else (0, None)
    own_reach = prompts.longest + rollout.max_tokens
    reach = max(own_reach, validation.reach if validation else 0)
    vllm = with_known_level(runtime.vllm, checkpoints.scratch, world)
    engine = engine_of(learner, folder, reach, own_reach, replace(runtime, vllm=vllm), seed)
    if not prove_sleep(engine, learner, prompts.token_ids, sampling, done + 1, checkpoints.scratch, warn):
        stop.ask(AGAIN)
        return False
    engine.progress = watchdog.beat
    if resumed:
        engine.sleep()  # as it would be between two updates
    log = EventLog(checkpoints.events) if world.first else None
    progress = LiveLine(settings.steps, done) if world.first else None
    memory = PeakMemory(world.device)
    watch = SignalWatch(warn, settings.advantage.baseline in GROUPED)
    if log:
        log.keep_through(done)
        for event in log.events():
            watch.see(event["step"], event["metrics"])
    history = History(checkpoints.history if world.first else None, done)
    history.steps = world.from_first(history.steps)
    accuracy = world.from_first(accuracies(log.events()) if log else {})
    saving = Saving(trained, checkpoints, world, stop, runtime.save_seconds, settings.kept_steps())
    saving.best = validation.best(accuracy) if validation else None
    stop.remember(found.stretches if found else {})

    with (
        closing(engine),
        GradingPool(settings.reward.grader, runtime.threads) as grading,
        GradingPool(validation.how.grader if validation else settings.reward.grader, runtime.threads) as judging,
    ):
        for step in range(done + 1, settings.steps + 1):
            begun = resumed if resumed and step == resumed.step else Begun(step)  # what an earlier start has done of it
            clock = Clock(memory, **{"save": saving.seconds} | begun.seconds)
            watchdog.follow(step, clock)

            rounds = begun.rounds
            while not filled(rounds, rollout.prompts, settings.selection):  # once, unless groups are to be replaced
                again = [len(rounds)] if rounds else []

                clock.phase("sync")  # 1. the engine gets the learner's weights
                engine.update(learner.named_weights())

                clock.phase("generate")  # 2. each rank samples the completions of its share of the step's prompts
                order = derive_seed(seed, "refill", *again) if again else seed
                chosen = chosen_prompts(step, settings, prompts.problems, order, history.steps)
                places = world.share(len(chosen))
                asked = [prompts.token_ids[chosen[place]] for place in places]
                seeds = [derive_seed(seed, "rollout", step, place, *again) for place in places]
                responses = numbered(places, asked, engine.generate(asked, rollout.samples, sampling, seeds))
                greedy = numbered(places, asked, engine.generate(asked, 1, greedily, seeds)) if greedily else []
                engine.sleep()

                clock.phase("check")  # 3. was it the learner's policy that was sampled from?
                checked = Scores(learner, {})
                begun.gap = check_logprobs(to_check(responses, rollout.samples), checked, rollout.max_logprob_gap, step)

                clock.phase("grade")  # 4. rewards, which all ranks then know
                problems = [prompts.problems[chosen[response.number // rollout.samples]] for response in responses]
                draws = [derive_seed(seed, "reward", step, one.number, *again) / 2**63 for one in responses]
                earned = graded(grading, responses, problems, draws, settings)
                if greedy:
                    problems = [prompts.problems[chosen[place]] for place in places]
                    draws = [derive_seed(seed, "greedy reward", step, place, *again) / 2**63 for place in places]
                    earned = with_greedy(earned, graded(grading, greedy, problems, draws, settings), rollout.samples)
                rounds.append(Round(responses, Outcomes(world.gather(earned), rollout.samples), checked.known))
            kept = kept_groups(rounds, rollout.prompts)
            known = kept.known
            enters = entering(known, settings.selection)
            kept = balanced(
                kept, read_by_updates(known, enters, settings, objective), world
            )  # each rank has as much to do
            responses = kept.responses

            clock.phase("score")  # 5. what the divergence takes from the reward, and what a critic expects
            policy = Scores(learner, begun.policy, checked=kept.checked)
            base = Scores(learner, begun.reference, reference)
            penalties = reward_penalties(settings.kl, responses, policy, base)
            if begun.values is None:
                begun.values = critic.values(responses) if critic else {}
            values = begun.values

            clock.phase("advantage")  # 6. over all responses of the step; weights over all of an update
            advantage = step_advantages(settings.advantage, known, responses, penalties, enters, world, values)
            parts = updates_of_step(
                len(known.rows), settings.updates_per_rollout, seed, step, settings.epochs_per_rollout
            )
            parts = parts if step > frozen else []  # the critic alone learns first
            weights = [
                weights_of(part, known, advantage.response, enters, settings.weight, rollout.max_tokens)
                for part in parts
            ]
            counted = settings.reward.truncated == "graded"
            imitated = [imitation_of(part, known, enters, objective.imitation_coefficient, counted) for part in parts]

            clock.phase("score")  # 7. log-probabilities and entropies before the updates, where they are needed
            mine = {r.number: r for r in responses if enters[r.number]}
            uncertain = uncertain_tokens(settings.weight, list(mine.values()), policy, world)
            used = {n: r for n, r in mine.items() if objective.needs_all_tokens or bool(advantage.token[n].any())}
            later = {number for part in parts[1:] for number in part}  # the first update changes their policy
            old = policy.of([used[n] for n in used if n in later]) if later else {}
            referred = base.of(list(used.values())) if reference is not None else {}

            updates = begun.updates  # 8. one optimizer update for each part of the rollout
            for place, (part, weight, imitation) in enumerate(zip(parts, weights, imitated, strict=True)):
                if place < len(updates):
                    continue  # taken before the run was interrupted
                clock.phase("train")
                rows = [
                    train_row(
                        used[n],
                        old.get(n) if place else None,
                        referred.get(n),
                        advantage.token[n],
                        weight[n] * uncertain[n],
                        imitation[n],
                        objective,
                    )
                    for n in part
                    if n in used
                ]
                rate = learning_rate_at((step - 1 - frozen) * len(parts) + place, settings)
                updates.append(learner.update(rows, objective, rate))
                require_finite(updates[-1], rows, step, place, world, checkpoints.scratch, tokenizer.decode)
                if saving.after_update(begun, clock, more=place + 1 < len(parts) or critic is not None):
                    return False

            fits = begun.fits  # 9. the critic's updates, towards what the tokens earned
            explained = None
            if critic:
                clock.phase("critic")
                decay = critic.how.target_lambda
                targets = value_targets(known, responses, penalties, values, settings.advantage.discount, decay)
                explained = explained_variance([values[n] for n in mine], [targets[n] for n in mine], world.sums)
                each = critic_updates(critic, responses, known, enters, values, targets, settings, seed, step)
                for place, (value_rows, rate) in enumerate(each):
                    if place < len(fits):
                        continue
                    clock.phase("critic")
                    fits.append(critic.update(value_rows, rate))
                    require_finite(fits[-1], value_rows, step, place, world, checkpoints.scratch, tokenizer.decode)
                    if saving.after_update(begun, clock, more=place + 1 < len(each)):
                        return False

            measured = UNMEASURED if validation else {}
            if validation and validation.due(step):  # 10. the validation problems; nothing here reaches a weight
                clock.phase("validate")
                engine.update(learner.named_weights())
                measured = validation.measured(engine, judging, world)
                engine.sleep()
                accuracy[step] = float(measured[ACCURACY] or 0.0)

            clock.phase("save")  # 11. the completions and the weights of kept steps
            if step in settings.kept_rollouts:
                table = rollout_table(step, kept, advantage, enters, policy.known, tokenizer)
                checkpoints.keep_rollouts(step, world.gather([table]))
            saving.best = validation.best(accuracy) if validation else None
            keeping = step in settings.kept_steps() or step == saving.best
            if keeping:
                state = {}
                for name, tensor in learner.named_weights(aliases=False):  # all ranks: ZeRO 3 gathers them
                    if world.first:
                        state[name] = tensor.cpu()
                export = partial(save_policy, model, tokenizer, dtype=settings.train_dtype, state=state)
                checkpoints.keep(step, export, sum(tensor.nbytes for tensor in state.values()))
            clock.phase(None)

            everything = sampled(rounds)
            tokens = int(everything.lengths.sum())  # 12. what was measured
            passes = int(known.lengths.sum()) * settings.epochs_per_rollout
            metrics = rollout_metrics(everything, settings.reward) | refill_metrics(rounds, kept, settings.selection)
            metrics |= update_metrics(updates, passes, reference is not None, objective.correction is not None)
            metrics |= critic_metrics(fits, explained) | measured
            gap = begun.gap
            metrics |= {"entropy": gap.entropy, "logprob_gap_mean": gap.mean, "logprob_gap_max": gap.max}
            timing = clock.timing(tokens, world) | {"processes": world.size}
            with told_when_full(f"the history of step {step}", checkpoints.scratch, remedy=GOES_ON):
                history.add(step, everything)
            if log and progress:
                with told_when_full(f"the measurements of step {step}", checkpoints.scratch, remedy=GOES_ON):
                    log.write(step, metrics, timing)
                watch.see(step, metrics)
                progress.show(step, metrics, timing)

            if saving.after_step(step, wanted=keeping) and step < settings.steps:  # 13. a state to go on from
                return False
    return True


def reference_policy(folder: Path, settings: Optimizer, world: World) -> Any:
    """The base model, frozen, where the objective needs it; whole on each rank."""
    if settings.kl.coefficient == 0:
        return None
    model = load_policy(folder, settings.train_dtype)[0].requires_grad_(False)
    return reads_packed(model).to(world.device)


def engine_of(learner: Learner, folder: Path, reach: int, own_reach: int, runtime: Runtime, seed: int) -> Engine:
    """The engine of this rank; the embedded one samples from the learner's own tensors, unless ZeRO 3 shards them.

    Args:
        reach: longest prompt plus completion, in tokens.
        own_reach: the same without the validation's.
    """
    rollout, rank = learner.settings.rollout, learner.world.rank
    shared = learner.module if learner.settings.zero_stage < 3 else None
    # those that share a vLLM must sample alike
    own_seed = derive_seed(seed, "engine", rank // runtime.vllm.tensor_parallel) % 2**31
    return start_engine(
        rollout.engine,
        folder,
        rollout.dtype,
        reach,
        runtime.threads,
        own_seed,
        shared,
        usual_length=own_reach,
        vllm=runtime.vllm,
        beside_learner=True,
    )


def graded(
    grading: GradingPool,
    responses: Sequence[Response],
    problems: Sequence[Problem],
    draws: Sequence[float],
    settings: Optimizer,
) -> list[Outcome]:
    """What each response earns for its problem."""
    pairs = [(Accepted.of(one), each.completion.text) for one, each in zip(problems, responses, strict=True)]
    ids, verdicts = [one.id for one in problems], grading.grade_all(pairs)
    return outcomes(responses, ids, verdicts, draws, settings.reward, settings.rollout.max_tokens)


def train_row(
    response: Response,
    old: Score | None,
    reference: Score | None,
    advantage: Tensor,
    weight: Tensor,
    imitation: float,
    objective: Objective,
) -> TrainRow:
    """A response as an update sees it."""
    return TrainRow(
        response.prompt,
        response.tokens,
        old.logprobs if old else None,
        reference.logprobs if reference else None,
        advantage,
        weight,
        torch.tensor(response.completion.logprobs) if objective.correction else None,
        imitation,
    )
