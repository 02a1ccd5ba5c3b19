"""The processes that work together, as far as no learner is needed: one by plain `python`, several by `torchrun`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from verizero.rollout.devices import cuda_here, hold

T = TypeVar("T")
PATIENCE = timedelta(days=7)
"""How long a process waits for the others, whose completions may be longer; torchrun ends it where one of them fails."""


@dataclass(frozen=True)
class World:
    """Which process this is, of how many, and where its tensors live."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """The contiguous part of `count` things that is this process's; the parts differ by at most one in size."""
        return range(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def gather(self, mine: Sequence[T]) -> list[T]:
        """Everybody's items, in the order of the ranks, on every rank."""
        if self.size == 1:
            return list(mine)
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, list(mine))
        return [item for part in parts for item in part]

    def turns(self, count: int) -> range:
        """Every so-manieth of `count` things, beginning with this process's number; shares are alike where neighbours are."""
        return range(self.rank, count, self.size)

    def to_first(self, mine: Sequence[T]) -> list[T]:
        """Everybody's items, in the order of the ranks, on the first rank; nothing on the others."""
        if self.size == 1:
            return list(mine)
        parts: list[Any] | None = [None] * self.size if self.first else None
        dist.gather_object(list(mine), parts, dst=0)
        return [item for part in parts or [] for item in part]

    def sums(self, values: Sequence[float]) -> list[float]:
        """Element-wise sum over all ranks, in float64."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def maxima(self, values: Sequence[float]) -> list[float]:
        """Element-wise maximum over all ranks."""
        return self._reduced(values, dist.ReduceOp.MAX)

    def from_first(self, value: T) -> T:
        """The first rank's value, on every rank."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Block until all ranks arrive."""
        if self.size > 1:
            dist.barrier()

    def _reduced(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.size == 1:
            return [float(value) for value in values]
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, op=operation)
        return tensor.tolist()


class SharedCount:
    """A number that all processes add to, each when it likes.

    Args:
        store: where it is kept; None for one process.
    """

    def __init__(self, name: str, store: dist.Store | None = None) -> None:
        self.name, self.store, self.alone = name, store, 0

    def add(self, by: int) -> int:
        """Add, and the sum so far."""
        if self.store is not None:
            return int(self.store.add(self.name, by))
        self.alone += by
        return self.alone

    def wait(self, total: int, seconds: float, meanwhile: Callable[[int], None]) -> None:
        """Until the sum is `total`, say every so many seconds what it is."""
        while (reached := self.add(0)) < total:
            meanwhile(reached)
            time.sleep(seconds)
        meanwhile(reached)


def join_world(threads: int) -> tuple[World, dist.Store | None]:
    """Join the processes that torchrun started, or be alone; and what they share.

    Objects travel over gloo, on GPUs too.

    Args:
        threads: of torch's CPU operators.
    """
    hold()
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    if cuda_here():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return World(0, 1, device), None
    store, rank, size = next(dist.rendezvous("env://", timeout=PATIENCE))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    return World(rank, size, device), store


def leave_world() -> None:
    """Part from the other processes, all at once."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
