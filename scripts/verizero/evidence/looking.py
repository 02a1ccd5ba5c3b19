"""How often a study was looked at, with which seeds, and under which declared design."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.artifacts.rows import read_rows
from verizero.config.spec import StudySpec
from verizero.evidence.comparisons import Graded

FILE = "looks.jsonl"


@dataclass(frozen=True)
class Looked:
    """One time that a study's tables were made with seeds that they were not made with before.

    Attributes:
        seeds: those that had grades.
        design: the sequential design that the study declared then; None where it declared none.
    """

    seeds: tuple[int, ...]
    design: dict[str, Any] | None

    def text(self) -> str:
        """The line of `looks.jsonl`."""
        return json.dumps({"seeds": list(self.seeds), "design": self.design}, sort_keys=True) + "\n"


def looks_so_far(folder: Path, spec: StudySpec, graded: Sequence[Graded]) -> list[Looked]:
    """The looks that the study's folder tells of, and this one where its seeds or its design are others.

    The list is a file of the study like its tables: it is hashed, published and brought back with them.

    Args:
        folder: that of the study's manifest, with what an earlier aggregation left there.
    """
    file = folder / FILE
    looks = (
        [Looked(tuple(row.get("seeds", ())), row.get("design")) for row in read_rows(file)] if file.is_file() else []
    )
    there = {seed for _, by_seed in graded for seed in by_seed if seed is not None}
    seeds = tuple(seed for seed in spec.study.seeds if seed in there)
    design = spec.study.sequential.model_dump(mode="json") if spec.study.sequential else None
    now = Looked(seeds, design)
    return looks if looks and looks[-1] == now else [*looks, now]


def looks_sentence(looks: Sequence[Looked]) -> str:
    """What a reader must know of them; nothing after one look, or where a design that was there from the first allows for them."""
    if len({look.seeds for look in looks}) < 2 and len(looks) < 2:
        return ""
    texts = " then ".join(",".join(map(str, look.seeds)) or "none" for look in looks)
    if looks[-1].design is None:
        return (
            f"These results were looked at {len(looks)} times, with seeds {texts}, and no sequential design was declared: intervals and p do "
            "not allow for that."
        )
    other = sum(look.design != looks[-1].design for look in looks)
    if other:
        return (
            f"The sequential design was declared or changed after {other} of {len(looks)} looks (seeds {texts}); its error rate does not hold for "
            "that."
        )
    grown = all(after.seeds[: len(before.seeds)] == before.seeds for before, after in itertools.pairwise(looks))
    if not grown:
        return f"Seeds were not only added between looks ({texts}); the error rate of the sequential design does not hold for that."
    return ""
