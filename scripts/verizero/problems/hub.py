"""Data sets of the Hugging Face hub, at a revision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.config.sources import UNPINNED, Hub


def read_hub(source: Hub) -> list[dict[str, Any]]:
    """The rows of a hub data set, in their order.

    Raises:
        UserError: no split is named, the hub cannot be reached (and the set is not in the local cache), it has no such
            set, or a file is not the one that was pinned.
    """
    if source.split is None:
        raise UserError(f"`source.split` is missing for the hub data set {source.repo}; name one, for example `train` or `test`")
    import datasets

    revision = None if source.revision == UNPINNED else source.revision
    what = f"the hub data set {source.repo} at {revision or 'its newest revision'}"
    try:
        table = datasets.load_dataset(source.repo, name=source.subset, split=source.split, revision=revision, verification_mode="all_checks" if source.files else None)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise UserError(f"{what}: not found, or closed to this account ({_line(error)}); see `source.repo`") from None
    except ValueError as error:
        if not {"split", "config", "builderconfig"} & set(str(error).lower().replace("'", " ").split()):
            raise
        raise UserError(f"{what}: {_line(error)}; see `source.subset` ({source.subset}) and `source.split` ({source.split})") from None
    except OSError as error:  # the connection errors of requests, httpx and huggingface_hub are OSErrors, or become ConnectionError
        raise UserError(
            f"{what} cannot be fetched ({_line(error)}) and is not in the local cache; connect, or copy its file under VERIZERO_DATA and use `kind: local` with its SHA-256"
        ) from None
    check_files(source, table.info.download_checksums or {})
    return list(table)


def check_files(source: Hub, downloaded: dict[str, dict[str, Any]]) -> None:
    """Compare the downloaded files with the pinned SHA-256s.

    Args:
        downloaded: URL -> {"checksum": SHA-256 or None}, as `datasets` records it.

    Raises:
        UserError: a file differs, or one was used that is not pinned.
    """
    if not source.files:
        return
    for url, entry in downloaded.items():
        name = _pinned_name(url, source.files)
        if name is None:
            raise UserError(f"{source.repo}: {url} was downloaded, but `source.files` does not name it; run `python scripts/pin.py` again")
        if entry.get("checksum") != source.files[name]:
            raise UserError(f"{source.repo}: {name} has SHA-256 {entry.get('checksum')}, `source.files` says {source.files[name]}; the revision's content is not what was pinned")


def _pinned_name(url: str, names: Iterable[str]) -> str | None:
    return next((name for name in names if url.endswith("/" + name)), None)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
