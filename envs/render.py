"""Write the conda environments and Apptainer recipes that follow from the locks.

    python envs/render.py           # write envs/conda/*.yaml and envs/apptainer/*.def
    python envs/render.py --check   # write nothing; exit 1 and name the files that differ

Nothing in those two folders is edited by hand: the pins have one home, the locks.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ENVS = Path(__file__).resolve().parent
HEADER = "# Written by envs/render.py from {lock} (sha256 {digest}). Change the .in file, not this one.\n"

# The interpreter that the locks were resolved from and that the continuous checks run.
PYTHON = "3.11"

PURPOSES = {
    "orchestrate": "Verizero's orchestration: Snakemake, its Slurm plugin, DVC and MLflow",
    "jobs-cpu": "Verizero's jobs on CPUs: PyTorch, transformers, DeepSpeed, vLLM",
    "jobs-gpu": "Verizero's jobs on NVIDIA GPUs: PyTorch, transformers, DeepSpeed, vLLM",
}


def pins(lock: Path) -> Iterator[str]:
    """The pinned requirements of a lock, with their markers and without hashes."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            yield line.rstrip("\\ ")


def header(lock: Path) -> str:
    """First line of a generated file: its source, and the digest by which a reader can tell whether it is current."""
    return HEADER.format(lock=f"envs/{lock.name}", digest=hashlib.sha256(lock.read_bytes()).hexdigest())


def conda_environment(name: str, lock: Path) -> str:
    """A conda environment with exactly the lock's versions.

    Conda supplies the interpreter and a compiler, pip the rest, so that both installers give the same versions. The hashes
    stay in the lock: pip reads them from a requirements file and conda hands it these lines.
    """
    lines = [
        f"# {PURPOSES[name]}.\n",
        f"name: verizero-{name}\n",
        "channels:\n  - conda-forge\n  - nodefaults\n",
        f"dependencies:\n  - python={PYTHON}\n  - pip\n  - git\n  - cxx-compiler\n",
        "  - pip:\n      - --no-deps\n",
        *(f'      - "{pin}"\n' for pin in pins(lock)),
    ]
    return header(lock) + "".join(lines)


def apptainer_recipe(name: str, lock: Path, first: Path | None, imports: str) -> str:
    """An Apptainer recipe that installs the lock with its hashes; the code is not part of the image."""
    files = [ENVS / "bootstrap.lock", *([first] if first else []), lock]
    copied = "".join(f"    envs/{file.name} /verizero/{file.name}\n" for file in files)
    # The same order as envs/build.py: torch has a different build on each kind of machine, so no lock holds it there.
    torch = f"    python -m pip install --no-cache-dir --requirement /verizero/{first.name}\n" if first else ""
    return (
        header(lock)
        + f"""# Build it in the repository's root: apptainer build {name}.sif envs/apptainer/{name}.def

Bootstrap: docker
From: python:{PYTHON}-slim-bookworm

%labels
    org.opencontainers.image.title {PURPOSES[name]}
    org.opencontainers.image.licenses Apache-2.0

%help
    {PURPOSES[name]}.
    The repository is not in the image: run it in a checkout, for example
    apptainer exec --nv {name}.sif python scripts/grade.py --help

%files
{copied}
%post
    set -eu
    apt-get update
    # The compiler: DeepSpeed, PyTorch and Triton compile small kernels at the first start.
    apt-get install --yes --no-install-recommends git g++ make
    rm -rf /var/lib/apt/lists/*
    python -m pip install --no-cache-dir --require-hashes --no-deps --requirement /verizero/bootstrap.lock
{torch}    uv pip install --system --no-cache --require-hashes --no-deps --no-build-isolation \\
        --requirement /verizero/{lock.name}

%environment
    export PYTHONNOUSERSITE=1

%test
    python -c "import {imports}"
"""
    )


def rendered() -> dict[Path, str]:
    """Every generated file with its text."""
    orchestrate, cpu, gpu = (ENVS / f"{name}.lock" for name in ("orchestrate", "jobs-cpu-vllm", "jobs-gpu"))
    jobs = "torch, transformers, deepspeed, vllm, datasets, math_verify"
    recipes = ENVS / "apptainer"
    return {
        ENVS / "conda/orchestrate.yaml": conda_environment("orchestrate", orchestrate),
        ENVS / "conda/jobs-gpu.yaml": conda_environment("jobs-gpu", gpu),
        recipes / "orchestrate.def": apptainer_recipe("orchestrate", orchestrate, None, "snakemake, dvc, mlflow"),
        recipes / "jobs-cpu.def": apptainer_recipe("jobs-cpu", cpu, ENVS / "torch.in", jobs),
        recipes / "jobs-gpu.def": apptainer_recipe("jobs-gpu", gpu, None, jobs),
    }


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    arguments = parser.parse_args()
    files = rendered()
    differing = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    # A file whose source is gone would otherwise stay and look current.
    strays = [path for folder in {path.parent for path in files} for path in folder.glob("*") if path not in files]
    if arguments.check:
        if differing or strays:
            names = ", ".join(sorted(f"envs/{path.relative_to(ENVS)}" for path in [*differing, *strays]))
            sys.exit(f"Out of date with the locks: {names}; run: python envs/render.py")
        return
    for path in strays:
        path.unlink()
    for path in differing:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
        print(f"envs/{path.relative_to(ENVS)}")


if __name__ == "__main__":
    main()
