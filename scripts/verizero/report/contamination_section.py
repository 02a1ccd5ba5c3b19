"""The section of `report.html` about benchmark problems in training sets: the pairs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from verizero.artifacts.manifest import absent_files
from verizero.artifacts.rows import read_rows
from verizero.config.contamination import OVERLAP_KINDS
from verizero.evidence.contamination import Overlap
from verizero.report.contamination_tables import HEADING, sentences

MAX_PAIRS = 50
MAX_CHARACTERS = 1200
TEXTS = "texts.jsonl"


def contamination_data(overlaps: Sequence[Overlap]) -> dict[str, Any] | None:
    """What the section shows; None where nothing was compared.

    The weakest kind comes first, and in it the training sets take turns: a set that repeats a whole benchmark hides no other.
    """
    if not overlaps:
        return None
    shown: list[list[dict[str, Any]]] = []
    absent: list[str] = []
    for overlap in overlaps:
        texts: Sequence[dict[str, str]] = [{}] * len(overlap.pairs)
        if absent_files(overlap.folder.parent / "manifest.json", lambda file: file == TEXTS):
            absent.append(f"The texts of the pairs of {overlap.train_set} are not on this machine.")
        else:
            texts = list(read_rows(overlap.folder / TEXTS))
        shown.append(
            [
                {
                    **pair,
                    "train_set": overlap.train_set,
                    "train_text": _shortened(text.get("train", "")),
                    "benchmark_text": _shortened(text.get("benchmark", "")),
                }
                for pair, text in zip(overlap.pairs, texts, strict=True)
            ]
        )
    ordered = [
        pair
        for kind in reversed(OVERLAP_KINDS)
        for turn in zip_longest(*([pair for pair in own if pair["kind"] == kind] for own in shown))
        for pair in turn
        if pair is not None
    ]
    said = [sentence.removeprefix(HEADING) for sentence in sentences(overlaps)]
    return {
        "sentences": [one[:1].upper() + one[1:] for one in said],
        "pairs": ordered[:MAX_PAIRS],
        "of": len(ordered),
        "absent": absent,
    }


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + " ..."
