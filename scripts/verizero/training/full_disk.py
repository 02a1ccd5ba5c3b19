"""A full disk is one sentence: what could not be written, where, and how much room there is."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verizero.artifacts.errors import UserError

NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up", errno.EFBIG: "the file is too large"}
WRITERS = ("PytorchStreamWriter", "file write failed", "unexpected pos")
"""What torch says when it cannot write, whatever the reason; it names none."""
SAFETENSORS = {f"os error {number}": said for number, said in NO_ROOM.items()}


@contextmanager
def told_when_full(what: str, folder: Path, needed: int | None = None, remedy: str = "") -> Iterator[None]:
    """Turn a failed write inside the block into a sentence; what else is raised passes through.

    Args:
        what: could not be written, as in "the state after step 3".
        needed: about how many bytes it has; None where that is not known.
        remedy: what the run does when it is started again.

    Raises:
        UserError: there was no room.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if (why := reason(error)) is None:
            raise
        room = [_free(folder)] if why != NO_ROOM[errno.EDQUOT] else []  # the disk's room is not the user's
        room += [f"it has {megabytes(needed)}"] if needed else []
        raise UserError(
            f"{what} cannot be written below {folder}: {why}"
            + (f"; {', and '.join(room)}" if room else "")
            + "; make room, then start the same command again"
            + (f": {remedy}" if remedy else "")
        ) from error


def reason(error: BaseException | None) -> str | None:
    """Why a write failed, where it failed for want of room; None for another error."""
    while error is not None:
        if isinstance(error, OSError):
            return NO_ROOM.get(error.errno or 0)
        if isinstance(error, RuntimeError) and any(word in str(error) for word in WRITERS):
            return "the disk is full or cannot be written"
        if found := next((said for word, said in SAFETENSORS.items() if word in str(error)), None):
            return found
        error = error.__cause__ or error.__context__
    return None


def megabytes(size: int) -> str:
    """For messages."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def _free(folder: Path) -> str:
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
    return f"{megabytes(shutil.disk_usage(there).free)} are free there"
