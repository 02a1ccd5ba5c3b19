"""What choosing a checkpoint by its score on the test set adds to that score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 10


@dataclass(frozen=True)
class Choice:
    """A checkpoint chosen by its own score.

    Attributes:
        index: of the chosen one; the first of equals.
        score: its mean over the problems that chose it.
        honest: the mean that such a choice has on problems that did not choose: each fold is scored by the checkpoint that is best on the
            other folds (cross-validation of the choice; Cawley and Talbot 2010, JMLR 11:2079).
    """

    index: int
    score: float
    honest: float

    @property
    def optimism(self) -> float:
        """How much the chosen checkpoint's score promises too much."""
        return self.score - self.honest


def best_of(scores: NDArray[np.float64], folds: int = FOLDS) -> Choice:
    """The best of several checkpoints on the problems that are reported, and what the choice is worth on others.

    Args:
        scores: [checkpoint, problem], for example the share of right samples.
        folds: problem i is in fold i modulo this; at most one fold a problem.
    """
    means = scores.mean(axis=1)
    index = int(means.argmax())
    count = min(folds, scores.shape[1])
    place = np.arange(scores.shape[1]) % count
    parts = []
    for fold in range(count):
        inside = place == fold
        chosen = int(scores[:, ~inside].mean(axis=1).argmax()) if count > 1 else index
        parts.append(scores[chosen, inside])
    return Choice(index, float(means[index]), float(np.concatenate(parts).mean()))
