"""Problems by what training made of them: the ranking of arXiv 2504.20571."""

from __future__ import annotations

import numpy as np

from verizero.problems.evidence import Histories


def by_variance(histories: Histories) -> list[str]:
    """Problem ids by the population standard deviation of their accuracies, the largest first, ties in the order of the histories.

    The standard deviation is numpy's, in float64: exact fractions would order 86 of the paper's 1,209 problems otherwise, all behind place
    188 (arXiv 2504.20571, section 2; `data_selection.py` of its authors).
    """
    score = {problem: float(np.std(values)) for problem, values in histories.items()}
    return sorted(score, key=lambda problem: -score[problem])


def mean_failure(histories: Histories) -> dict[str, float]:
    """Problem id -> 1 minus the mean of its accuracies."""
    return {problem: 1.0 - float(np.mean(values)) for problem, values in histories.items()}
