"""How often a study without a declared design was looked at, each time with other seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from verizero.artifacts.rows import read_rows

FILE = "looks.jsonl"


def note_look(folder: Path, seeds: Sequence[int]) -> list[list[int]]:
    """Add these seeds to the study's list of looks, unless they were the last ones; all looks so far.

    The list lies beside the study's manifest and is no part of it: it says what was done, not what was found.
    """
    file = folder / FILE
    looks = [list(row["seeds"]) for row in read_rows(file)] if file.is_file() else []
    if not looks or looks[-1] != list(seeds):
        looks.append(list(seeds))
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"seeds": list(seeds)}) + "\n")
    return looks


def looks_sentence(looks: Sequence[Sequence[int]], declared: bool) -> str:
    """What a reader must know of them; nothing where there was one, or where a design allows for them."""
    if declared or len(looks) < 2:
        return ""
    texts = " then ".join(",".join(map(str, seeds)) for seeds in looks)
    return (
        f"These results were looked at {len(looks)} times, with seeds {texts}, and no sequential design was declared: intervals and p do not "
        "allow for that."
    )
