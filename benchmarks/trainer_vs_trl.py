"""The same GRPO steps by TRL's trainer and by ours, in turn on this machine: time for a sampled token, and peak memory.

    python scripts/prepare_model.py --spec "$(python scripts/spec.py prepare_model smollm2-135m-instruct)" \
        --name smollm2-135m-instruct --out results/models/smollm2-135m-instruct/manifest.json
    OMP_NUM_THREADS=2 .venv/jobs/bin/python benchmarks/trainer_vs_trl.py --model results/models/smollm2-135m-instruct/payload

Both take the same model, questions, number of completions, longest completion and updates (one for each rollout, 1e-6, no KL),
and neither checkpoints gradients. Both train float32 master weights, also where they compute in bfloat16: weights in bfloat16 alone would
take no step as small as these. The reward is 1 for a random half of the completions, so that neither finds a group to skip. Each
arm is a process of its own, so that its peak memory is its own: the resident set, with everything that it imports. The first step, which
prepares kernels, is left out of the times; tokens are counted where they are sampled. The arms come in turn, `--rounds` times, and the
fastest round of each counts: what else runs on a machine only slows down. The memory is that of a step with as
many completions of `--memory-tokens` tokens, which end only there, as TRL holds in one micro-batch. Ours are cut into micro-batches of
`--micro-batch-tokens`, as always; in a second measurement they are in one, like TRL's. The last line is made for machines to read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "scripts")]

THINGS = ("apples", "pens", "cards", "books", "coins", "stamps", "shells", "cups")
NAMES = ("Tom", "Ann", "Ben", "Eva", "Max", "Lea", "Sam", "Mia")
ARMS = {
    "trl float32": ("trl", "float32", "transformers"),
    "ours float32": ("ours", "float32", "transformers"),
    "trl bfloat16": ("trl", "bfloat16", "transformers"),
    "ours bfloat16": ("ours", "bfloat16", "transformers"),
    "ours vllm": ("ours", "bfloat16", "vllm"),
}
SHOTS = "".join(
    f"Question: {name} has {a} {thing} and buys {b} more. How many {thing} does {name} have?\nAnswer: {a} + {b} = {a + b}.\n\n"
    for name, thing, a, b in (("Jon", "hats", 3, 4), ("Ida", "rings", 12, 5), ("Leo", "bags", 6, 30))
)


def questions(count: int, shots: bool) -> list[tuple[str, str]]:
    """Word problems with their answers, of about 30 tokens; with three solved ones before each, of about 130."""
    found = []
    for number in range(count):
        name, thing, a, b = NAMES[number % 8], THINGS[number // 8 % 8], 11 + 7 * number % 83, 5 + 5 * number % 47
        text = f"Question: {name} has {a} {thing} and buys {b} more. How many {thing} does {name} have now?\nAnswer:"
        found.append(((SHOTS if shots else "") + text, str(a + b)))
    return found


def peak_gib() -> float:
    """The most memory that this process has had at once, in GiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20


