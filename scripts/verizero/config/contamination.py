"""When a training problem counts as a benchmark's problem."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from verizero.config.model import Count, Section

OverlapKind = Literal["exact", "containment", "near-duplicate"]
"""How a training problem and a benchmark's problem are alike. Each kind includes those before it."""

OVERLAP_KINDS: tuple[OverlapKind, ...] = ("exact", "containment", "near-duplicate")

Share = Annotated[float, Field(gt=0, le=1)]


def included(kind: OverlapKind) -> tuple[OverlapKind, ...]:
    """A kind and those that it includes."""
    return OVERLAP_KINDS[: OVERLAP_KINDS.index(kind) + 1]


class OverlapRule(Section):
    """What makes two problems alike, in words of their normalised texts."""

    words: Count = 8
    """Length of the n-grams of `containment`; a benchmark's problem that is shorter is one n-gram."""
    containment: Share = 0.5
    """Share of a benchmark problem's n-grams that occur in one training problem, from which on it is contained."""
    shingle: Count = 5
    """Length of the n-grams of `near-duplicate`."""
    jaccard: Share = 0.7
    """Jaccard similarity of the two problems' sets of shingles, from which on they are near-duplicates."""
    common: Count = 10
    """An n-gram that more different problems have than this is boilerplate and says nothing ("find m + n")."""
    common_share: Annotated[float, Field(ge=0, le=1)] = 0.001
    """The same as a share of all different problems; the larger of the two numbers counts."""


class Contamination(OverlapRule):
    """How the training sets of a study are compared with its benchmarks, and what follows."""

    flag: Literal["exact", "containment", "near-duplicate", "none"] = "near-duplicate"
    """Up to which kind a benchmark's problem is flagged. The accuracy without the flagged ones stands in a table of its own."""
