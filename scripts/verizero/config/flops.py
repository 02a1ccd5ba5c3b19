"""Floating-point operations of a pass over a decoder, and what a machine's limits make of them.

A multiplication and an addition are two. Of a weight matrix each token needs two for each element forward, and four more
backward (Kaplan et al. 2020, arXiv 2001.08361, section 2.1; Chowdhery et al. 2022, arXiv 2204.02311, appendix B, which defines model
FLOPs utilisation). The embedding is a look-up. Attention to half the positions, because it is causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verizero.config.model_shape import ModelShape


@dataclass(frozen=True)
class Row:
    """A prompt with its response, in tokens."""

    prompt: int
    response: int
    shared: float = 1
    """Responses for which the prompt is read once, on average: each counts its part."""

    @property
    def read(self) -> float:
        """Tokens that a decoder reads for it."""
        return self.prompt / self.shared + self.response

    @property
    def pairs(self) -> float:
        """Squares of lengths, twice the pairs of positions that see each other."""
        return self.prompt**2 / self.shared + self.length**2 - self.prompt**2

    @property
    def length(self) -> int:
        """Both together."""
        return self.prompt + self.response


def forward_flops(shape: ModelShape, rows: Sequence[Row]) -> float:
    """Of a forward pass over some rows, with logits for the responses' tokens only.

    `2 P_layers tokens + 2 d V responses + 2 L h_q sum length^2`, a shared prompt counted once, with h_q the width of all queries: scores and values take
    2 h_q each for each pair of positions, and half the pairs are seen.
    """
    return _decoder_flops(shape, rows) + 2.0 * shape.embedding * sum(row.response for row in rows)


def training_flops(shape: ModelShape, rows: Sequence[Row]) -> float:
    """Of forward and backward pass: three forward passes. What is computed again to save memory is no part of it."""
    return 3 * forward_flops(shape, rows)


def recomputed_flops(shape: ModelShape, rows: Sequence[Row], gradient_checkpointing: bool, chunked_head: bool) -> float:
    """What a training pass computes a second time: the layers, and the logits that are made in chunks."""
    layers = _decoder_flops(shape, rows) if gradient_checkpointing else 0.0
    return layers + (2.0 * shape.embedding * sum(row.response for row in rows) if chunked_head else 0.0)


def _decoder_flops(shape: ModelShape, rows: Sequence[Row]) -> float:
    tokens = sum(row.read for row in rows)
    pairs = sum(row.pairs for row in rows)
    return 2.0 * shape.decoder * tokens + 2.0 * shape.layers * shape.heads * shape.head_width * pairs


def decode_seconds(
    shape: ModelShape,
    sequences: int,
    context: float,
    element_bytes: int,
    bytes_per_second: float,
    flops_per_second: float,
) -> float:
    """Least time of one token for each of some sequences: weights and cache are read once, or the arithmetic takes longer.

    Args:
        context: tokens that a sequence has so far, on average.
    """
    weights = (shape.decoder + shape.embedding) * element_bytes
    read = (weights + sequences * context * shape.kv_bytes(element_bytes)) / bytes_per_second
    return max(read, 2.0 * (shape.decoder + shape.embedding) * sequences / flops_per_second)