def trl_arm(options: argparse.Namespace, dtype: str) -> dict[str, Any]:
    """TRL's trainer: seconds and sampled tokens of each step."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(options.threads)
    tokens: list[int] = []
    ends: list[float] = []

    draw = random.Random(1)

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        tokens.append(sum(len(one) for one in completion_ids))
        return [float(draw.random() < 0.5) for _ in completion_ids]

    class Watch(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    asked = questions(options.prompts * options.steps, options.shots)
    completions = options.prompts * options.samples
    with tempfile.TemporaryDirectory() as folder:
        settings = GRPOConfig(
            output_dir=folder,
            use_cpu=not torch.cuda.is_available(),
            bf16=dtype == "bfloat16",
            model_init_kwargs={"dtype": "float32"},  # TRL's default
            per_device_train_batch_size=options.trl_batch,
            gradient_accumulation_steps=max(1, completions // options.trl_batch),
            num_generations=options.samples,
            max_completion_length=options.max_tokens,
            max_steps=options.steps,
            learning_rate=1e-6,
            beta=0.0,
            gradient_checkpointing=False,
            shuffle_dataset=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            generation_kwargs={"min_new_tokens": options.max_tokens} if options.never_ending else None,
        )
        GRPOTrainer(
            model=str(options.model),
            reward_funcs=reward,
            args=settings,
            train_dataset=Dataset.from_list([{"prompt": text} for text, _ in asked]),
            processing_class=AutoTokenizer.from_pretrained(options.model),
            callbacks=[Watch()],
        ).train()
    seconds = [after - before for before, after in itertools.pairwise(ends)]
    return {"seconds": seconds, "tokens": tokens}


def our_arm(options: argparse.Namespace, dtype: str, engine: str) -> dict[str, Any]:
    """Our trainer: seconds, sampled tokens and phases of each step."""
    from verizero.rollout.threads import set_threads

    set_threads(options.threads)
    from verizero.config.spec import TrainSpec, read_spec
    from verizero.problems.problem import Problem
    from verizero.training.checkpoint import Checkpoints
    from verizero.training.loop import Runtime, train
    from verizero.training.prompts import readable_prompts
    from verizero.training.walltime import StopRequest
    from verizero.training.world import leave_world, start_world

    recipe = {
        "advantage": {"baseline": "group-mean", "scale": "group-std"},
        "weight": {"kind": "token"},
        "reward": {"rule": "random", "probability": 0.5, "truncated": "graded"},
        "learning_rate": 1e-6,
        "rollout": {
            "prompts": options.prompts,
            "samples": options.samples,
            "max_tokens": options.max_tokens,
            "max_prompt_tokens": 1024,
            "engine": engine,
            "dtype": dtype,
            "max_logprob_gap": 0.1,
        },
        "steps": options.steps,
        "train_dtype": dtype,
    }
    template = {"text": "{question}"}
    spec, _ = read_spec(TrainSpec, json.dumps({"optimizer": recipe, "template": template, "seed": 1}))
    asked = questions(options.prompts * options.steps, options.shots)
    problems = [Problem(id=f"q{number}", problem=text, answers=[answer]) for number, (text, answer) in enumerate(asked)]
    world = start_world(options.threads)
    if options.never_ending:
        import verizero.policy.load

        verizero.policy.load.end_tokens = lambda folder, tokenizer: []
    with tempfile.TemporaryDirectory() as folder:
        prompts = readable_prompts(problems, spec.template, options.model, spec.optimizer)
        runtime = Runtime(options.threads, options.micro_batch_tokens, save_seconds=1e9)
        checkpoints = Checkpoints(Path(folder), world)
        train(spec, options.model, prompts, checkpoints, world, StopRequest(), runtime)
        events = [json.loads(line) for line in checkpoints.events.read_text(encoding="utf-8").splitlines()]
    leave_world()
    timings = [event["timing"] for event in events]
    return {
        # the last step's weights are kept, which TRL is not asked for
        "seconds": [timing["seconds_step"] - timing.get("seconds_save", 0.0) for timing in timings],
        "tokens": [event["metrics"]["tokens"] for event in events],
        # the mark of the whole process begins anew with each phase
        "peak_gib": max(value for timing in timings for name, value in timing.items() if name.startswith("peak_gib_")),
        "phases": {
            name.removeprefix("seconds_"): sum(timing[name] for timing in timings[1:]) / max(1, len(timings) - 1)
            for name in timings[-1]
            if name.startswith("seconds_") and name not in ("seconds_save", "seconds_step")
        },
    }


def measured(options: argparse.Namespace, arm: str, **changes: Any) -> dict[str, Any]:
    """One arm in a process of its own."""
    values = {name: value for name, value in vars(options).items() if name != "arms"} | changes
    words = [str(word) for name, value in values.items() for word in words_of(name, value)]
    done = subprocess.run(
        [sys.executable, __file__, *words, "--arm", arm], stdout=subprocess.PIPE, text=True, check=False, env=os.environ
    )
    if done.returncode:
        raise SystemExit(f"the arm `{arm}` ended with exit code {done.returncode}; its last words are above")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    tokens, seconds = sum(found["tokens"][1:]), sum(found["seconds"][1:])
    return {**found, "ms": 1e3 * seconds / tokens if tokens else None, "sampled": tokens}


def words_of(name: str, value: Any) -> list[Any]:
    """An option as the command line has it."""
    flag = f"--{name.replace('_', '-')}"
    if value is None or value is False:
        return []
    return [flag] if value is True else [flag, value]


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a Hugging Face folder")
    parser.add_argument("--prompts", type=int, default=4, help="of a step (default %(default)s)")
    parser.add_argument("--samples", type=int, default=8, help="completions of each (default %(default)s)")
    parser.add_argument("--max-tokens", type=int, default=64, help="of a completion (default %(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="of which the first is not timed (default %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="how often each arm runs; 0: memory alone (default %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--trl-batch", type=int, default=8, help="per_device_train_batch_size (default %(default)s)")
    parser.add_argument("--micro-batch-tokens", type=int, default=2048, help="ours (default %(default)s)")
    parser.add_argument("--shots", action="store_true", help="three solved problems before each question")
    parser.add_argument("--memory-tokens", type=int, default=512, help="0: do not measure memory (default %(default)s)")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--never-ending", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        trainer, dtype, engine = ARMS[options.arm]
        found = trl_arm(options, dtype) if trainer == "trl" else our_arm(options, dtype, engine)
        print(json.dumps({**found, "peak_gib": max(peak_gib(), found.get("peak_gib", 0.0))}))
        return

    given = argparse.Namespace(**{k: v for k, v in vars(options).items() if k not in ("arm", "rounds")})
    best: dict[str, dict[str, Any]] = {}
    print(f"{'':15} {'ms a token':>10} {'s a step':>9} {'tokens':>7} {'peak GiB':>9}  phases of a step, s", flush=True)
    for _ in range(options.rounds):
        for arm in options.arms:
            found = measured(given, arm)
            if arm not in best or found["ms"] < best[arm]["ms"]:
                best[arm] = found
            phases = " ".join(f"{name} {value:.2f}" for name, value in found.get("phases", {}).items())
            step = sum(found["seconds"][1:]) / (len(found["seconds"]) - 1)
            print(
                f"{arm:15} {found['ms']:10.1f} {step:9.1f} {found['sampled']:7d} {found['peak_gib']:9.2f}  {phases}",
                flush=True,
            )
    line = {
        "float32": ratio(best, "trl float32", "ours float32"),
        "bfloat16": ratio(best, "trl bfloat16", "ours bfloat16"),
        "vllm": ratio(best, "trl bfloat16", "ours vllm"),
        "memory": "-",
        "one-micro-batch": "-",
    }
    if options.memory_tokens:
        prompts = max(1, options.trl_batch // options.samples)  # as many completions as TRL trains on at once
        long = {"max_tokens": options.memory_tokens, "prompts": prompts, "steps": 1, "never_ending": True}
        peaks = {arm: measured(given, arm, **long)["peak_gib"] for arm in ("trl bfloat16", "ours bfloat16")}
        peaks["in one"] = measured(given, "ours bfloat16", **long, micro_batch_tokens=1 << 20)["peak_gib"]
        for arm, peak in peaks.items():
            print(f"{arm:15} peak {peak:.2f} GiB with completions of {options.memory_tokens} tokens", flush=True)
        line["memory"] = f"{peaks['ours bfloat16'] / peaks['trl bfloat16']:.2f}"
        line["one-micro-batch"] = f"{peaks['in one'] / peaks['trl bfloat16']:.2f}"
    print("ratio " + " ".join(f"{name} {value}" for name, value in line.items()))


def ratio(best: dict[str, dict[str, Any]], theirs: str, ours: str) -> str:
    """How many times as long a token takes them."""
    return f"{best[theirs]['ms'] / best[ours]['ms']:.2f}" if {theirs, ours} <= best.keys() else "-"


if __name__ == "__main__":
    main()
