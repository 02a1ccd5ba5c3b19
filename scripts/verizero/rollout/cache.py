"""Keys and values of the running sequences, right-aligned, with room to grow in place."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import AttentionInterface

ROOM = 32
"""Positions added whenever a buffer is full: few enough not to waste memory, many enough to copy rarely."""

ATTENTION = "verizero_rollout"


class GrowingLayer(DynamicLayer):
    """One layer's keys and values as the beginning of a longer buffer; transformers' own layer copies all at every token."""

    def __init__(self) -> None:
        super().__init__()
        self.width = 0
        self.is_initialized = False

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append, and the states of all positions so far."""
        end = self.width + key_states.shape[2]
        if not self.is_initialized:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self._key_buffer, self._value_buffer = _with_room(key_states), _with_room(value_states)
        elif end > self._key_buffer.shape[2]:
            self._key_buffer, self._value_buffer = _with_room(self.keys), _with_room(self.values)
        self._key_buffer[:, :, self.width : end] = key_states
        self._value_buffer[:, :, self.width : end] = value_states
        return self.show(end)

    def show(self, width: int) -> tuple[Tensor, Tensor]:
        """Make the first `width` positions the layer's states."""
        self.width = width
        self.keys, self.values = self._key_buffer[:, :, :width], self._value_buffer[:, :, :width]
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Positions so far."""
        return self.width

    def reseat(
        self, rows: Int[Tensor, "row"], width: int, arrived: GrowingLayer | None, copies: Int[Tensor, "new"] | None
    ) -> None:
        """Keep some rows with their last `width` positions and seat new sequences behind them, all ending at `width`."""
        self._key_buffer = _seated(self.keys, rows, width, arrived.keys if arrived else None, copies)
        self._value_buffer = _seated(self.values, rows, width, arrived.values if arrived else None, copies)
        self.show(width)


def new_cache(layers: int) -> Cache:
    """An empty cache."""
    return Cache(layers=[GrowingLayer() for _ in range(layers)])


def reseat(
    cache: Cache,
    rows: Int[Tensor, "row"],
    width: int,
    arrived: Cache | None = None,
    copies: Int[Tensor, "new"] | None = None,
) -> None:
    """Drop the rows that are done, trim columns that nobody uses and let new sequences in.

    Args:
        rows: rows to keep.
        width: columns to keep, counted from the right; a row with fewer gets unused ones on its left.
        arrived: the cache of newly read prompts, one row each.
        copies: the row of `arrived` that each new sequence begins with.
    """
    for number, layer in enumerate(cache.layers):
        layer.reseat(rows, width, arrived.layers[number] if arrived else None, copies)


def _with_room(states: Float[Tensor, "row head time width"]) -> Float[Tensor, "row head longer width"]:
    buffer = states.new_zeros((*states.shape[:2], states.shape[2] + ROOM, states.shape[3]))
    buffer[:, :, : states.shape[2]] = states
    return buffer


def _seated(
    old: Float[Tensor, "row head time width"],
    rows: Int[Tensor, "kept"],
    width: int,
    new: Float[Tensor, "prompt head time2 width"] | None,
    copies: Int[Tensor, "new"] | None,
) -> Float[Tensor, "seat head longer width"]:
    count = len(rows) + (len(copies) if copies is not None else 0)
    buffer = old.new_zeros((count, old.shape[1], width + ROOM, old.shape[3]))
    kept = min(width, old.shape[2])
    if len(rows):
        buffer[: len(rows), :, width - kept : width] = old[rows, :, old.shape[2] - kept :]
    if new is not None and copies is not None:
        buffer[len(rows) :, :, width - new.shape[2] : width] = new[copies]
    return buffer


def rollout_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attention of one new token per row, without copying keys and values for grouped heads.

    The query heads that share a key head take the place of query positions, so that nothing is repeated (repeating
    was half the time of a step of the demo's model). More than one position: transformers' own function.
    """
    if query.shape[2] != 1 or kwargs.get("dropout"):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    rows, heads, _, width = query.shape
    grouped = query.view(rows, key.shape[1], heads // key.shape[1], width)
    out = torch.nn.functional.scaled_dot_product_attention(grouped, key, value, attn_mask=attention_mask, scale=scaling)
    return out.reshape(rows, 1, heads, width), None


AttentionInterface.register(ATTENTION, rollout_attention)
