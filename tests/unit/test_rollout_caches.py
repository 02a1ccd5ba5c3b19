"""Where compilers cache: apart for each job, as long as nobody says otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from verizero.rollout.caches import FOLDERS

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROGRAM = """
import json, os, sys
from pathlib import Path
from verizero.rollout.caches import FOLDERS, own_caches
own_caches()
for name in FOLDERS:
    Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
print(json.dumps({name: os.environ[name] for name in FOLDERS}))
"""


@pytest.fixture
def caches(tmp_path):
    """Start a job's process in an environment; where its caches were, and whether they are there after its end."""

    def job(**environment):
        clean = {name: value for name, value in os.environ.items() if name not in FOLDERS}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**clean, "PYTHONPATH": str(SCRIPTS), "TMPDIR": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return {name: Path(path) for name, path in json.loads(done.stdout).items()}

    return job


def test_two_jobs_have_no_cache_in_common_and_leave_none(caches, tmp_path):
    one, two = caches(), caches()
    assert not set(one.values()) & set(two.values())
    assert all(path.is_relative_to(tmp_path) for path in one.values())
    assert not any(path.exists() for path in (*one.values(), *two.values()))


def test_the_processes_of_one_job_share_their_caches_and_the_first_one_clears_them(caches):
    second = caches(TORCHELASTIC_RUN_ID="7", LOCAL_RANK="1")
    assert all(path.exists() for path in second.values())
    assert caches(TORCHELASTIC_RUN_ID="7", LOCAL_RANK="0") == second
    assert not any(path.exists() for path in second.values())


def test_what_the_environment_says_is_kept(caches, tmp_path):
    own = tmp_path / "mine"
    found = caches(TRITON_CACHE_DIR=str(own))
    assert found["TRITON_CACHE_DIR"] == own and own.exists()
    assert not found["VLLM_CACHE_ROOT"].exists()
