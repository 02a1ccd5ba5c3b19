"""How far a result is its grader's: the same completions judged by several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Verdict

DISAGREEMENT_COLUMNS = (
    *("grader_a", "grader_b", "n_completions", "n_correct_a", "n_correct_b"),
    *("n_differ", "n_only_a", "n_only_b", "share", "n_stopped"),
)
STOPPED = ("limit", "timeout", "error")
"""Verdicts that are wrong for the grader's sake: their number is shown, for they may explain a difference."""


def verdicts_of(
    graders: Sequence[str], pairs: Sequence[tuple[Accepted, str]], workers: int = 1
) -> dict[str, list[Verdict]]:
    """Each grader's verdicts on (golds, response) pairs, in their order.

    Raises:
        UserError: there is no grader of that name.
    """
    pools = {name: GradingPool(name, workers) for name in graders}
    verdicts = {}
    for name, pool in pools.items():
        with pool:
            verdicts[name] = pool.grade_all(pairs)
    return verdicts


def disagreements(verdicts: Mapping[str, Sequence[Verdict]]) -> list[dict[str, str]]:
    """One row for each two graders: how many completions only one of them calls right, and which.

    `share` is that of the completions that they judge differently; it may be large where `n_correct` hardly differs.
    `n_stopped` counts completions that at least one of the two stopped at a limit.
    """
    rows = []
    for name, other in combinations(verdicts, 2):
        pairs = list(zip(verdicts[name], verdicts[other], strict=True))
        only = sum(one.correct and not two.correct for one, two in pairs)
        only_other = sum(two.correct and not one.correct for one, two in pairs)
        values: tuple[str | int | float, ...] = (
            *(name, other, len(pairs)),
            *(sum(one.correct for one, _ in pairs), sum(two.correct for _, two in pairs)),
            *(only + only_other, only, only_other),
            f"{(only + only_other) / len(pairs):.6f}" if pairs else "",
            sum(one.status in STOPPED or two.status in STOPPED for one, two in pairs),
        )
        rows.append(dict(zip(DISAGREEMENT_COLUMNS, map(str, values), strict=True)))
    return rows
