"""A model folder from this machine or from a hub, with its identity checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from verizero.artifacts.canonical import sha256_file, sha256_text
from verizero.artifacts.errors import UserError
from verizero.config.sources import UNPINNED

if TYPE_CHECKING:
    from verizero.config.sources import Folder, Hub

PATTERNS = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt"]
"""What a policy is made of. No `*.py` and no pickle: nothing that runs."""


def local_folder(source: Folder) -> Path:
    """The folder.

    Raises:
        UserError: it is absent, is no model folder, or has another listing than the registry says.
    """
    folder = Path(source.path)
    if not (folder / "config.json").is_file():
        raise UserError(f"source.path {source.path}: there is no Hugging Face model folder (no config.json)")
    if source.sha256 is not None and (found := folder_sha256(folder)) != source.sha256:
        raise UserError(
            f"{source.path} has listing digest {found}, the registry says {source.sha256}; it is another model, or a file is damaged"
        )
    return folder


def folder_sha256(folder: Path) -> str:
    """SHA-256 over `<sha256>  <path>` of every file below a folder that `PATTERNS` names, in the order of the paths."""
    files = sorted(
        {file for pattern in PATTERNS for file in folder.rglob(pattern) if file.is_file()},
        key=lambda file: file.relative_to(folder).as_posix(),
    )
    return sha256_text("".join(f"{sha256_file(file)}  {file.relative_to(folder).as_posix()}\n" for file in files))


def hub_folder(source: Hub) -> Path:
    """The repository at its revision, downloaded or from the cache.

    Raises:
        UserError: the hub cannot be reached and the cache has no copy, the repository is unknown, or a file's digest
            differs from the registry's.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    revision = None if source.revision == UNPINNED else source.revision
    try:
        folder = Path(snapshot_download(source.repo, revision=revision, allow_patterns=PATTERNS))
    except LocalEntryNotFoundError:
        raise UserError(
            f"the model hub cannot be reached and its cache has no copy of {source.repo} at {source.revision}; run prepare_model where there is a network "
            "(a login node), or copy the folder here and use `kind: folder`"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise UserError(f"{source.repo} at {source.revision}: {str(error).splitlines()[0]}") from None
    for name, digest in source.files.items():
        if not (folder / name).is_file():
            raise UserError(
                f"{source.repo} at {source.revision} has no file {name}, which the registry lists under files"
            )
        if (found := sha256_file(folder / name)) != digest:
            raise UserError(
                f"{name} of {source.repo} has SHA-256 {found}, the registry says {digest}; the download is refused"
            )
    return folder
