"""What the clock says of a phase: how long it took, and how much it held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from verizero.training import peak_memory  # noqa: E402
from verizero.training.clock import Clock  # noqa: E402
from verizero.training.peak_memory import PeakMemory  # noqa: E402
from verizero.training.world import World  # noqa: E402

ALONE = World(0, 1, torch.device("cpu"))
GIB = 2**30


def test_a_phase_has_the_peak_that_it_reached_and_the_next_begins_anew() -> None:
    clock = Clock(PeakMemory(ALONE.device))
    clock.phase("large")
    np.ones(GIB // 2 // 8)
    clock.phase("small")
    clock.phase(None)
    timing = clock.timing(tokens=10, world=ALONE)
    assert 0.45 < timing["peak_gib_large"] - timing["peak_gib_small"] < 0.6
    assert "reserved_gib" not in timing


def test_a_phase_that_comes_twice_keeps_its_higher_peak_and_both_times() -> None:
    clock = Clock(PeakMemory(ALONE.device))
    for size in (GIB // 2, 8):
        clock.phase("twice")
        np.ones(size // 8)
        clock.phase("between")
    clock.phase(None)
    assert clock.peaks["twice"] - clock.peaks["between"] > 0.45


def test_where_a_peak_cannot_begin_anew_it_is_that_of_the_process(monkeypatch) -> None:
    monkeypatch.setattr(peak_memory, "CLEAR", Path("/proc/self/no-such-file/at-all"))
    monkeypatch.setattr(peak_memory, "STATUS", Path("/proc/self/no-such-file"))
    memory = PeakMemory(ALONE.device)
    memory.begin()
    before = memory.gib()
    np.ones(GIB // 2 // 8)
    memory.begin()
    assert memory.gib() >= before > 0.05


def test_the_peak_of_several_ranks_is_the_highest() -> None:
    class Others(World):
        def maxima(self, values):
            return [value + 1.0 for value in values]

    clock = Clock(PeakMemory(ALONE.device))
    clock.phase("train")
    clock.phase(None)
    timing = clock.timing(tokens=1, world=Others(0, 2, ALONE.device))
    assert timing["peak_gib_train"] == pytest.approx(clock.peaks["train"] + 1.0, abs=1e-3)
