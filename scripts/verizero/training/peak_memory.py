"""The most memory that a part of a program held."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

GIB = 2**30
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """The most memory that this process has held since `begin`.

    On a GPU the bytes of torch's tensors there, and what its allocator has reserved for them; an engine with an allocator
    of its own beside torch's is not in it. Elsewhere the resident set of the process, files that it maps included.

    Linux lets a process begin its own peak anew (`5` in /proc/self/clear_refs, see proc_pid_clear_refs(5)). `ru_maxrss`, which
    other programs read, begins anew with it. Where that is forbidden, the peak is that of the process since its start.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def begin(self) -> None:
        """Forget the peak before."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with contextlib.suppress(OSError):
                CLEAR.write_text("5")

    def gib(self) -> float:
        """The peak since `begin`, in GiB."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / GIB
        return _resident_peak() / GIB

    def reserved_gib(self) -> float | None:
        """What torch's allocator had taken from the GPU at most since `begin`, in GiB; None without a GPU."""
        return torch.cuda.max_memory_reserved(self.device) / GIB if self.device.type == "cuda" else None


def _resident_peak() -> int:
    """In bytes."""
    with contextlib.suppress(OSError):
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
