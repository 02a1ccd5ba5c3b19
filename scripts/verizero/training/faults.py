"""What one of several processes says when it fails, and how the others end when it did.

torchrun ends all processes of a run when one has ended, and its closing lines name the first that failed. They can do so only if the
reason lies where torchrun looks for it, and if those that merely lost a partner end later than the one that failed.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.training.full_disk import reason

LATER_SECONDS = 5.0
"""torchrun looks every tenth of a second which process has ended; one that fails needs a moment to tidy up before it does."""
LOST = (
    "closed by peer",
    "reset by peer",
    "Broken pipe",
    "remote process exited",
    "ncclRemoteError",
    "NCCL communicator was aborted",
)
"""What gloo and NCCL say when a partner is gone."""


def as_one(main: Callable[[], int | None]) -> Callable[[], int | None]:
    """Make a program one of several processes that end together: its failure is left for torchrun, its partner's is one sentence."""

    @functools.wraps(main)
    def wrapped() -> int | None:
        try:
            return main()
        except Exception as error:
            if lost_another(error):
                time.sleep(LATER_SECONDS)
                raise UserError(
                    f"rank {os.environ.get('RANK', 0)} ends because another process of this run has ended; its log, or `Root Cause` in "
                    f"torchrun's closing lines, says which and why (what this one met: {str(error).splitlines()[0]})"
                ) from None
            if not isinstance(error, UserError) and (why := reason(error)):
                where = getattr(error, "filename", None) or "a file of the run"
                full = f"{where} cannot be written: {why}; make room, then start the same command again"
                report(full)
                raise UserError(full) from None
            report(f"{error}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
            raise

    return wrapped


def lost_another(error: BaseException) -> bool:
    """Whether a collective failed because a partner is gone."""
    return isinstance(error, RuntimeError) and any(word in str(error) for word in LOST)


def report(sentence: str) -> None:
    """Leave the reason of a failure where torchrun finds it; nothing without torchrun."""
    if file := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        with suppress(OSError):  # a full disk is reported on a full disk
            Path(file).write_text(json.dumps({"message": sentence, "timestamp": int(time.time())}), encoding="utf-8")
