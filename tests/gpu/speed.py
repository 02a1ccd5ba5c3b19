"""How fast the training phase and the embedded engine are, against the card's limits and a matrix product of the same minute."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lines import Lines
from models import RECIPE, Sizes, large_policy, rows_of

from verizero.config.flops import Row, decode_seconds, recomputed_flops, training_flops
from verizero.config.memory import Placement, memory_of
from verizero.config.model_shape import ModelShape, shape_of
from verizero.config.optimizers import Optimizer
from verizero.objective.loss import Objective
from verizero.policy import logprobs
from verizero.policy.packed_attention import attention_on
from verizero.policy.packing import same_prompt
from verizero.rollout.engine import Sampling
from verizero.rollout.start import seats_of
from verizero.rollout.transformers_engine import TransformersEngine
from verizero.training.learner import Learner, TrainRow
from verizero.training.peak_memory import GIB, PeakMemory
from verizero.training.world import World

OBJECTIVE = Objective(surrogate="clip", clip_low=0.2, clip_high=0.2)
PEAKS = {"H100": 989e12, "H200": 989e12}
"""Dense bfloat16 FLOP/s of the SXM cards, by their maker's data sheet."""


@dataclass(frozen=True)
class Machine:
    """What it can do, measured now; per second."""

    gemm: float
    """FLOP of a large product in bfloat16."""
    copy: float
    """Bytes read and written."""
    peak: float | None
    """FLOP by the data sheet; None of a card that is not listed."""


@dataclass(frozen=True)
class Variant:
    """A way to train."""

    name: str
    gradient_checkpointing: bool = False
    whole_head: bool = False
    mixed: bool = False
    share: float = 1.0
    """Of the responses."""


VARIANTS = (
    Variant("checkpointing", gradient_checkpointing=True),
    Variant("no checkpointing"),
    Variant("mixed lengths", mixed=True, share=0.25),
    Variant("head in one piece", whole_head=True, share=0.125),
)


