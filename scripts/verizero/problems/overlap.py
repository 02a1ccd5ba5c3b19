"""Which training problems are problems of a benchmark: exact, contained, or near-duplicates.

The benchmarks' n-grams are an index; the training set streams past it in batches. What a training problem shares with the
index is found by sorted 64-bit codes, so that a million training problems take minutes. The few pairs that remain are
compared word by word.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from verizero.config.contamination import OverlapKind, OverlapRule, included
from verizero.problems.problem import Problem
from verizero.problems.text import normalised
from verizero.problems.words import coded, gram_codes, grams, jaccard, next_codes, words

STANDARD = OverlapRule(words=8, containment=0.5, shingle=5, jaccard=0.7, common=10, common_share=0.001)
"""Where no study says otherwise. Written out: these numbers are part of a stage's code, the configuration's defaults are not."""

BATCH = 20_000
"""Training problems that are looked up at once; their words are in memory together."""


@dataclass(frozen=True)
class Pair:
    """A training problem and a benchmark's problem that are alike.

    Attributes:
        train: the first training problem with this text.
        copies: how many training problems have its normalised text.
        benchmark, problem: the benchmark's name, and its problem.
        kind: the first that holds of exact, containment, near-duplicate.
        containment: share of the benchmark problem's n-grams, boilerplate left out, that the training problem has.
        jaccard: of the two sets of shingles.
        same_answer: whether they share an accepted answer, word by word; `1/2` and `0.5` are two.
    """

    train: Problem
    copies: int
    benchmark: str
    problem: Problem
    kind: OverlapKind
    containment: float
    jaccard: float
    same_answer: bool

    @property
    def score(self) -> float:
        """What its kind was decided by."""
        return {"exact": 1.0, "containment": self.containment, "near-duplicate": self.jaccard}[self.kind]


def find_pairs(
    train: Iterable[Problem], benchmarks: Mapping[str, Sequence[Problem]], rule: OverlapRule = STANDARD
) -> list[Pair]:
    """Every pair of a training problem and a benchmark's problem that are alike, sorted by benchmark and its problems' order.

    Args:
        train: iterated twice, in the same order; training problems with one normalised text are one.
        benchmarks: name -> problems.
        rule: the thresholds.
    """
    index = _Index(benchmarks, rule)
    seen = _Seen(index)
    for batch in _batches(train):
        seen.take(batch)
    exact, contained, near = seen.exact, seen.contained(), seen.maybe_near()
    wanted = {number for number, _ in [*exact, *contained, *near]}
    texts = {number: problem for number, problem in enumerate(train) if number in wanted}
    pairs = []
    for number, place in sorted(exact | contained.keys() | near, key=lambda key: (key[1], key[0])):
        one, name, other = texts[number], *index.problems[place]
        share = contained.get((number, place), 0.0)
        n = min(rule.shingle, len(index.words[place]))
        alike = jaccard(grams(words(one.problem), n), grams(index.words[place], n)) if n else 0.0
        kind: OverlapKind | None = (
            "exact"
            if (number, place) in exact
            else "containment"
            if share >= rule.containment
            else "near-duplicate"
            if alike >= rule.jaccard
            else None
        )
        if kind:
            same = bool(_answers(one) & _answers(other))
            pairs.append(Pair(one, seen.copies[number], name, other, kind, share, alike, same))
    return pairs


def texts_alike(
    train: Sequence[Problem], benchmarks: Mapping[str, Sequence[Problem]], kind: OverlapKind
) -> dict[str, set[str]]:
    """Benchmark -> the normalised texts of the training problems that are like one of its problems, up to a kind."""
    found: dict[str, set[str]] = {name: set() for name in benchmarks}
    for pair in find_pairs(train, benchmarks):
        if pair.kind in included(kind):
            found[pair.benchmark].add(normalised(pair.train.problem))
    return found


class _Index:
    """The n-grams of all benchmarks.

    Attributes:
        problems, words: of each benchmark problem, by its place.
        codes: length of an n-gram -> the codes of that length, ascending; `first` is the number of its first gram.
        contained, shingles: for each place, the numbers of its grams.
        own: for each gram, how many different benchmark texts have it.
    """

    def __init__(self, benchmarks: Mapping[str, Sequence[Problem]], rule: OverlapRule) -> None:
        self.rule = rule
        self.problems = [(name, problem) for name, listed in benchmarks.items() for problem in listed]
        self.words = [words(problem.problem) for _, problem in self.problems]
        self.known: dict[str, int] = {}
        texts = [normalised(problem.problem) for _, problem in self.problems]
        self.exact: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            self.exact.setdefault(text, []).append(place)
        numbers = [coded(each, self.known) for each in self.words]
        lengths = [(min(rule.words, len(each)), min(rule.shingle, len(each))) for each in self.words]
        by_length: dict[int, list[NDArray[np.uint64]]] = {}
        for each, pair in zip(numbers, lengths, strict=True):
            for n in {*pair} - {0}:
                by_length.setdefault(n, []).append(gram_codes(each, n))
        self.codes: dict[int, NDArray[np.uint64]] = {}
        self.first: dict[int, int] = {}
        self.size = 0
        for n in sorted(by_length):
            self.codes[n], self.first[n] = np.unique(np.concatenate(by_length[n])), self.size
            self.size += len(self.codes[n])
        self.contained = [self._numbers(each, n) for each, (n, _) in zip(numbers, lengths, strict=True)]
        self.shingles = [self._numbers(each, n) for each, (_, n) in zip(numbers, lengths, strict=True)]
        self.texts = len(self.exact)
        self.own = np.zeros(self.size, dtype=np.int64)
        for places in self.exact.values():
            self.own[np.union1d(self.contained[places[0]], self.shingles[places[0]])] += 1

    def _numbers(self, codes: NDArray[np.uint64], n: int) -> NDArray[np.int64]:
        if not n:
            return np.zeros(0, dtype=np.int64)
        return np.searchsorted(self.codes[n], np.unique(gram_codes(codes, n))).astype(np.int64) + self.first[n]


class _Seen:
    """What the training problems that passed share with the index.

    Attributes:
        exact: (number of the training problem, place of the benchmark's problem) of equal texts.
        copies: number of a text's first training problem -> how many have it.
    """

    def __init__(self, index: _Index) -> None:
        self.index = index
        self.exact: set[tuple[int, int]] = set()
        self.copies: Counter[int] = Counter()
        self._first: dict[bytes, int] = {}
        self._number = 0
        self._matches: list[NDArray[np.int64]] = []  # [match, (training problem, gram)]

    def take(self, batch: Sequence[Problem]) -> None:
        """Look up the next training problems."""
        pieces: list[list[int]] = []
        owners: list[int] = []
        for problem in batch:
            text, number = normalised(problem.problem), self._number
            self._number += 1
            first = self._first.setdefault(hashlib.blake2b(text.encode(), digest_size=16).digest(), number)
            self.copies[first] += 1
            if first != number:
                continue
            self.exact.update((number, place) for place in self.index.exact.get(text, ()))
            known = self.index.known
            pieces.append([known.get(word, 0) for word in words(problem.problem)] + [0])
            owners.append(number)
        if pieces:
            flat = np.fromiter((code for piece in pieces for code in piece), dtype=np.uint64)
            owner = np.repeat(np.array(owners, dtype=np.int64), [len(piece) for piece in pieces])
            self._look_up(flat, owner)

    def _look_up(self, flat: NDArray[np.uint64], owner: NDArray[np.int64]) -> None:
        """Find the index's grams in a row of words; 0 is a word that no benchmark has, and the end of a problem."""
        begins = np.flatnonzero(flat)
        codes = flat[begins]
        for n in range(1, max(self.index.codes, default=0) + 1):
            if n > 1:
                behind = flat[begins + n - 1]  # the last word of all is 0, and no gram that goes on begins there
                begins, codes, behind = begins[behind > 0], codes[behind > 0], behind[behind > 0]
                codes = next_codes(codes, behind)
            if n in self.index.codes and len(codes):
                wanted = self.index.codes[n]
                at = np.minimum(np.searchsorted(wanted, codes), len(wanted) - 1)
                hit = wanted[at] == codes
                found = np.stack([owner[begins[hit]], at[hit] + self.index.first[n]], axis=1)
                self._matches.append(np.unique(found, axis=0))

    def contained(self) -> dict[tuple[int, int], float]:
        """The share of a benchmark problem's grams that a training problem has, where it reaches the rule's; boilerplate left out."""
        own = [gram[~self._common[gram]] for gram in self.index.contained]
        sizes = np.array([len(gram) for gram in own], dtype=np.int64)
        pairs, shared = self._joined(own)
        share = shared / sizes[pairs[:, 1]]
        kept = share >= self.index.rule.containment
        return {
            (int(number), int(place)): float(value)
            for (number, place), value in zip(pairs[kept], share[kept], strict=True)
        }

    def maybe_near(self) -> set[tuple[int, int]]:
        """Pairs that can reach the rule's Jaccard similarity.

        Who shares a share j of a problem's shingles has one at least of any 1 - j of them and one more: the rarest are asked.
        """
        rare = []
        for shingles in self.index.shingles:
            enough = len(shingles) - int(np.ceil(self.index.rule.jaccard * len(shingles) - 1e-9)) + 1
            rare.append(shingles[np.argsort(self._frequency[shingles], kind="stable")[:enough]])
        return {(int(number), int(place)) for number, place in self._joined(rare)[0]}

    @property
    def _frequency(self) -> NDArray[np.int64]:
        return self.index.own + np.bincount(self._all[:, 1], minlength=self.index.size)

    @property
    def _common(self) -> NDArray[np.bool_]:
        """Boilerplate: the grams that too many different problems have, benchmarks and training set together."""
        rule, texts = self.index.rule, self.index.texts + len(self._first)
        return self._frequency > max(rule.common, rule.common_share * texts)

    @property
    def _all(self) -> NDArray[np.int64]:
        if len(self._matches) != 1:
            self._matches = [np.concatenate([*self._matches, np.zeros((0, 2), dtype=np.int64)])]
        return self._matches[0]

    def _joined(self, sets: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(training problem, place) of all that share a gram of these sets, and how many they share."""
        gram = np.concatenate([*sets, np.zeros(0, dtype=np.int64)])
        place = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
        order = np.argsort(gram, kind="stable")
        gram, place = gram[order], place[order]
        begin = np.searchsorted(gram, self._all[:, 1], side="left")
        times = np.searchsorted(gram, self._all[:, 1], side="right") - begin
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        width = max(1, len(sets))
        keys = np.repeat(self._all[:, 0], times) * width + place[np.repeat(begin, times) + within]
        unique, shared = np.unique(keys, return_counts=True)
        return np.stack([unique // width, unique % width], axis=1), shared


def _answers(problem: Problem) -> set[str]:
    """A problem's accepted answers by their words, or by their text where there are none."""
    return {" ".join(words(answer)) or normalised(answer) for answer in problem.answers}


def _batches(problems: Iterable[Problem]) -> Iterator[list[Problem]]:
    stream = iter(problems)
    while batch := list(islice(stream, BATCH)):
        yield batch
