"""Resolve the revision of a hub source, online, and write it into the registry with the SHA-256 of its files.

For a model in a folder of this machine, its listing digest is computed and written; that needs no network.

    python scripts/pin.py model qwen2-5-math-1-5b         the newest commit of the default branch
    python scripts/pin.py dataset NAME --revision v1.0    a training set or a benchmark, at a tag
    python scripts/pin.py --check                         list what is not pinned; exit code 1 when there is something

An entry that is pinned keeps its commit (its files are hashed again) unless --revision says otherwise. Nothing is written when
the hub cannot be asked (exit code 2). Needs huggingface_hub: run it with the Python of the jobs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.config.sources import UNPINNED
from verizero.policy.fetch import folder_sha256
from verizero.tracking.hub import Hub, HuggingFace, RepoType, resolved
from verizero.tracking.pinning import entry_source, unpinned_entries, write_pin


def main() -> int:
    """Pin one entry, or list those that are not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=("model", "dataset"), help="a benchmark is a data set")
    parser.add_argument("name", nargs="?", help="the entry's name in the registry")
    parser.add_argument(
        "--revision", help="a branch, tag or commit; by default the commit that is pinned, or the default branch"
    )
    parser.add_argument("--check", action="store_true", help="list entries that are not pinned")
    parser.add_argument("--config-dir", type=Path, default=Path("config"))
    arguments = parser.parse_args()
    if arguments.check:
        return check(arguments.config_dir)
    if not arguments.kind or not arguments.name:
        raise UserError("say what to pin: `python scripts/pin.py model|dataset NAME`, or `--check`")
    print(pin(HuggingFace, arguments.config_dir, arguments.kind, arguments.name, arguments.revision))
    return 0


def check(config: Path) -> int:
    """Print what is not pinned."""
    found = unpinned_entries(config / "registry")
    for file, name, repo in found:
        kind = "model" if file.stem == "models" else "dataset"
        print(f"{file}: {name} ({repo}) is unpinned; `python scripts/pin.py {kind} {name}` resolves it")
    if not found:
        print("every hub source is pinned", file=sys.stderr)
    return int(bool(found))


def pin(hub: Callable[[], Hub], config: Path, kind: RepoType, name: str, revision: str | None) -> str:
    """Resolve one entry and write it; a sentence that says what was found.

    Raises:
        UserError: the entry is not defined or cannot be edited, or the hub cannot be asked.
    """
    registry = config / "registry"
    files = (
        [registry / "models.yaml"] if kind == "model" else [registry / "datasets.yaml", registry / "benchmarks.yaml"]
    )
    file, key, source = entry_source(files, name)
    if source["kind"] == "folder":
        digest = folder_sha256(Path(source["path"]))
        write_pin(file, name, key, {"sha256": digest})
        return f"{file}: {name} is the folder {source['path']} with listing digest {digest}"
    wanted = revision or ("main" if source["revision"] == UNPINNED else source["revision"])
    commit, digests = resolved(hub(), kind, source["repo"], wanted)
    write_pin(file, name, key, {"revision": commit, "files": digests})
    return f"{file}: {name} is {source['repo']} at {commit}, {len(digests)} files"


if __name__ == "__main__":
    main_program(main)()
