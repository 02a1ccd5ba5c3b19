"""The digest of a stage's code: what the program and everything it imports from here would do.

Comments, docstrings, layout and line numbers are left out, so that editing them reruns nothing. The `config`
layer is left out too: what it contributes to a stage is the spec, which is compared in full; with it inside, an
option added anywhere in the schema would retrain every model. This module itself changes no result. A file that is no Python and lies beside a module, a
page's template for example, belongs to the code when the module names it in a string.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

LEFT_OUT = ("verizero/config/", "verizero/artifacts/code.py")


def code_digest(program: Path) -> str:
    """SHA-256 over the import closure of a stage's program inside its own folder.

    Args:
        program: the stage program, for example `scripts/train.py`; modules are looked for beside it.
    """
    root = program.parent
    digest = hashlib.sha256()
    for module in sorted(_closure(program, root)):
        digest.update(f"{module}\n{_meaning(root / module)}\n".encode())
    return digest.hexdigest()


def closure(program: Path) -> list[str]:
    """The files that a stage's digest covers, relative to the program's folder, sorted."""
    return sorted(_closure(program, program.parent))


def _closure(program: Path, root: Path) -> set[str]:
    seen: set[str] = set()
    waiting = [program.relative_to(root).as_posix()]
    while waiting:
        module = waiting.pop()
        if module in seen or module.startswith(LEFT_OUT):
            continue
        seen.add(module)
        if module.endswith(".py"):
            waiting.extend(_imports(root / module, root) | _named_files(root / module, root))
    return seen


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@functools.cache
def _meaning(path: Path) -> str:
    if path.suffix != ".py":
        return path.read_text(encoding="utf-8")
    pieces: list[str] = []
    _serialise(_tree(path), pieces)
    return "".join(pieces)


def _serialise(node: ast.AST, pieces: list[str]) -> None:
    """A node's type and its fields that say something.

    Not `ast.dump` or `ast.unparse`: their text differs between Python versions, and a login node with another
    Python would retrain everything. Fields that are empty, and those that only some versions have, are left out.
    """
    pieces.append(type(node).__name__)
    pieces.append("(")
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "type_comment", "kind", "type_ignores") or value is None or value == []:
            continue
        if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            value = value[_docstrings(value) :]
        pieces.append(name)
        pieces.append("=")
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                _serialise(item, pieces)
            else:
                pieces.append(repr(item))
            pieces.append(",")
    pieces.append(")")


def _docstrings(body: list[ast.stmt]) -> int:
    first = body[0]
    return int(
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )


@functools.cache
def _imports(path: Path, root: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = path.parent
            for _ in range(node.level - 1):
                package = package.parent
            prefix = ".".join([*package.relative_to(root).parts, *([node.module] if node.module else [])])
            names = [prefix, *(f"{prefix}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            found.update(_files_of(name, root))
    return frozenset(found)


@functools.cache
def _named_files(path: Path, root: Path) -> frozenset[str]:
    """The files beside a module that are no Python and that one of its strings names."""
    beside = {file.name for file in path.parent.iterdir() if file.suffix != ".py" and file.is_file()}
    if not beside:
        return frozenset()
    said = {node.value for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant)}
    folder = path.parent.relative_to(root)
    return frozenset((folder / name).as_posix() for name in beside & said)


def _files_of(name: str, root: Path) -> list[str]:
    """The files that importing a dotted name executes: each package on the way, and the module."""
    parts, files = name.split("."), []
    for depth in range(1, len(parts) + 1):
        stem = Path(*parts[:depth])
        for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
            if (root / candidate).is_file():
                files.append(candidate.as_posix())
    return files
