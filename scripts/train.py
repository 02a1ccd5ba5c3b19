"""Train a model by reinforcement learning on problems whose answers can be checked.

    python scripts/train.py --spec "$(python scripts/spec.py train tiny.sums.plain.grpo-toy.s1)" --run tiny.sums.plain.grpo-toy.s1 \
        --model results/models/tiny/manifest.json --dataset results/datasets/sums/manifest.json \
        --out results/runs/tiny.sums.plain.grpo-toy.s1/manifest.json
    torchrun --standalone --nproc-per-node 2 -- scripts/train.py ...      # the `--` keeps torchrun from reading --run
    python scripts/train.py --dry --spec "$(python scripts/spec.py train tiny.sums.plain.grpo-toy.s1)"
    python scripts/train.py --dry --spec ... --model DIR --processes 8 --gpu-memory 80       # will it fit?

With `--dry` and `--model`, a manifest or any folder with a config.json, it also says how much memory each process takes by part, and for
GPUs of a size whether that fits and what to change where it does not, what costs least time first. Weights need not be there.

The payload is a Hugging Face folder `step-<n>/` for each kept step, `step-best/` where a validation chooses one,
`curves.jsonl`, one line of measurements a step, and `rollouts/step-<n>.parquet`, one row a completion, for each step in the
optimizer's `kept_rollouts`. `events.jsonl` beside the manifest says also how long everything took. A run that is killed goes on
from its last saved state when it is started again, with the same result, bit for bit on a CPU; where that state is broken, from the one
before. At the time limit, or on SIGTERM or SIGUSR1, it saves its state, also between two updates of a step, and ends with exit code 75:
start it again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.events import CURVES_FILE, EVENTS_FILE, HISTORY_FILE, read_events
from verizero.artifacts.files import write_atomic
from verizero.artifacts.job import EXIT_RESUME, Job
from verizero.artifacts.manifest import open_artifact, payload_folder, read_manifest
from verizero.config.describe import recipe_text
from verizero.config.fit import memory_text
from verizero.config.memory import Placement
from verizero.config.model_shape import read_shape
from verizero.config.optimizers import Optimizer
from verizero.config.spec import TrainSpec, read_spec
from verizero.problems.problem import read_problems
from verizero.rollout.options import add_vllm_options, vllm_runtime
from verizero.rollout.threads import set_threads
from verizero.training.faults import as_one


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="TrainSpec as JSON, or @FILE")
    parser.add_argument("--dry", action="store_true", help="say what the run would do, axis by axis, and stop")
    parser.add_argument("--processes", type=int, default=1, help="with --dry: as many, one on each GPU")
    parser.add_argument("--gpu-memory", type=float, metavar="GIB", help="with --dry: of each GPU")
    required = [
        parser.add_argument("--run", help="the run's id"),
        parser.add_argument(
            "--model", type=Path, help="manifest.json of the model to start from; with --dry also its folder"
        ),
        parser.add_argument("--dataset", type=Path, help="manifest.json of the training set"),
        parser.add_argument("--out", type=Path, help="where the run's manifest.json goes"),
    ]
    parser.add_argument(
        "--validation",
        type=Path,
        nargs="*",
        default=[],
        help="manifest.json of the benchmark that the run is measured on, where the spec has a validation",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process")
    parser.add_argument(
        "--micro-batch-tokens",
        type=int,
        default=2048,
        help="tokens of a micro-batch; a prompt counts once for its responses in it",
    )
    parser.add_argument(
        "--offload-optimizer",
        type=int,
        choices=(0, 1),
        nargs="?",
        default=0,
        const=1,
        help="keep master weights and moments in the memory of the CPU, and compute the update there (0: no, the default)",
    )
    parser.add_argument(
        "--minutes", type=float, help="save, and end with exit code 75, before so much wall time has passed"
    )
    parser.add_argument(
        "--save-seconds", type=float, default=120.0, help="save the state for resuming at least this often"
    )
    add_vllm_options(parser, memory_percent=50)
    parser.add_argument(
        "--stall-minutes", type=float, default=60.0, help="end a run that makes no progress for so long; 0: never"
    )
    options = parser.parse_args()
    absent = [argument.option_strings[0] for argument in required if getattr(options, argument.dest) is None]
    if absent and not options.dry:
        parser.error(f"without --dry, {', '.join(absent)} must be given")
    return options


def kept_by(optimizer: Optimizer, best: int | None) -> dict[str, int | str]:
    """For the manifest's counts: the rule that kept each folder of weights, and the step that was best."""
    found: dict[str, int | str] = {}
    for step in optimizer.kept_steps():
        rules = ["named"] if step in optimizer.checkpoints else []
        if optimizer.checkpoints_every and step % optimizer.checkpoints_every == 0:
            rules.append(f"every {optimizer.checkpoints_every}")
        found[f"step-{step} kept by"] = ", ".join(rules + (["last"] if step == optimizer.steps else []))
    if best:
        found |= {"step-best kept by": "best validation_accuracy", "best step": best}
    return found


