"""Which objects a DVC repository's cache and its default remote hold. A process of its own: importing DVC leaves threads and
loggers behind that Snakemake, which forks, is better off without; and a remote that never answers can be given up.

Reads `{"repository": …, "objects": [md5, …], "cache": true}` and writes `{"held": [md5, …], "trouble": sentence or null}`.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

from dvc.config import NoRemoteError
from dvc.repo import Repo


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    held: set[str] = set()
    trouble = None
    try:
        repository = Repo(asked["repository"])
        wanted = set(asked["objects"])
        if asked["cache"]:
            held |= _exist(repository.cache.local, wanted)
        if wanted - held:
            found, trouble = _at_remote(repository, wanted - held)
            held |= found
    except NoRemoteError:
        trouble = "no DVC remote is configured"
    except Exception as error:  # each storage has errors of its own
        trouble = _words(error)
    json.dump({"held": sorted(held), "trouble": trouble}, sys.stdout)


def _at_remote(repository: Repo, wanted: set[str]) -> tuple[set[str], str | None]:
    """Those of the objects that the default remote holds, and what is wrong with it."""
    remote = repository.cloud.get_remote(command="pull")
    if remote.fs.protocol == "local":
        if not remote.fs.exists(remote.path):
            return set(), f"the DVC remote `{remote.name}` is not there: {remote.path}"
        return _exist(remote.odb, wanted), None
    try:
        held = set(remote.odb.oids_exist(wanted))
        if missing := wanted - held:
            # Over HTTP, a server that does not answer looks like an absent object, unless one is read.
            with suppress(FileNotFoundError):
                remote.fs.fs.cat_file(remote.odb.oid_to_path(min(missing)), start=0, end=1)
    except Exception as error:
        return set(), f"the DVC remote `{remote.name}` cannot be reached: {_words(error)}"
    return held, None


def _exist(store: Any, wanted: set[str]) -> set[str]:
    """As the store's own `oids_exist`, which removes damaged objects from a local one."""
    return {oid for oid in wanted if store.fs.exists(store.oid_to_path(oid))}


def _words(error: Exception) -> str:
    return " ".join((str(error) or repr(error)).split())


if __name__ == "__main__":
    main()
