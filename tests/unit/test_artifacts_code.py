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
    "statistics",
    "evidence",
    "report",
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
    for cache in (code._tree, code._meaning, code._imports, code._named_files):
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


def test_a_file_that_a_module_names_is_in_and_its_neighbour_is_not(program: Path) -> None:
    for name in ("page.html.jinja", "other.html.jinja"):
        (program.parent / "room" / name).write_text("as it was")
    bare = edited(program, "return 2 * x", "return 3 * x")
    named = edited(program, '"""Maths."""', '"""Maths."""\n\nPAGE = "page.html.jinja"')
    assert "room/page.html.jinja" in closure(program) and "room/other.html.jinja" not in closure(program)
    (program.parent / "room" / "other.html.jinja").write_text("edited")
    assert named == edited(program, "", "") != bare
    (program.parent / "room" / "page.html.jinja").write_text("edited")
    assert edited(program, "", "") != named


def test_templates_and_styles_are_part_of_the_study_s_code() -> None:
    covered = {Path(name).name for name in closure(SCRIPTS / "aggregate.py")}
    beside = {
        file.name for file in (SCRIPTS / "verizero" / "report").iterdir() if file.suffix in (".jinja", ".mplstyle")
    }
    assert beside and beside <= covered


def test_statistics_imports_nothing_of_ours() -> None:
    for file in (SCRIPTS / "verizero" / "statistics").rglob("*.py"):
        rooms = set(re.findall(r"verizero\.(\w+)", file.read_text(encoding="utf-8")))
        assert rooms <= {"statistics"}, f"{file.relative_to(ROOT)} imports from {rooms}"


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
        if module.startswith(
            ("verizero/statistics", "verizero/evidence", "verizero/report", "verizero/tracking", "verizero/config")
        )
    ]


def test_generating_does_not_depend_on_the_grader_nor_grading_on_the_engine() -> None:
    assert not [module for module in closure(SCRIPTS / "generate.py") if "/reward/" in module or "/training/" in module]
    assert not [
        module
        for module in closure(SCRIPTS / "grade.py")
        if "/rollout/" in module or "/policy/" in module or "/training/" in module
    ]
