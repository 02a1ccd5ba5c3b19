"""Build a virtual environment from its locks, or leave it alone when it already matches them.

    python envs/build.py orchestrate
    python envs/build.py jobs --with vllm --with test
    python envs/build.py jobs --list

An environment is built in layers, each from one lock with hashes. A stamp inside the environment holds the digests of
the locks that it was built from; it is written last, after the imports were tried. So an interrupted build has no stamp
and starts anew, a changed lock rebuilds, and an unchanged one costs a tenth of a second.

pip's own configuration (indexes, find-links, certificate) is handed on to uv, which does not read it.
"""

import argparse
import ast
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ENVS = Path(__file__).resolve().parent
ROOT = ENVS.parent
STAMP = "verizero-locks.json"

# base is always there; the others are asked for by `--with`. `first` is installed by pip, by version and with its
# dependencies, before the lock: torch has a different build on each kind of machine, so no one hash is right.
ENVIRONMENTS = {
    "orchestrate": {
        "base": {
            "lock": "orchestrate.lock",
            "imports": "snakemake snakemake_executor_plugin_slurm dvc mlflow pydantic yaml numpy scipy pandas "
            "matplotlib",
        },
        "test": {
            "lock": "test-orchestrate.lock",
            "imports": "pytest pytest_timeout xdist hypothesis jsonschema mypy snakefmt",
        },
    },
    "jobs": {
        "base": {
            "first": "torch.in",
            "lock": "jobs-cpu.lock",
            "imports": "torch transformers deepspeed accelerate datasets gguf math_verify antlr4 pydantic yaml "
            "jaxtyping numpy scipy pandas matplotlib pyarrow jinja2 tqdm",
        },
        "vllm": {"lock": "jobs-cpu-vllm.lock", "imports": "vllm"},
        "test": {
            "lock": "test-jobs.lock",
            "imports": "pytest pytest_timeout xdist hypothesis jsonschema trl",
        },
    },
    "jobs-gpu": {
        "base": {
            "lock": "jobs-gpu.lock",
            "imports": "torch transformers vllm deepspeed accelerate datasets gguf math_verify antlr4 pydantic yaml "
            "jaxtyping numpy scipy pandas matplotlib pyarrow jinja2 tqdm",
        },
        "test": {
            "lock": "test-jobs.lock",
            "imports": "pytest pytest_timeout xdist hypothesis jsonschema trl",
        },
    },
}


class BuildError(Exception):
    """Something that the person who runs the build can mend; its text is the sentence that they read."""


def layer_digest(layer):
    """Digest of everything that a layer is installed from."""
    digest = hashlib.sha256()
    for name in ("bootstrap.lock", layer.get("first"), layer["lock"]):
        if name:
            digest.update((ENVS / name).read_bytes())
    return digest.hexdigest()


def read_stamp(folder):
    """The digests that `folder` was built from by layer; empty when there is no finished build that still starts."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # The programs in bin/ name their interpreter by its whole path: a folder that was moved or copied cannot run them.
    if not isinstance(stamp, dict) or stamp.get("folder") != str(folder):
        return {}
    # A removed or upgraded base interpreter leaves an environment that has a stamp and cannot start.
    try:
        started = subprocess.run([folder / "bin/python", "-c", ""], capture_output=True, check=False)
    except OSError:
        return {}
    return stamp["layers"] if started.returncode == 0 else {}


def pip_settings(python):
    """What pip is configured to use: environment variables over the install section over the global one."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = {}
    for scope in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{scope}\.([\w-]+)=(.*)$", listed, flags=re.MULTILINE):
            settings[name] = str(ast.literal_eval(value))
    return settings


def uv_environment(settings):
    """The process environment that makes uv look where pip is configured to look; variables already set win."""
    environment = dict(os.environ)
    for option, variable, separator in (
        ("index-url", "UV_DEFAULT_INDEX", " "),
        ("extra-index-url", "UV_INDEX", " "),
        ("find-links", "UV_FIND_LINKS", ","),
        ("trusted-host", "UV_INSECURE_HOST", " "),
        ("timeout", "UV_HTTP_TIMEOUT", " "),
        ("default-timeout", "UV_HTTP_TIMEOUT", " "),
        ("cert", "SSL_CERT_FILE", " "),
    ):
        if option in settings:
            environment.setdefault(variable, separator.join(settings[option].split()))
    # uv stops at the first index that knows a name, even without the pinned version. Looking at all of them is safe
    # here: the lock's hashes decide which file is taken.
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    # Caches and environments often lie on different file systems, where uv would warn at each package.
    environment.setdefault("UV_LINK_MODE", "hardlink" if same_file_system() else "copy")
    return environment


def same_file_system():
    """Whether uv's cache and the environments lie on one file system, so that files can be linked instead of copied."""
    cache = Path(os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home())
    while not cache.exists():
        cache = cache.parent
    return cache.stat().st_dev == ROOT.stat().st_dev


