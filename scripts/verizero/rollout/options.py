"""What the command line says of vLLM's runtime: the same options for training and for generating."""

from __future__ import annotations

import argparse

from verizero.rollout.engine import VllmRuntime


def add_vllm_options(parser: argparse.ArgumentParser, memory_percent: int) -> None:
    """Add the options.

    Args:
        memory_percent: the default of `--vllm-memory-percent`; beside a learner it is less than alone.
    """
    vllm = parser.add_argument_group("vLLM", "what it may take; no completion depends on it")
    vllm.add_argument(
        "--vllm-memory-percent",
        type=int,
        default=memory_percent,
        help="of a GPU's memory, weights and cache together (default %(default)s)",
    )
    vllm.add_argument(
        "--vllm-tensor-parallel",
        type=int,
        default=1,
        help="processes that share one vLLM; divides those of a node (default %(default)s)",
    )
    vllm.add_argument(
        "--vllm-eager",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: without compilation and CUDA graphs (default %(default)s)",
    )
    vllm.add_argument(
        "--vllm-cpu-cache-gib",
        type=int,
        default=2,
        help="for keys and values on a CPU, in GiB (default %(default)s)",
    )


def vllm_runtime(options: argparse.Namespace) -> VllmRuntime:
    """What the options say."""
    return VllmRuntime(
        memory_percent=options.vllm_memory_percent,
        tensor_parallel=options.vllm_tensor_parallel,
        eager=bool(options.vllm_eager),
        cpu_cache_gib=options.vllm_cpu_cache_gib,
    )
