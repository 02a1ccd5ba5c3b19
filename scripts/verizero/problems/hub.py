"""Data sets of the Hugging Face hub, at a revision."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.config.sources import UNPINNED, Hub


def read_hub(source: Hub) -> list[dict[str, Any]]:
    """The rows of a hub data set, in their order.

    Raises:
        UserError: no split is named, the hub cannot be reached (and the set is not in the local cache), it has no such
            set, or a file is not the one that was pinned.
    """
    if source.split is None:
        raise UserError(
            f"`source.split` is missing for the hub data set {source.repo}; name one, for example `train` or `test`"
        )
    import datasets
    import huggingface_hub

    revision = None if source.revision == UNPINNED else source.revision
    what = f"the hub data set {source.repo} at {revision or 'its newest revision'}"
    try:
        builder = datasets.load_dataset_builder(source.repo, name=source.subset, revision=revision)
        if source.files:
            urls = (builder.config.data_files or {}).get(source.split.partition("[")[0], [])
            check_files(
                source,
                urls,
                lambda name: huggingface_hub.hf_hub_download(source.repo, name, repo_type="dataset", revision=revision),
            )
        builder.download_and_prepare()
        return list(builder.as_dataset(split=source.split))
    except datasets.exceptions.DatasetNotFoundError as error:
        raise UserError(f"{what}: not found, or closed to this account ({_line(error)}); see `source.repo`") from None
    except ValueError as error:
        if not {"split", "config", "builderconfig"} & set(str(error).lower().replace("'", " ").split()):
            raise
        raise UserError(
            f"{what}: {_line(error)}; see `source.subset` ({source.subset}) and `source.split` ({source.split})"
        ) from None
    except OSError as error:  # connection errors, of whatever library, are OSErrors
        raise UserError(
            f"{what} cannot be fetched ({_line(error)}) and is not in the local cache; "
            "connect, or copy its file under VERIZERO_DATA and use `kind: local` with its SHA-256"
        ) from None


def check_files(source: Hub, urls: Iterable[str], fetch: Callable[[str], str]) -> None:
    """Compare the files behind a split with the pinned SHA-256s.

    Args:
        urls: where the split's files are: `hf://datasets/<repo>@<revision>/<name>`.
        fetch: brings a file of the repository here, by its name.

    Raises:
        UserError: a file differs, one is not pinned, or there is none.
    """
    names = [url.partition("@")[2].partition("/")[2] for url in urls]
    if not names:
        raise UserError(
            f"{source.repo}: no file could be told for the split {source.split}, so `source.files` cannot be checked; see `source.split`"
        )
    for name in names:
        if name not in source.files:
            raise UserError(
                f"{source.repo}: {name} is part of the split {source.split}, but `source.files` does not name it; "
                "run `python scripts/pin.py` again"
            )
        if (found := sha256_file(Path(fetch(name)))) != source.files[name]:
            raise UserError(
                f"{source.repo}: {name} has SHA-256 {found}, `source.files` says {source.files[name]}; "
                "the revision's content is not what was pinned"
            )


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