def machine(lines: Lines, world: World, sizes: Sizes) -> Machine:
    """Time a product of matrices and a copy."""
    device, side = world.device, sizes.gemm
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    gemm = 2 * side**3 / _seconds(lambda: left @ right, device)
    source = torch.empty(side * side * 8, device=device, dtype=torch.bfloat16)
    target = torch.empty_like(source)
    copy = 2 * source.nbytes / _seconds(lambda: target.copy_(source), device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else ""
    found = Machine(gemm, copy, next((peak for card, peak in PEAKS.items() if card in name), None))
    lines.say("machine", gemm_tflops=found.gemm / 1e12, copy_gb_per_s=found.copy / 1e9, peak=found.peak)
    return found


def train(lines: Lines, world: World, sizes: Sizes, limits: Machine, seconds: float) -> None:
    """Time one update of each variant, after a warm-up; fewer responses where the time would not do."""
    end = time.monotonic() + seconds
    for place, variant in enumerate(VARIANTS):
        share = (end - time.monotonic()) / (len(VARIANTS) - place)
        if place < 2:
            share = (end - time.monotonic()) * 0.42
        try:
            _train(lines, world, sizes, limits, variant, min(share, lines.left - 20))
        except torch.cuda.OutOfMemoryError as error:
            lines.say("train", False, variant=variant.name, reason=str(error).split(". ")[0])
        gc.collect()
        if world.device.type == "cuda":
            torch.cuda.empty_cache()


def let_go(learner: Learner) -> None:
    """Free what a learner holds. DeepSpeed leaves states of the optimizer on the parameters, in circles that no garbage collector sees."""
    parameters = list(learner.module.parameters())
    learner.held.engine.destroy()
    for parameter in parameters:
        parameter.grad = None
        for name in list(vars(parameter)):
            delattr(parameter, name)


def _train(lines: Lines, world: World, sizes: Sizes, limits: Machine, variant: Variant, seconds: float) -> None:
    began = time.monotonic()
    peak = PeakMemory(world.device)
    peak.begin()
    held = peak.gib()
    lengths = {"max_prompt_tokens": sizes.prompt, "max_tokens": sizes.response * (2 if variant.mixed else 1)}
    changed = {"train_dtype": "bfloat16", "gradient_checkpointing": variant.gradient_checkpointing}
    how = Optimizer(**RECIPE | changed | {"rollout": RECIPE["rollout"] | lengths})
    tokens = sizes.micro_batch_tokens * (4 if variant.gradient_checkpointing else 1)
    learner = Learner(large_policy(sizes, world.device), how, world, tokens)
    try:
        _timed(lines, world, sizes, limits, variant, seconds - (time.monotonic() - began), learner, how, tokens, held)
    finally:
        let_go(learner)


def _timed(
    lines: Lines,
    world: World,
    sizes: Sizes,
    limits: Machine,
    variant: Variant,
    seconds: float,
    learner: Learner,
    how: Optimizer,
    tokens: int,
    held_before: float,
) -> None:
    began = time.monotonic()
    shape = shape_of(learner.module.config.to_dict())
    count = max(8, round(sizes.responses * variant.share))
    vocabulary = sizes.large["vocabulary"]
    rows = rows_of(sizes, count, sizes.prompt, sizes.response, variant.mixed, vocabulary)
    peak = PeakMemory(world.device)
    with _head_in_one_piece() if variant.whole_head else contextlib.nullcontext():
        some = rows[: max(8, 2 * tokens // (sizes.prompt + sizes.response))][: len(rows)]
        learner.update(some, OBJECTIVE, 1e-6)  # builds what a first pass builds
        each = _update_seconds(learner, some, world) / len(some)
        affordable = int((seconds - (time.monotonic() - began) - 3) / each)
        rows = rows[: max(len(some), min(len(rows), affordable // 8 * 8))]
        peak.begin()
        spent = _update_seconds(learner, rows, world)
    pairs = [(row.prompt, row.response) for row in rows]
    prompts_read = sum(len(same_prompt([pairs[n] for n in numbers])) for numbers in learner.held.batches(pairs))
    sizes_of = [Row(len(prompt), len(response), len(rows) / prompts_read) for prompt, response in pairs]
    needed = training_flops(shape, sizes_of)
    chunked = not variant.whole_head and tokens * shape.vocabulary > logprobs.CHUNK_LOGITS
    again = recomputed_flops(shape, sizes_of, variant.gradient_checkpointing, chunked)
    chunk = (1 << 62) if variant.whole_head else logprobs.CHUNK_LOGITS
    said = memory_of(shape, how, Placement(1, tokens, on_gpu=world.device.type == "cuda"), chunk)
    lines.say(
        "train",
        variant=variant.name,
        parameters=shape.parameters,
        attention=attention_on(world.device, torch.bfloat16),
        responses=len(rows),
        tokens=sum(row.length for row in sizes_of),
        micro_batch_tokens=tokens,
        seconds=round(spent, 3),
        tokens_per_second=round(sum(row.length for row in sizes_of) / spent),
        mfu=needed / spent / limits.peak if limits.peak else None,
        share_of_gemm=needed / spent / limits.gemm,
        share_of_gemm_with_recomputation=(needed + again) / spent / limits.gemm,
        held_before_gib=round(held_before, 3),
        peak_gib=round(peak.gib(), 3),
        reserved_gib=peak.reserved_gib(),
        estimated_gib=round((said.peaks["training"] - said.always.get("CUDA context, assumed", 0.0)) / GIB, 3),
    )


def rollout(lines: Lines, world: World, sizes: Sizes, limits: Machine) -> None:
    """Time the embedded engine: so many sequences at once, every one to its last token."""
    model = large_policy(sizes, world.device)
    shape, (count, length) = shape_of(model.config.to_dict()), sizes.sampled
    seats = seats_of(model.config, sizes.prompt + length, model.dtype.itemsize, world.device.type)
    engine = TransformersEngine(model, _Numbers(), [], sizes.prompt + length, seats)
    prompts = [row.prompt for row in rows_of(sizes, count, sizes.prompt, 1, vocabulary=sizes.large["vocabulary"])[::8]]
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=length)
    engine.generate(prompts, 8, Sampling(1.0, 1.0, 2), list(range(len(prompts))))
    peak = PeakMemory(world.device)
    peak.begin()
    began = time.monotonic()
    made = engine.generate(prompts, 8, sampling, list(range(len(prompts))))
    _synchronise(world.device)
    spent = time.monotonic() - began
    sampled = sum(len(one.token_ids) for group in made for one in group)
    lines.say(
        "rollout",
        sampled == count * length,
        sequences=count,
        at_once=min(count, seats),
        tokens=sampled,
        seconds=round(spent, 3),
        tokens_per_second=round(sampled / spent),
        share_of_roofline=length * _least(shape, sizes, limits) / spent,
        peak_gib=round(peak.gib(), 3),
    )


def _least(shape: ModelShape, sizes: Sizes, limits: Machine) -> float:
    count, length = sizes.sampled
    return decode_seconds(shape, count, sizes.prompt + length / 2, 2, limits.copy, limits.gemm)


class _Numbers:
    """A tokenizer of a model that nobody trained: a token is its number."""

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return " ".join(map(str, ids))


@contextlib.contextmanager
def _head_in_one_piece() -> Iterator[None]:
    usual = logprobs.CHUNK_LOGITS
    logprobs.CHUNK_LOGITS = 1 << 62
    try:
        yield
    finally:
        logprobs.CHUNK_LOGITS = usual


def _update_seconds(learner: Learner, rows: list[TrainRow], world: World) -> float:
    _synchronise(world.device)
    began = time.monotonic()
    learner.update(rows, OBJECTIVE, 1e-6)
    _synchronise(world.device)
    return time.monotonic() - began


def _seconds(work: Any, device: torch.device) -> float:
    """Of one call, the mean over half a second after a warm-up."""
    for _ in range(3):
        work()
    _synchronise(device)
    began, calls = time.monotonic(), 0
    while time.monotonic() - began < 0.5:
        work()
        calls += 1
        if calls % 8 == 0:
            _synchronise(device)
    _synchronise(device)
    return (time.monotonic() - began) / calls


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
