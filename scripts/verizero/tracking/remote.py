"""Stub until merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Obtainable:
    """What."""

    files: set[Path]
    reason: str = ""


def obtainable(dvc_files: Sequence[Path]) -> Obtainable:
    """Stub."""
    return Obtainable(set(), "no DVC remote")


def bring(dvc_files: Sequence[Path]) -> None:
    """Stub."""
