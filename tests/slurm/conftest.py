"""The cluster that these tests share, and its daemons' logs beside a failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # under pytest's importlib mode the modules beside a test are not found otherwise

from cluster import ClusterUnavailable, SlurmCluster  # noqa: E402
from daemons import ClusterFailed  # noqa: E402

ROOT = HERE.parents[1]


def logs_of(cluster: SlurmCluster) -> str:
    """Each daemon's last lines under its name."""
    return "\n".join(f"--- {name}\n{text}" for name, text in cluster.logs().items())


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    """A real Slurm with two fake GPUs; the tests are skipped where there can be none."""
    slurm = SlurmCluster()
    with ExitStack() as stack:
        try:
            stack.enter_context(slurm)
        except ClusterUnavailable as reason:
            pytest.skip(str(reason))
        except ClusterFailed as failure:
            pytest.fail(f"{failure}\n{logs_of(slurm)}", pytrace=False)
        yield slurm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the cluster, so that `-m "not slurm"` leaves it out."""
    for item in items:
        if item.path.is_relative_to(HERE) and "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slurm)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the daemons' logs with a failed test: what went wrong is seldom in Slurm's answer."""
    report = yield
    slurm = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(slurm, SlurmCluster):
        report.sections.append(("Slurm's daemons", logs_of(slurm)))
    return report


@pytest.fixture(scope="session")
def snakemake(cluster: SlurmCluster) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Snakemake in a folder, on the cluster: `snakemake(folder, "--profile", "slurm", impatient=True)`.

    `impatient` replaces the plugin's ever longer waits; see `impatient.py`. Returns what it said and its exit status.
    """
    python = next(
        (python for python in (Path(sys.executable), ROOT / ".venv/orchestrate/bin/python") if _has_plugin(python)),
        None,
    )
    if python is None:
        pytest.skip("Neither this Python nor .venv/orchestrate has Snakemake and its Slurm plugin.")
    # A user's own default profile is not what is tested.
    environment = {k: v for k, v in cluster.environment.items() if k not in ("SNAKEMAKE_PROFILE", "XDG_CONFIG_HOME")}

    def run(
        folder: Path, *options: str, impatient: bool = False, timeout: float = 480.0
    ) -> subprocess.CompletedProcess[str]:
        program = (str(HERE / "impatient.py"),) if impatient else ("-m", "snakemake")
        try:
            return subprocess.run(
                (str(python), *program, *options),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as late:
            cluster.cancel_all()  # a killed driver leaves its jobs behind
            said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout
            pytest.fail(f"Snakemake did not end within {timeout:g} s; it said:\n{said}", pytrace=False)

    return run


def _has_plugin(python: Path) -> bool:
    if not python.exists():
        return False
    probe = "import importlib.util as u; exit(u.find_spec('snakemake_executor_plugin_slurm') is None)"
    return subprocess.run((str(python), "-c", probe), check=False).returncode == 0
