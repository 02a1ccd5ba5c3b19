"""For all tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from verizero.training.world import World

# How long an example takes says something about the machine, and the suite runs on busy ones. The parent is Hypothesis' own
# profile, which under CI draws the same examples each time.
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A run's world of this process alone; the next file of tests in this process starts its own."""
    from verizero.training.world import leave_world, start_world

    yield start_world(threads=1)
    leave_world()
