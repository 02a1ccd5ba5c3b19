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

#: Files that take over half a minute, the longest first: two processes share the files, and one that began such a file last
#: would work alone until it ends. `tests/everything.py` prints what the ten slowest tests took.
LONG = (
    # unit and integration
    "test_training_ranks.py",
    "test_run.py",
    "test_training_objectives.py",
    "test_training_resume.py",
    "test_generate.py",
    "test_reward_papers.py",
    "test_reward_pool.py",
    "test_report_study.py",
    "test_rollout_vllm.py",
    "test_reward_grade.py",
    "test_reward_cases.py",
    "test_training_validation.py",
    "test_training_hostile.py",
    "test_training_loop.py",
    # workflow
    "test_absent.py",
    "test_absent_dvc.py",
    "test_rerun_contract.py",
    "test_restore.py",
    "test_fresh_clone.py",
    "test_published_studies.py",
    "test_tracking_dvc.py",
    "test_tracking_mlflow.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the order of the tests in a file stays."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A run's world of this process alone; the next file of tests in this process starts its own."""
    from verizero.training.world import leave_world, start_world

    yield start_world(threads=1)
    leave_world()
