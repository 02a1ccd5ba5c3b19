"""Near-duplicates inside one set of problems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verizero.problems.problem import Problem
from verizero.problems.words import coded, gram_codes, next_codes, words

PERMUTATIONS = 128
SHINGLE = 5


def distinct_nearly(problems: Iterable[Problem], jaccard: float = 0.7) -> list[Problem]:
    """The problems that are no near-duplicate of one that is kept before them, in their order.

    Two problems are near-duplicates when the Jaccard similarity of their sets of 5-word shingles is at least `jaccard`; a
    shorter text is one shingle. MinHash with banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, 3.4) proposes
    pairs, and their sets decide: nothing is dropped by a bad estimate. Equal sets are always proposed, a pair at the threshold
    itself nearly always (`chance_of_a_proposal`). The seed is fixed: the same problems give the same answer.

    Args:
        jaccard: in (0, 1].
    """
    problems = list(problems)
    known: dict[str, int] = {}
    bands, rows = _banding(jaccard)
    buckets = _shared_buckets(_sketches(problems, known), bands, rows)
    kept: list[Problem] = []
    held: dict[tuple[int, int], list[int]] = {}  # (band, bucket) -> the kept problems in it
    sets: dict[int, NDArray[np.uint64]] = {}
    for number, problem in enumerate(problems):
        own = [(band, int(bucket)) for band, bucket in enumerate(buckets[number]) if bucket >= 0]
        if own:
            sets[number] = _shingles(problem, known)
            others = {other for place in own for other in held.get(place, ())}
            if any(_jaccard(sets[number], sets[other]) >= jaccard for other in others):
                del sets[number]
                continue
            for place in own:
                held.setdefault(place, []).append(number)
        kept.append(problem)
    return kept


def chance_of_a_proposal(similarity: float, jaccard: float = 0.7) -> float:
    """The probability that a pair of this Jaccard similarity is looked at, where `jaccard` is the threshold."""
    bands, rows = _banding(jaccard)
    return 1 - (1 - similarity**rows) ** bands


def _banding(jaccard: float) -> tuple[int, int]:
    """How many bands of how many rows suit a threshold, by datasketch.

    A false proposal costs one comparison, a missed one a duplicate that stays: hence the weights.
    """
    from datasketch import MinHashLSH

    chosen = MinHashLSH(threshold=min(jaccard, 0.98), num_perm=PERMUTATIONS, weights=(0.02, 0.98))
    return chosen.b, chosen.r


def _sketches(problems: Sequence[Problem], known: dict[str, int]) -> NDArray[np.uint32]:
    """[problem, permutation]: the MinHash sketches."""
    from datasketch import MinHash

    empty = MinHash(num_perm=PERMUTATIONS, hashfunc=_itself)
    found = np.empty((len(problems), PERMUTATIONS), dtype=np.uint32)
    for number, problem in enumerate(problems):
        sketch = empty.copy()
        sketch.update_batch((_shingles(problem, known) >> np.uint64(32)).tolist())
        found[number] = sketch.hashvalues
    return found


def _shared_buckets(sketches: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.int32]:
    """[problem, band]: the number of the bucket, or -1 where the problem is alone in it.

    MinHashLSH keeps a set object for each problem and band, which for a million problems is 10 GB; here it is one number.
    """
    found = np.full((len(sketches), bands), -1, dtype=np.int32)
    for band in range(bands):
        codes = _row_codes(sketches[:, band * rows : (band + 1) * rows])
        _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
        found[:, band] = np.where(counts[inverse] > 1, inverse, -1)
    return found


def _row_codes(values: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One 64-bit code for each row of values."""
    codes = np.zeros(len(values), dtype=np.uint64)
    for column in values.T:
        codes = next_codes(codes, column.astype(np.uint64) + np.uint64(1))
    return codes


def _itself(value: Any) -> Any:
    return value


def _shingles(problem: Problem, known: dict[str, int]) -> NDArray[np.uint64]:
    """The codes of a problem's shingles, ascending; one whose text has no word at all is its own text."""
    codes = coded(words(problem.problem) or [problem.problem], known)
    return np.unique(gram_codes(codes, min(SHINGLE, len(codes))))


def _jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
