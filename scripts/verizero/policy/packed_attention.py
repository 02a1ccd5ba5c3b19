"""Attention over a packed row: each segment sees its own tokens up to each one, and before them its prompt."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PACKED = "verizero_packed"
"""The name under which transformers finds this attention."""
KINDS = {"full_attention", "sliding_attention"}
"""Layers that see what attention shows them, and nothing else: a convolution would reach from one response into the next."""
UNKNOWN = ("softcap", "s_aux")
"""What some layers ask of attention besides: a bound of the scores (Gemma 2), a sink (gpt-oss)."""
LIKE_LENGTHS = 1.5
"""Segments are padded to the longest of a table; one that is shorter by more than this factor goes into another table."""


class Segment(NamedTuple):
    """Some places of a packed row, one after the other, and the places before them that they see too."""

    begin: int
    end: int
    prefix_begin: int
    prefix_end: int


@dataclass(frozen=True)
class Table:
    """Segments of like length, padded to the longest: as many rows as segments."""

    queries: Int[Tensor, "segment query"]
    """Places in the packed row; of padding, the first place of the segment."""
    keys: Int[Tensor, "segment key"]
    """The same of what they see: the prefix, then the segment itself."""
    query_positions: Int[Tensor, "segment query"]
    """Counted over prefix and segment; of padding, that of the segment's first token."""
    key_positions: Int[Tensor, "segment key"]
    """The same; of padding, larger than any."""

    def seen(self, window: int | None, shared: int) -> Bool[Tensor, "segment one query_and_head key"]:
        """Which keys each query sees: those up to itself, with a window only the last so many.

        Args:
            shared: query heads of a key head; each of them is a query of its own.
        """
        distance = self.query_positions[:, :, None] - self.key_positions[:, None, :]
        seen = (distance >= 0) & (distance < window) if window else distance >= 0
        return seen.repeat_interleave(shared, dim=1)[:, None]


@dataclass(frozen=True)
class Segments:
    """The segments of a packed row, in the two forms that attention reads; padded tables are made where they are asked for."""

    listed: tuple[Segment, ...]
    """In the order of the row, of which they cover each place once."""
    keys: Int[Tensor, " key"]
    """What the segments see, one after the other, as places in the packed row."""
    query_ends: Int[Tensor, " segments_and_one"]
    key_ends: Int[Tensor, " segments_and_one"]
    """Sums of the segments' lengths, from 0, without and with prefix; int32."""
    most_queries: int
    most_keys: int
    _biases: dict[tuple[int | None, int, torch.dtype], list[Tensor]] = field(default_factory=dict, repr=False)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The segments, padded."""
        return self._padded[0]

    @property
    def found_at(self) -> Int[Tensor, " place"]:
        """Where the tables' queries, one table after the other, hold each place of the packed row."""
        return self._padded[1]

    @cached_property
    def _padded(self) -> tuple[tuple[Table, ...], Int[Tensor, " place"]]:
        return _tables(self.listed, self.keys.device)

    def biases(self, window: int | None, shared: int, dtype: torch.dtype) -> list[Tensor]:
        """What is added to each table's attention scores: 0 where a query sees a key. Made once for all layers.

        Args:
            window, shared: see `Table.seen`.
        """
        wanted = (window, shared, dtype)
        if wanted not in self._biases:
            seen = [table.seen(window, shared) for table in self.tables]
            self._biases[wanted] = [torch.zeros_like(one, dtype=dtype).masked_fill_(~one, -torch.inf) for one in seen]
        return self._biases[wanted]


def segments_of(segments: Sequence[Segment], device: torch.device | None) -> Segments:
    """Prepare the attention of a packed row.

    Args:
        segments: in the order of the row, of which they cover each place once.
    """
    rows = [_seen_by(one) for one in segments]
    lengths = [one.end - one.begin for one in segments]
    ends = [torch.tensor([0, *counts]).cumsum(0).int().to(device) for counts in (lengths, [len(row) for row in rows])]
    keys = torch.tensor([place for row in rows for place in row], device=device)
    return Segments(tuple(segments), keys, ends[0], ends[1], max(lengths), max(map(len, rows)))


def _seen_by(segment: Segment) -> list[int]:
    return [*range(segment.prefix_begin, segment.prefix_end), *range(segment.begin, segment.end)]


def _tables(segments: Sequence[Segment], device: torch.device) -> tuple[tuple[Table, ...], Int[Tensor, " place"]]:
    """The tables, and where their queries hold each place of the row."""
    rows = [_seen_by(one) for one in segments]
    lengths = [one.end - one.begin for one in segments]
    tables, found_at, begin = [], torch.zeros(sum(lengths), dtype=torch.long), 0
    for members in _like_lengths(lengths):
        width, depth = max(lengths[n] for n in members), max(len(rows[n]) for n in members)
        queries, keys = torch.zeros((len(members), width), dtype=torch.long), torch.zeros((len(members), depth)).long()
        query_positions, key_positions = torch.zeros_like(queries), torch.full_like(keys, torch.iinfo(torch.int32).max)
        for row, number in enumerate(members):
            one, own, prefix = segments[number], lengths[number], len(rows[number]) - lengths[number]
            queries[row] = one.begin
            queries[row, :own] = torch.arange(one.begin, one.end)
            query_positions[row] = prefix
            query_positions[row, :own] = torch.arange(prefix, prefix + own)
            keys[row, : prefix + own] = torch.tensor(rows[number])
            key_positions[row, : prefix + own] = torch.arange(prefix + own)
            found_at[one.begin : one.end] = begin + row * width + torch.arange(own)
        begin += queries.numel()
        tables.append(Table(*(part.to(device) for part in (queries, keys, query_positions, key_positions))))
    return tuple(tables), found_at.to(device)


