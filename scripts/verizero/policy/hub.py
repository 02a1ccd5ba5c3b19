"""A model repository of a hub, at one revision."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.config.sources import UNPINNED, Hub

WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


def hub_folder(source: Hub) -> Path:
    """The repository's files on this machine.

    Raises:
        UserError: the hub cannot be reached and nothing is cached, there is no such revision, or a file differs from
            the registry.
    """
    revision = None if source.revision == UNPINNED else source.revision
    try:
        folder = Path(snapshot_download(source.repo, revision=revision, allow_patterns=WANTED))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise UserError(f"{source.repo} at {source.revision}: {str(error).splitlines()[0]}") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UserError(
            f"{source.repo} at {source.revision} is neither cached nor reachable ({type(error).__name__}); "
            "fetch it where there is a network, with the same HF_HOME"
        ) from None
    for name, wanted in source.files.items():
        if not (folder / name).is_file():
            continue
        if (digest := sha256_file(folder / name)) != wanted:
            raise UserError(f"{source.repo}: {name} has SHA-256 {digest}, the registry says {wanted}")
    return folder
