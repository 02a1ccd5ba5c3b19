"""The table of presets in docs/objectives.md, from the files in config/optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.config.describe import axes_of
from verizero.config.optimizers import Optimizer

BEGIN = "<!-- presets: python scripts/objectives.py writes these lines -->"
END = "<!-- end of presets -->"


def preset_table(optimizers: Mapping[str, Optimizer]) -> str:
    """One line for each optimizer that names the paper it comes from, in the order of their names."""
    presets = {name: recipe for name, recipe in sorted(optimizers.items()) if recipe.source}
    columns = ["preset", "paper", *next(iter(axes_of(recipe) for recipe in presets.values()), {})]
    lines = [columns, ["---"] * len(columns)]
    lines += [[f"`{name}`", _link(recipe.source or ""), *axes_of(recipe).values()] for name, recipe in presets.items()]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def with_table(page: Path, table: str) -> str:
    """The page with the table of presets between its marks.

    Raises:
        UserError: the page has no such marks.
    """
    return with_part(page, BEGIN, table, END)


def with_part(page: Path, opening: str, part: str, closing: str) -> str:
    """The page with a part between two lines of it in place of what stands there.

    Raises:
        UserError: the page has no such lines.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(opening + "\n")
    _, end, after = rest.partition(closing)
    if not begin or not end:
        raise UserError(f"{page}: there is no line `{opening}`, followed by `{closing}`; the table stands between them")
    return before + begin + "\n" + part + "\n" + end + after


def _link(source: str) -> str:
    site, _, number = source.partition(" ")
    return f"[{number}](https://arxiv.org/abs/{number})" if site == "arXiv" else source