@contextlib.contextmanager
def step(title):
    """Print a step of the build with the seconds that it took."""
    began = time.monotonic()
    print(f"  {title} ...", end="", flush=True)
    yield
    print(f" {time.monotonic() - began:.0f} s", flush=True)


def run(command, failure, environment=None):
    """Run a command quietly; when it fails, raise `failure` with the end of what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise BuildError(f"{failure}\n{tail}")


def create(folder):
    """Make an empty virtual environment with the pinned installer in it."""
    shutil.rmtree(folder, ignore_errors=True)
    with step("empty environment"):
        run(
            [sys.executable, "-m", "venv", folder],
            "Python's venv module does not work; on Debian and Ubuntu it needs the package python3-venv.",
        )
    with step("installer"):
        run(
            [folder / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes",
             "--no-deps", "--requirement", ENVS / "bootstrap.lock"],
            "The installer could not be installed from envs/bootstrap.lock.",
        )  # fmt: skip


def install(folder, layer, environment):
    """Install one layer on top of what is there."""
    python = folder / "bin/python"
    if "first" in layer:
        name = Path(layer["first"]).stem
        # The lock's versions as constraints, so that nothing is fetched twice; without hashes, since pip would then
        # want one for the package that cannot have one.
        with step(name), tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.writelines(
                line.rstrip("\\ \n") + "\n" for line in (ENVS / layer["lock"]).open() if re.match(r"[A-Za-z0-9]", line)
            )
            constraints.flush()
            run(
                [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile",
                 "--constraint", constraints.name, "--requirement", ENVS / layer["first"]],
                f"{name} could not be installed from envs/{layer['first']}.",
            )  # fmt: skip
    with step(layer["lock"]):
        # Without isolation the few source packages are built with the hash-locked setuptools of bootstrap.lock.
        run(
            [folder / "bin/uv", "pip", "install", "--python", python, "--require-hashes", "--no-deps",
             "--no-build-isolation", "--requirement", ENVS / layer["lock"]],
            f"envs/{layer['lock']} could not be installed.",
            environment,
        )  # fmt: skip


def verify(folder, layers):
    """Import what the layers promise; a wheel that was cut short or does not fit this machine shows here."""
    names = [name for layer in layers for name in layer["imports"].split()]
    with step(f"import of {len(names)} packages"):
        program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
        run(
            [folder / "bin/python", "-c", program, *names],
            f"{folder.name}: everything was installed, but the import check failed.",
        )


def build(name, extras):
    """Bring environment `name` to its locks with at least the layers `extras`; layers that are there already stay."""
    layers = ENVIRONMENTS[name]
    venv = ROOT / ".venv"
    folder = venv / name
    venv.mkdir(exist_ok=True)
    with (venv / f".{name}.busy").open("w") as busy:
        # Two builds at once (two terminals, `make -j`) would remove each other's files.
        fcntl.flock(busy, fcntl.LOCK_EX)
        stamp = read_stamp(folder)
        wanted = ["base", *sorted({*extras, *(layer for layer in stamp if layer in layers)} - {"base"})]
        digests = {layer: layer_digest(layers[layer]) for layer in wanted}
        if stamp == digests:
            return
        print(f"Building .venv/{name} ({', '.join(wanted)})", flush=True)
        if not stamp or any(digests.get(layer) != digest for layer, digest in stamp.items()):
            stamp = {}
            create(folder)
        else:
            (folder / STAMP).unlink()
        missing = [layers[layer] for layer in wanted if layer not in stamp]
        environment = uv_environment(pip_settings(folder / "bin/python"))
        for layer in missing:
            install(folder, layer, environment)
        verify(folder, [layers[layer] for layer in wanted])
        written = folder / f"{STAMP}.new"
        written.write_text(json.dumps({"folder": str(folder), "layers": digests}, indent=2) + "\n", encoding="utf-8")
        written.replace(folder / STAMP)


def main():
    """Command line; see the module's docstring."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit(
            f"Verizero needs Python 3.11 or newer, and {sys.executable} is {found}; "
            "name another one, as in: make PYTHON=python3.11"
        )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", choices=sorted(ENVIRONMENTS))
    parser.add_argument(
        "--with", dest="extras", action="append", default=[], metavar="LAYER", help="add a layer: test, vllm"
    )
    parser.add_argument("--list", action="store_true", help="print the layers that the environment has now, and stop")
    arguments = parser.parse_args()
    name = arguments.environment
    if arguments.list:
        print(" ".join(read_stamp(ROOT / ".venv" / name)) or "not built")
        return
    for extra in arguments.extras:
        if extra not in ENVIRONMENTS[name]:
            parser.error(f"{name} has no layer {extra}; it has {', '.join(ENVIRONMENTS[name])}")
    try:
        build(name, arguments.extras)
    except BuildError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit(f"\n.venv/{name} is not finished; the next build starts anew.")


if __name__ == "__main__":
    main()
