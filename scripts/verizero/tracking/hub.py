"""What a model hub says about a repository: the commit behind a name, and the SHA-256 of its files."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any, Literal, Protocol

from verizero.artifacts.canonical import sha256_file
from verizero.artifacts.errors import UserError
from verizero.policy.fetch import PATTERNS

RepoType = Literal["model", "dataset"]
NOT_CONTENT = ("README.md", "LICENSE*", ".gitattributes", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.pdf")
"""For readers; nothing loads these."""


class Hub(Protocol):
    """A hub, as far as pinning needs it."""

    def commit(self, kind: RepoType, repo: str, revision: str) -> str:
        """The commit that a branch, tag or commit stands for, 40 hexadecimal digits."""
        ...

    def files(self, kind: RepoType, repo: str, commit: str) -> dict[str, str | None]:
        """Path -> SHA-256 of each file; None where the hub does not state it (small files kept in git)."""
        ...

    def sha256(self, kind: RepoType, repo: str, commit: str, path: str) -> str:
        """SHA-256 of one file's content."""
        ...


class HuggingFace:
    """The Hugging Face hub, through its own client.

    Raises:
        UserError: the client is not installed here.
    """

    def __init__(self) -> None:
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise UserError(
                "huggingface_hub is not in this environment; run pin.py with the Python of the jobs, .venv/jobs/bin/python"
            ) from None
        self._api = HfApi()

    def commit(self, kind: RepoType, repo: str, revision: str) -> str:
        """See `Hub`."""
        return str(self._info(kind, repo, revision).sha)

    def files(self, kind: RepoType, repo: str, commit: str) -> dict[str, str | None]:
        """See `Hub`. Large files carry their SHA-256 in the LFS metadata."""
        found = self._info(kind, repo, commit).siblings or []
        return {one.rfilename: one.lfs.sha256 if one.lfs else None for one in found}

    def sha256(self, kind: RepoType, repo: str, commit: str, path: str) -> str:
        """See `Hub`; downloads the file."""
        from huggingface_hub import hf_hub_download

        with _sentences(repo):
            return sha256_file(Path(hf_hub_download(repo, path, repo_type=kind, revision=commit)))

    def _info(self, kind: RepoType, repo: str, revision: str) -> Any:
        with _sentences(repo):
            return self._api.repo_info(repo, repo_type=kind, revision=revision, files_metadata=True, timeout=30)


class _sentences:  # noqa: N801 (a context manager, read as a verb)
    """A failed request in one sentence; every client library raises its own kinds."""

    def __init__(self, repo: str) -> None:
        self.repo = repo

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError):
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise UserError(
                f"{self.repo}: the hub could not be asked ({said}); nothing was written, try again with a network connection"
            ) from None


def resolved(hub: Hub, kind: RepoType, repo: str, revision: str) -> tuple[str, dict[str, str]]:
    """The commit behind a revision, and the SHA-256 of every file that anything could load.

    Raises:
        UserError: the hub cannot be asked, or its answer is no commit.
    """
    commit = hub.commit(kind, repo, revision)
    if len(commit) != 40 or not set(commit) <= set("0123456789abcdef"):
        raise UserError(
            f"{repo}: the hub says that {revision} is {commit!r}, which is no commit of 40 hexadecimal digits; nothing was written"
        )
    files = {}
    for path, digest in sorted(hub.files(kind, repo, commit).items()):
        if _loaded(kind, path):
            files[path] = digest or hub.sha256(kind, repo, commit, path)
    return commit, files


def _loaded(kind: RepoType, path: str) -> bool:
    """Whether a stage would use a file: of a model exactly what is downloaded, of a data set all but what readers use."""
    if kind == "model":
        return any(fnmatch.fnmatch(path, pattern) for pattern in PATTERNS)
    return not any(fnmatch.fnmatch(Path(path).name, pattern) for pattern in NOT_CONTENT)
