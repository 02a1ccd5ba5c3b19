"""A policy small enough to build in a test."""

from __future__ import annotations

import torch

from verizero.config.sources import Architecture
from verizero.policy.scratch import scratch_policy

ALPHABET = "0123456789ABCDEFGHIJKL=,?~.\\boxed{}"


def small_policy(seed=0, layers=2, heads=4, kv_heads=2, head_width=16):
    """Random weights, scaled up so that the distribution is far from uniform."""
    shape = Architecture(
        hidden_size=heads * head_width,
        intermediate_size=96,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        max_positions=256,
    )
    model, tokenizer = scratch_policy(shape, ALPHABET, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3.0)
    return model, tokenizer
