"""Tokens per second of sampling and of training against model size, completion length and processes, beside what the machine allows.

    .venv/jobs/bin/python benchmarks/scaling.py                          # about ten minutes on two cores
    .venv/jobs/bin/python benchmarks/scaling.py --sizes 30 --lengths 64 512 --processes 2 --dtype bfloat16

Models of Qwen2's form with random weights and a vocabulary of 32,000; 4 prompts of 64 tokens, 8 completions of each, which end only
at their last token; one thread for each process, and a share of the prompts. The roofline is the machine's own, measured in the same
processes at the same time: its rate of matrix products of the model's own shape, and its rate of reading memory. Training needs at least
its floating-point operations (scripts/verizero/config/flops.py, a prompt counted once for all its completions); sampling, for each token of
every sequence, those or the reading of all weights and of the cache. A share is the least time over the time taken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "scripts")]

SIZES = {  # millions of parameters without the embedding: width, layers, heads, heads of keys, width of the MLP
    6: (256, 6, 4, 2, 896),
    30: (512, 9, 8, 4, 1536),
    110: (768, 16, 12, 4, 2304),
}
VOCABULARY, PROMPTS, SAMPLES, PROMPT_TOKENS = 32_000, 4, 8, 64


class NoText:
    """A tokenizer of completions that nobody reads."""

    def decode(self, ids: list[int], **_: Any) -> str:
        """Nothing."""
        return ""


def policy(size: int, positions: int, dtype: str) -> Any:
    """A decoder with random weights."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    width, layers, heads, kv_heads, mlp = SIZES[size]
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=mlp,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return Qwen2ForCausalLM(config).to(getattr(torch, dtype)).eval()


def best_of(often: int, work: Any) -> float:
    """Seconds of the fastest of some tries."""
    taken = []
    for _ in range(often):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def machine(size: int, dtype: str) -> tuple[float, float]:
    """Operations and bytes that this process gets through in a second."""
    import torch

    width, mlp = SIZES[size][0], SIZES[size][-1]
    states, weight = (torch.randn(rows, width).to(getattr(torch, dtype)) for rows in (1024, mlp))
    product = best_of(20, lambda: torch.nn.functional.linear(states, weight))
    large = torch.ones(1 << 26)
    reading = best_of(3, lambda: large.sum())
    return 2.0 * 1024 * width * mlp / product, large.numel() * 4 / reading


def worker(size: int, length: int, dtype: str) -> None:
    """One process: sample and train on a share of the prompts; the first one prints what all of them took."""
    from verizero.rollout.threads import set_threads

    set_threads(1)
    import torch

    from verizero.config.flops import decode_seconds
    from verizero.config.model_shape import shape_of
    from verizero.config.optimizers import Advantage, Optimizer, Rollout, Weight
    from verizero.rollout.engine import Sampling
    from verizero.rollout.transformers_engine import TransformersEngine
    from verizero.training.learner import Learner, TrainRow
    from verizero.training.objective import objective_of
    from verizero.training.world import leave_world, start_world

    world = start_world(1)
    model = policy(size, PROMPT_TOKENS + length, dtype)
    shape = shape_of(model.config.to_dict())
    world.wait()  # the processes share the machine's memory, in this as in what follows
    flops, bandwidth = machine(size, dtype)
    settings = Optimizer(
        advantage=Advantage(baseline="group-mean"),
        weight=Weight(kind="token"),
        learning_rate=1e-6,
        rollout=Rollout(prompts=PROMPTS, samples=SAMPLES, max_tokens=length),
        steps=1,
        train_dtype=dtype,  # type: ignore[arg-type]
    )
    learner = Learner(model, settings, world, 2048)
    engine = TransformersEngine(learner.module, NoText(), [], PROMPT_TOKENS + length, 256)  # type: ignore[arg-type]
    mine = world.share(PROMPTS)
    prompts = [[(7 * place + 13 * token) % VOCABULARY for token in range(PROMPT_TOKENS)] for place in mine]
    sampling = Sampling(1.0, 1.0, length)
    engine.generate(prompts, 1, Sampling(1.0, 1.0, 2), list(mine))
    world.wait()
    begin = time.perf_counter()
    groups = engine.generate(prompts, SAMPLES, sampling, list(mine))
    world.wait()
    sampled = time.perf_counter() - begin
    even = torch.full((length,), 1 / (PROMPTS * SAMPLES * length))
    rows = [
        TrainRow(prompt, one.token_ids, None, None, torch.full((length,), (-1.0) ** place), even)
        for prompt, group in zip(prompts, groups, strict=True)
        for place, one in enumerate(group)
    ]
    trained = best_of(2, lambda: learner.update(rows, objective_of(settings), 1e-6))
    responses, sequences = len(rows) * length, len(rows)
    pairs = len(prompts) * PROMPT_TOKENS**2 / 2 + responses * (PROMPT_TOKENS + length / 2)
    needed = 2.0 * shape.decoder * (len(prompts) * PROMPT_TOKENS + responses) + 2.0 * shape.embedding * responses
    needed += 4.0 * shape.layers * shape.heads * shape.head_width * pairs
    context = PROMPT_TOKENS + length / 2
    token = decode_seconds(shape, sequences, context, {"float32": 4, "bfloat16": 2}[dtype], bandwidth, flops)
    found = {
        "generate": PROMPTS * SAMPLES * length / sampled,
        "generate_share": world.maxima([token * length])[0] / sampled,
        "train": PROMPTS * SAMPLES * length / world.maxima([trained])[0],
        "train_share": 3 * needed / flops / trained,
        "gflops": world.sums([flops])[0] / 1e9,
    }
    if world.first:
        print(json.dumps(found), flush=True)
    leave_world()


def measured(size: int, length: int, processes: int, dtype: str) -> dict[str, float]:
    """One line of the table."""
    from verizero.training.launcher import command_of

    words = [__file__, "--worker", "--sizes", str(size), "--lengths", str(length), "--dtype", dtype]
    command = command_of(words, processes, 1, {})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))  # type: ignore[no-any-return]


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=list(SIZES), help="millions")
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 256], help="tokens of a completion")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.sizes[0], options.lengths[0], options.dtype)
        return
    print(f"{options.dtype}; tokens are sampled ones, of all processes together; a share is of the roofline")
    print(
        "| parameters | completion | processes | GEMM GFLOP/s | sampled tokens/s | share | trained tokens/s | share |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size in options.sizes:
        for length in options.lengths:
            for processes in options.processes:
                one = measured(size, length, processes, options.dtype)
                print(
                    f"| {size} M | {length} | {processes} | {one['gflops']:.0f} | {one['generate']:.0f} | {one['generate_share']:.0%} "
                    f"| {one['train']:.0f} | {one['train_share']:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
