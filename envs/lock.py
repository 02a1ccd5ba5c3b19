"""Resolve envs/*.in into envs/*.lock: every version pinned, every file by hash.

    python envs/lock.py                         # keep the pins that still fit; after a change of an .in file
    python envs/lock.py --upgrade-package NAME  # move one package
    python envs/lock.py --upgrade               # move all
    python envs/lock.py --check                 # resolve without writing; exit 1 when a pin would change

Needs uv: `python envs/build.py orchestrate` installs it, and this program finds it there. Only uv's default index is
asked, not the extra ones configured for pip, so that the hashes are those of the public files on any machine.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from build import ENVS, ROOT, pip_settings

CPU = ["--config-file", "cpu.toml", "--override", "cpu-overrides.txt"]
# Installed first by version (torch), or replaced by nothing (cpu-overrides.txt): not part of a CPU lock.
CPU += [
    part
    for name in ("torch", "torchvision", "torchaudio", "torchcodec", "triton")
    for part in ("--no-emit-package", name)
]

# In this order: a later lock takes the versions of the earlier ones named as constraints.
LOCKS = {
    "orchestrate": ["--no-config", "orchestrate.in"],
    "test-orchestrate": ["--no-config", "--constraint", "orchestrate.lock", "test-orchestrate.in"],
    # The larger one first: what vLLM admits decides for both.
    "jobs-cpu-vllm": [*CPU, "jobs-cpu-vllm.in"],
    "jobs-cpu": [*CPU, "--constraint", "jobs-cpu-vllm.lock", "jobs.in"],
    "test-jobs": [
        "--config-file", "test.toml", "--constraint", "jobs-cpu-vllm.lock", "--constraint", "jobs-cpu.lock", "test-jobs.in",
    ],
    "jobs-gpu": [
        "--config-file", "gpu.toml", "--constraint", "jobs-cpu.lock", "--constraint", "test-jobs.lock", "jobs-gpu.in",
    ],
    "bootstrap": ["--no-config", "--constraint", "jobs-cpu.lock", "bootstrap.in"],
}  # fmt: skip


def find_uv():
    """The pinned uv of the orchestration environment, else one on the PATH."""
    built = ROOT / ".venv/orchestrate/bin/uv"
    found = str(built) if built.exists() else shutil.which("uv")
    if not found:
        sys.exit("uv is not installed; `python envs/build.py orchestrate` installs the pinned one")
    return found


def pins(text):
    """The lines of a lock that pin a version, without hashes and comments."""
    return [line.rstrip("\\ ") for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def resolve(uv, name, folder, options):
    """Write `folder`/`name`.lock; what lies there already is preferred over newer versions."""
    environment = dict(os.environ)
    certificate = pip_settings(sys.executable).get("cert")
    if certificate:
        environment.setdefault("SSL_CERT_FILE", certificate)
    command = [
        uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
        "--custom-compile-command", "python envs/lock.py", *LOCKS[name], *options, "--output-file", f"{name}.lock",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(f"envs/{name}.lock: no versions satisfy its .in file; uv's reason is above")


def main():
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", nargs="*", metavar="LOCK", help=f"only these: {', '.join(LOCKS)}")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a pin would change")
    parser.add_argument("--upgrade", action="store_true", help="prefer newer versions to the pinned ones")
    parser.add_argument(
        "--upgrade-package", action="append", default=[], metavar="NAME", help="the same for one package"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.locks if name not in LOCKS]
    if unknown:
        parser.error(f"no lock is called {unknown[0]}; they are {', '.join(LOCKS)}")
    options = ["--upgrade"] if arguments.upgrade else []
    options += [part for name in arguments.upgrade_package for part in ("--upgrade-package", name)]
    uv = find_uv()
    # Resolved in a copy, so that neither a check nor a failure half-way touches the locks.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for source in ENVS.iterdir():
            if source.suffix in (".in", ".lock", ".toml", ".txt"):
                shutil.copy(source, folder)
        names = [name for name in LOCKS if name in (arguments.locks or LOCKS)]
        for name in names:
            resolve(uv, name, folder, options)
        for name in names:
            new, old = folder / f"{name}.lock", ENVS / f"{name}.lock"
            before = pins(old.read_text(encoding="utf-8")) if old.exists() else []
            after = pins(new.read_text(encoding="utf-8"))
            gone, come = [pin for pin in before if pin not in after], [pin for pin in after if pin not in before]
            changes = [*(f"- {pin}" for pin in gone), *(f"+ {pin}" for pin in come)]
            print(f"envs/{name}.lock: {len(after)} pins, {len(changes)} changed lines", *changes, sep="\n  ")
            if arguments.check and changes:
                sys.exit(f"envs/{name}.lock does not follow from its .in file; run: python envs/lock.py {name}")
            if not arguments.check:
                shutil.copy(new, old)


if __name__ == "__main__":
    main()