def _like_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """The numbers of the segments, cut where they get much shorter than the longest."""
    cut: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: (-lengths[number], number)):
        if cut and lengths[cut[-1][0]] <= LIKE_LENGTHS * lengths[number]:
            cut[-1].append(number)
        else:
            cut.append([number])
    return cut


def packed_attention(
    module: torch.nn.Module,
    query: Float[Tensor, "one head place width"],
    key: Float[Tensor, "one kv_head place width"],
    value: Float[Tensor, "one kv_head place width"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    segments: Segments | None = None,
    sliding_window: int | None = None,
    **kwargs: object,
) -> tuple[Float[Tensor, "one place head width"], None]:
    """Attention of a packed row, as transformers' models call it; its log-probabilities are those of separate rows.

    Args:
        segments: which the decoder was given beside the token ids.

    Raises:
        ValueError: the decoder was not given any.
        UserError: the layer wants what is not computed here.
    """
    if segments is None:
        raise ValueError("the model reads packed rows only: it was called without `segments`")
    if unknown := [name for name in UNKNOWN if kwargs.get(name) is not None]:
        raise UserError(f"the model's attention has `{unknown[0]}`, which training on packed rows does not compute")
    asked, known, held = (part.squeeze(0).transpose(0, 1) for part in (query, key, value))
    attend = _varlen if attention_on(query.device, query.dtype) == "varlen" else _by_tables
    return attend(asked, known, held, segments, scaling, sliding_window)[None], None


def _varlen(
    query: Float[Tensor, "place head width"],
    key: Float[Tensor, "place kv_head width"],
    value: Float[Tensor, "place kv_head width"],
    segments: Segments,
    scaling: float | None,
    window: int | None,
) -> Float[Tensor, "place head width"]:
    """Flash attention over segments of any lengths (torch.nn.attention.varlen); not in float32, and on GPUs only."""
    from torch.nn.attention.varlen import varlen_attn

    ends = (segments.query_ends, segments.key_ends, segments.most_queries, segments.most_keys)
    seen = (window - 1 if window else -1, 0)  # a query's own place lines up with the last key
    key, value, grouped = key[segments.keys], value[segments.keys], {}
    if (shared := query.shape[1] // key.shape[1]) > 1:
        if "enable_gqa" in _known_to_varlen():
            grouped = {"enable_gqa": True}
        else:
            key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    out: Tensor = varlen_attn(query.contiguous(), key, value, *ends, scale=scaling, window_size=seen, **grouped)
    return out


@cache
def _known_to_varlen() -> frozenset[str]:
    """The arguments of this torch's function, which came in steps until 2.12; none where there is no such function."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return frozenset()
    return frozenset(inspect.signature(varlen_attn).parameters)


def attention_on(device: torch.device, dtype: torch.dtype) -> str:
    """Which of the two forms a device reads: `varlen`, or `tables`."""
    return (
        "varlen"
        if device.type == "cuda" and dtype != torch.float32 and "window_size" in _known_to_varlen()
        else "tables"
    )


def _by_tables(
    query: Float[Tensor, "place head width"],
    key: Float[Tensor, "place kv_head width"],
    value: Float[Tensor, "place kv_head width"],
    segments: Segments,
    scaling: float | None,
    window: int | None,
) -> Float[Tensor, "place head width"]:
    """The same over padded tables of segments; heads that share a key head take the place of queries, so that none is repeated.

    On a CPU in float32: the backward pass of torch's function for bfloat16 took 2.4 times as long (version 2.13).
    """
    shared, found, dtype = query.shape[1] // key.shape[1], [], query.dtype
    if query.device.type == "cpu":
        query, key, value = query.float(), key.float(), value.float()
    for table, bias in zip(segments.tables, segments.biases(window, shared, query.dtype), strict=True):
        count, longest = table.queries.shape
        asked = query[table.queries].unflatten(2, (-1, shared))  # segment, query, kv_head, shared, width
        asked = asked.transpose(1, 2).flatten(2, 3)
        known, held = key[table.keys].transpose(1, 2), value[table.keys].transpose(1, 2)
        out = scaled_dot_product_attention(asked, known, held, attn_mask=bias, scale=scaling)
        found.append(out.unflatten(2, (longest, shared)).transpose(1, 2).reshape(count * longest, *query.shape[1:]))
    return torch.cat(found)[segments.found_at].to(dtype)


def reads_packed(model: PreTrainedModel) -> PreTrainedModel:
    """Let a model read packed rows, and nothing else, from now on; the same object.

    Raises:
        UserError: its attention cannot be exchanged, or it has layers of another kind.
    """
    other = set(getattr(model.config, "layer_types", None) or KINDS) - KINDS
    if other:
        raise UserError(
            f"{type(model).__name__} has layers of kind {', '.join(sorted(other))}; training on rows without padding knows "
            f"{' and '.join(sorted(KINDS))} only"
        )
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(PACKED, packed_attention)
    model.set_attn_implementation(PACKED)
    if model.config._attn_implementation != PACKED:
        raise UserError(
            f"{type(model).__name__} does not let its attention be exchanged, which training on rows without padding needs"
        )
    return model
