"""Near-duplicates inside one set of problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verizero.problems.problem import Problem
from verizero.problems.words import coded, gram_codes, words

PERMUTATIONS = 128
SHINGLE = 5


def distinct_nearly(problems: Iterable[Problem], jaccard: float = 0.7) -> list[Problem]:
    """The problems that are no near-duplicate of one that is kept before them, in their order.

    Two problems are near-duplicates when the Jaccard similarity of their sets of 5-word shingles is at least `jaccard`; a
    shorter text is one shingle. MinHash (Broder 1997) with banding proposes pairs, and each is then decided by its sets, so that
    no kept problem is missing by a bad estimate. A pair at the threshold itself is proposed with a probability of about 0.9,
    one of equal sets always; the seed is fixed, so that the same problems give the same answer.

    Args:
        jaccard: in (0, 1].
    """
    from datasketch import MinHash, MinHashLSH

    # A false proposal costs one comparison, a missed one a duplicate that stays: hence the weights. They leave out 1, for which
    # no banding is needed.
    threshold = min(jaccard, 0.98)
    near = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=(0.1, 0.9))
    first = MinHash(num_perm=PERMUTATIONS, hashfunc=_itself)
    known: dict[str, int] = {}
    shingles: list[NDArray[np.uint64]] = []
    kept: list[Problem] = []
    for problem in problems:
        own = _shingles(problem, known)
        sketch = first.copy()
        sketch.update_batch((own >> np.uint64(32)).tolist())
        if any(_jaccard(own, shingles[number]) >= jaccard for number in near.query(sketch)):
            continue
        near.insert(len(kept), sketch)
        shingles.append(own)
        kept.append(problem)
    return kept


def _itself(value: Any) -> Any:
    return value


def _shingles(problem: Problem, known: dict[str, int]) -> NDArray[np.uint64]:
    """The codes of a problem's shingles, ascending; one whose text has no word at all is its own text."""
    codes = coded(words(problem.problem) or [problem.problem], known)
    return np.unique(gram_codes(codes, min(SHINGLE, len(codes))))


def _jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
