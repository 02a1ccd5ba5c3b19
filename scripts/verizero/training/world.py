"""The processes of one run: one by plain `python`, several by `torchrun`; gloo on CPU, NCCL on GPUs."""

from __future__ import annotations

import os
import warnings

import torch
import torch.distributed as dist

os.environ.setdefault("DS_BUILD_OPS", "0")
if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports use names that its dependencies have deprecated
    import deepspeed  # reads the environment that was set above

from verizero.rollout.devices import cuda_here, hold
from verizero.rollout.world import PATIENCE, World

__all__ = ["World", "deepspeed", "leave_world", "start_world"]

ALONE = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
"""What torchrun would say to a single process; DeepSpeed reads it. Nothing listens on the port."""
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


def start_world(threads: int | None = None) -> World:
    """Join the processes that torchrun started, or be alone.

    Args:
        threads: of torch's CPU operators; None leaves torch's choice.
    """
    hold()
    if threads:
        torch.set_num_threads(threads)
    cuda = cuda_here()
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
    # By default a rank gives up on the others after ten minutes, which one long rollout takes; the watchdog ends what hangs.
    deepspeed.init_distributed(dist_backend=BACKENDS[device.type], verbose=False, timeout=PATIENCE)
    return World(rank=dist.get_rank(), size=dist.get_world_size(), device=device)


def leave_world() -> None:
    """Part from the other processes: the interpreter can end without a warning, and children start without our rank."""
    if dist.is_initialized():
        deepspeed.comm.destroy_process_group()  # torch's, and what DeepSpeed remembers of it for a later world
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        for name in ALONE:
            os.environ.pop(name, None)
