"""The processes of one run: one by plain `python`, several by `torchrun`; gloo on CPU, NCCL on GPUs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

os.environ.setdefault("DS_BUILD_OPS", "0")
if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports use names that its dependencies have deprecated
    import deepspeed  # reads the environment that was set above

from verizero.training.devices import hold

T = TypeVar("T")
ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
"""What torchrun would say to a single process; DeepSpeed reads it. Nothing listens on the port."""
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


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


def start_world(threads: int | None = None) -> World:
    """Join the processes that torchrun started, or be alone.

    Args:
        threads: of torch's CPU operators; None leaves torch's choice.
    """
    hold()
    if threads:
        torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    # DeepSpeed would compile a shared-memory all-reduce with g++ (a minute, and a failure where there is no compiler); gloo
    # does the same work. The table is set rather than changed: reading it makes DeepSpeed try the compiler on every op.
    vars(deepspeed.ops)["__compatible_ops__"] = {"deepspeed_shm_comm": False}
    alone = "WORLD_SIZE" not in os.environ
    if alone:
        os.environ.update(ALONE)
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if alone:  # without a port, which another job could take in the same moment
        dist.init_process_group(BACKENDS[device.type], store=dist.HashStore(), rank=0, world_size=1)
    deepspeed.init_distributed(dist_backend=BACKENDS[device.type], verbose=False)
    return World(rank=dist.get_rank(), size=dist.get_world_size(), device=device)


def leave_world() -> None:
    """Part from the other processes: the interpreter can end without a warning, and children start without our rank."""
    if dist.is_initialized():
        deepspeed.comm.destroy_process_group()  # torch's, and what DeepSpeed remembers of it for a later world
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        for name in ALONE:
            os.environ.pop(name, None)
