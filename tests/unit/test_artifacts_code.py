"""The code digest changes with what a program does, and with nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from verizero.artifacts.code import closure, code_digest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
LAYERS = [
    "artifacts",
    "config",
    "problems",
    "policy",
    "rollout",
    "reward",
    "objective",
    "training",
    "analysis",
    "tracking",
]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text('"""Room."""\n')
    (tmp_path / "room" / "maths.py").write_text(
        '"""Maths."""\n\n\ndef double(x):\n    """Twice."""\n    # a comment\n    return 2 * x\n'
    )
    (tmp_path / "room" / "other.py").write_text("EDITED = 0\n")
    file = tmp_path / "stage.py"
    file.write_text("from room.maths import double\n\nprint(double(1))\n")
    return file


def edited(program: Path, before: str, after: str) -> str:
    import verizero.artifacts.code as code

    file = program.parent / "room" / "maths.py"
    file.write_text(file.read_text().replace(before, after))
    for cache in (code._tree, code._meaning, code._imports):
        cache.cache_clear()
    return code_digest(program)


@pytest.mark.parametrize(
    ("before", "after"),
    [("# a comment", "# another"), ("Twice.", "Two times."), ("return 2 * x", "return (2\n        * x)")],
)
def test_comments_docstrings_and_layout_are_left_out(program: Path, before: str, after: str) -> None:
    assert code_digest(program) == edited(program, before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [("2 * x", "3 * x"), ("double(x)", "double(x, y=1)"), ("return 2 * x", "return '2 * x'"), ("2 * x", "2.0 * x")],
)
def test_what_the_program_does_is_in(program: Path, before: str, after: str) -> None:
    assert code_digest(program) != edited(program, before, after)


def test_a_module_that_is_not_imported_is_not_in(program: Path) -> None:
    assert closure(program) == ["room/__init__.py", "room/maths.py", "stage.py"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_lower_layer_never_imports_a_higher_one(layer: str) -> None:
    higher = LAYERS[LAYERS.index(layer) + 1 :]
    for file in (SCRIPTS / "verizero" / layer).rglob("*.py"):
        for name in re.findall(r"verizero\.(\w+)", file.read_text(encoding="utf-8")):
            assert name not in higher, f"{file.relative_to(ROOT)} imports from {name}, a higher layer"


@pytest.mark.parametrize("stage", ["prepare_model", "prepare_dataset", "pretrain", "train", "generate", "grade"])
def test_plotting_and_tracking_are_in_no_stage_that_makes_results(stage: str) -> None:
    assert not [
        module
        for module in closure(SCRIPTS / f"{stage}.py")
        if module.startswith(("verizero/analysis", "verizero/tracking", "verizero/config"))
    ]


def test_generating_does_not_depend_on_the_grader_nor_grading_on_the_engine() -> None:
    assert not [module for module in closure(SCRIPTS / "generate.py") if "/reward/" in module or "/training/" in module]
    assert not [
        module
        for module in closure(SCRIPTS / "grade.py")
        if "/rollout/" in module or "/policy/" in module or "/training/" in module
    ]
