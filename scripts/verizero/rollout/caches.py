"""Where vLLM, Triton and TorchInductor keep what they compile: a folder of this job's own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

FOLDERS = {"VLLM_CACHE_ROOT": "vllm", "TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor"}
"""Environment variable -> folder. By default they lie in the home folder, on a cluster a network file system, or have one name
for all jobs of a user: two jobs that compile the same at the same time then write the same files."""


def own_caches() -> None:
    """Let the compilers' caches lie in the temporary folder of this node, apart from other jobs'. What the environment says is kept.

    The processes that one torchrun starts on a node share a folder. It goes when the node's first process ends.
    """
    job = os.environ.get("TORCHELASTIC_RUN_ID") or str(os.getpid())
    home = Path(tempfile.gettempdir()) / f"verizero-caches-{os.getuid()}" / job.replace("/", "-")
    missing = [name for name in FOLDERS if name not in os.environ]
    for name in missing:
        os.environ[name] = str(home / FOLDERS[name])
    if missing and os.environ.get("LOCAL_RANK", "0") == "0":
        home.parent.mkdir(mode=0o700, exist_ok=True)
        atexit.register(shutil.rmtree, home, ignore_errors=True)
