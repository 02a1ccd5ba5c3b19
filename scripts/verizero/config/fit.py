"""Whether a training fits into memory, in words: the parts, and what to change where it does not."""

from __future__ import annotations

import math

from verizero.config.memory import BYTES, GIB, Memory, Placement, cache_tokens, changes, memory_of
from verizero.config.model_shape import ModelShape
from verizero.config.optimizers import Optimizer


def memory_text(shape: ModelShape, recipe: Optimizer, where: Placement, chunk_logits: int) -> str:
    """The estimate for each process by part and phase; where it does not fit, what would make it, what costs least first.

    Args:
        chunk_logits: see `memory_of`.
    """
    memory = memory_of(shape, recipe, where, chunk_logits)
    lines = [_title(shape, recipe, where)]
    groups = (
        ("held all the time", memory.always),
        ("and while it trains", memory.training),
        ("or while it samples", memory.rollout),
        ("in the CPU's memory", memory.host),
    )
    for title, parts in groups:
        shown = {name: size for name, size in parts.items() if size}
        if shown:
            lines.append(f"  {title:<30}{sum(shown.values()) / GIB:8.2f}")
            lines += [f"    {name:<28}{size / GIB:8.2f}" for name, size in shown.items()]
    of = f" of {where.gpu_gib:g}" if where.gpu_gib else ""
    lines += [f"  {phase + ' phase, at most':<30}{size / GIB:8.2f}{of}" for phase, size in memory.peaks.items()]
    tokens = cache_tokens(shape, recipe, where)
    if tokens is not None:
        lines.append(f"  vLLM's cache holds {tokens:,} tokens beside its weights")
    if where.on_gpu:
        megabytes = 1000 * math.ceil(sum(memory.host.values()) / 1e9)
        lines.append(f"  runtime.mem_mb must be {megabytes} at least; Slurm is asked for as much for each process")
    return "\n".join([*lines, *_verdict(shape, recipe, where, chunk_logits, memory)]) + "\n"


def _title(shape: ModelShape, recipe: Optimizer, where: Placement) -> str:
    processes = "one process" if where.processes == 1 else f"each of {where.processes} processes"
    device = "on a GPU" if where.on_gpu else "on a CPU (--gpu-memory GIB: on a GPU)"
    how = [f"ZeRO {recipe.zero_stage}", recipe.train_dtype, f"{where.micro_batch_tokens:,} tokens a micro-batch"]
    how += ["gradient checkpointing"] * recipe.gradient_checkpointing + [
        "optimizer offloaded"
    ] * where.offload_optimizer
    return f"memory of {processes} {device}, in GiB: {shape.parameters / 1e9:.3g} billion parameters, {', '.join(how)}"


def _verdict(shape: ModelShape, recipe: Optimizer, where: Placement, chunk_logits: int, memory: Memory) -> list[str]:
    if where.gpu_gib is None:
        return []
    limit, weights = where.gpu_gib * GIB, shape.parameters * BYTES[recipe.rollout.dtype] / where.tensor_parallel
    reach = recipe.rollout.max_prompt_tokens + recipe.rollout.max_tokens
    tokens = cache_tokens(shape, recipe, where)
    if tokens is not None and tokens < reach:
        return [
            f"It does not fit: vLLM's {where.engine_share:.0%} of the GPU must hold {weights / GIB:.1f} GiB of weights and a cache "
            f"of {reach:,} tokens. Raise runtime.vllm_train_memory_percent, or runtime.vllm_tensor_parallel."
        ]
    peak = max(memory.peaks.values())
    if peak <= limit:
        return [f"It fits, with {(limit - peak) / GIB:.1f} GiB to spare."]
    lines = ["It does not fit. What would make it smaller, what costs least time first, each with those before it:"]
    for change in changes(shape, recipe, where):
        smaller = max(memory_of(shape, change.recipe, change.where, chunk_logits).peaks.values())
        if smaller >= peak:
            continue
        peak = smaller
        fits = peak <= limit
        lines.append(f"  {peak / GIB:8.2f}  {change.words}" + (": it fits" if fits else ""))
        if fits:
            return lines
    return [*lines, "None of it is enough; take GPUs with more memory or a smaller model."]