def memory_said(recipe: Optimizer, options: argparse.Namespace) -> str:
    """The estimate of memory for the model that is named by its manifest or its folder."""
    from verizero.policy.logprobs import CHUNK_LOGITS

    folder = options.model
    if folder.is_file():
        folder = payload_folder(folder, read_manifest(folder).kind)
    where = Placement(
        options.processes,
        options.micro_batch_tokens,
        bool(options.offload_optimizer),
        on_gpu=options.gpu_memory is not None,
        gpu_gib=options.gpu_memory,
        engine_share=options.vllm_memory_percent / 100,
        tensor_parallel=options.vllm_tensor_parallel,
    )
    return memory_text(read_shape(folder), recipe, where, CHUNK_LOGITS)


def main() -> int:
    """Check the inputs, train, publish."""
    options = arguments()
    spec, plain = read_spec(TrainSpec, options.spec)
    if options.dry:
        print(recipe_text(spec.optimizer, spec.validation), end="")
        if options.model:
            print("\n" + memory_said(spec.optimizer, options), end="")
        return 0
    folder = open_artifact(options.model)[1]
    problems_folder = open_artifact(options.dataset)[1]
    problems = read_problems(problems_folder / "problems.jsonl")
    if not problems:
        raise UserError(f"{options.dataset}: the training set holds no problem")
    if len(options.validation) != (1 if spec.validation else 0):
        raise UserError(
            "the spec has a validation, so --validation must name its benchmark's manifest"
            if spec.validation
            else "--validation is given, but the spec has no validation; leave it out"
        )
    inputs = {"model": options.model, "dataset": options.dataset}
    if options.validation:
        inputs["validation"] = options.validation[0]

    set_threads(options.threads)
    from verizero.training.checkpoint import Checkpoints
    from verizero.training.history import history_text
    from verizero.training.live import closing_line
    from verizero.training.loop import Runtime, train
    from verizero.training.prompts import readable_prompts
    from verizero.training.schedule import frozen_steps
    from verizero.training.validation import accuracies, require_unseen, validation_of
    from verizero.training.walltime import StopRequest
    from verizero.training.watchdog import Watchdog
    from verizero.training.world import leave_world, start_world

    stop = StopRequest(options.minutes).listen()
    watchdog = Watchdog(options.stall_minutes).start()
    world = start_world(options.threads)
    job = Job("run", options.run, plain, options.out, inputs=inputs) if world.first else None
    prompts = readable_prompts(problems, spec.template, folder, spec.optimizer)
    if prompts.too_long and job:
        limit = spec.optimizer.rollout.max_prompt_tokens
        job.warn(f"{prompts.too_long} of {len(problems)} prompts are longer than {limit} tokens and were left out")
    validation = None
    if spec.validation:
        benchmark = read_problems(open_artifact(options.validation[0])[1] / "problems.jsonl")
        require_unseen(benchmark, problems)
        steps, begin = spec.optimizer.steps, frozen_steps(spec.optimizer)
        validation = validation_of(spec.validation, benchmark, spec.template, folder, steps, begin)
    checkpoints = Checkpoints(world.from_first(job.scratch if job else Path()), world)
    if world.size > 1:
        watchdog.share(checkpoints.scratch / "progress")
    runtime = Runtime(
        options.threads,
        options.micro_batch_tokens,
        options.save_seconds,
        vllm_runtime(options),
        offload_optimizer=bool(options.offload_optimizer),
    )
    say = job.warn if job else print
    complete = train(spec, folder, prompts, checkpoints, world, stop, runtime, say, validation, watchdog)
    leave_world()
    watchdog.stop()

    if not complete:
        print(f"stopped ({stop.reason}); the state is saved, start the same command again to go on", file=sys.stderr)
        return job.pause() if job else EXIT_RESUME
    if not job:
        return 0
    events = read_events(checkpoints.events)
    print(closing_line([event["timing"] for event in events]), file=sys.stderr)
    best = validation.best(accuracies(events)) if validation else None
    for step in spec.optimizer.kept_steps():
        checkpoints.place(step, job.staging)
    if best:
        checkpoints.place(best, job.staging, "step-best")
    for step in set(spec.optimizer.kept_rollouts):
        checkpoints.place_rollouts(step, job.staging)
    write_atomic(
        job.staging / CURVES_FILE,
        "".join(json.dumps({"step": event["step"], **event["metrics"]}, allow_nan=False) + "\n" for event in events),
    )
    steps = [(event["step"], event["metrics"]) for event in read_events(checkpoints.history)]
    write_atomic(job.staging / HISTORY_FILE, history_text(steps, [problem.id for problem in prompts.problems]))
    job.publish(
        counts={
            "steps": len(events),
            "prompts": len(prompts.problems),
            "prompts_too_long": prompts.too_long,
            "completions": len(events) * spec.optimizer.rollout.prompts * spec.optimizer.rollout.samples
            + sum(
                event["metrics"].get(extra, 0)
                for event in events
                for extra in ("extra_completions", "greedy_completions")
            ),
            "tokens": sum(event["metrics"]["tokens"] for event in events),
            **kept_by(spec.optimizer, best),
        },
        seeds=[spec.seed],
        beside={EVENTS_FILE: checkpoints.events},
    )
    return 0


if __name__ == "__main__":
    main_program(as_one(main))()
