"""The tables of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verizero.evidence.cells import COLUMNS, Row, decimal_text
from verizero.evidence.comparisons import Difference
from verizero.evidence.disagreement import DISAGREEMENT_COLUMNS
from verizero.evidence.reading import Group, MemberGrades
from verizero.evidence.rollout_behaviours import ROLLOUT_COLUMNS
from verizero.report.table import Table, percent

PAIRED_COLUMNS = (
    *(
        "model",
        "train_set",
        "template",
        "optimizer_a",
        "optimizer_b",
        "checkpoint_a",
        "checkpoint_b",
        "benchmark",
        "protocol",
        "metric",
    ),
    *("difference", "ci_low", "ci_high", "p", "p_holm", "n_problems", "seeds", "mde", "method", "note"),
)
CHANGE_COLUMNS = (
    *("model", "train_set", "template", "optimizer", "checkpoint", "benchmark", "protocol", "metric"),
    *("change", "ci_low", "ci_high", "p", "p_holm", "n_problems", "seeds", "mde", "method", "note"),
)
SEED_COLUMNS = (
    "model",
    "train_set",
    "template",
    "optimizer",
    "checkpoint",
    "benchmark",
    "protocol",
    "metric",
    "seed",
    "estimate",
)
STATUS_COLUMNS = (
    "model",
    "train_set",
    "template",
    "optimizer",
    "checkpoint",
    "benchmark",
    "protocol",
    "status",
    "samples",
    "share",
)


def main_table(rows: Sequence[Row], confidence: float) -> Table:
    """Every estimate of the study."""
    caption = f"Estimates with {percent(confidence)} intervals over problems and training seeds"
    return Table("main", caption, COLUMNS, tuple(row.texts() for row in rows))


def seed_table(rows: Sequence[Row]) -> Table:
    """Each seed's own estimate, of which the main table has the mean."""
    texts = []
    for row in rows:
        key = {name: str(value) for name, value in vars(row.key).items()}
        for seed, value in row.estimate.by_seed.items():
            texts.append(
                {
                    **key,
                    "metric": row.metric,
                    "seed": "" if seed is None else str(seed),
                    "estimate": decimal_text(value),
                }
            )
    return Table("seeds", "Estimate of each training seed", SEED_COLUMNS, tuple(texts))


def paired_table(differences: Sequence[Difference], confidence: float) -> Table:
    """Optimizer a minus optimizer b."""
    rows = []
    for one in differences:
        left, right = one.left, one.right
        where = {
            "model": left.model,
            "train_set": left.train_set,
            "template": left.template,
            "benchmark": left.benchmark,
            "protocol": left.protocol,
        }
        sides = {
            "optimizer_a": left.optimizer,
            "optimizer_b": right.optimizer,
            "checkpoint_a": str(left.checkpoint),
            "checkpoint_b": str(right.checkpoint),
        }
        rows.append({**where, **sides, "metric": one.metric, "difference": _estimate(one), **_evidence(one)})
    caption = f"Optimizer a minus optimizer b on the same problems and seeds, {percent(confidence)} intervals"
    return Table("paired", caption, PAIRED_COLUMNS, tuple(rows))


def change_table(differences: Sequence[Difference], confidence: float) -> Table:
    """Checkpoint minus base model."""
    rows = []
    for one in differences:
        key = {name: str(value) for name, value in vars(one.left).items()}
        rows.append({**key, "metric": one.metric, "change": _estimate(one), **_evidence(one)})
    return Table(
        "change",
        f"Checkpoint minus base model on the same problems, {percent(confidence)} intervals",
        CHANGE_COLUMNS,
        tuple(rows),
    )


def status_table(graded: Sequence[tuple[Group, dict[int | None, MemberGrades]]]) -> Table:
    """How the grader decided, all seeds together: a time limit met is reported, not only counted as wrong."""
    rows: dict[tuple[object, ...], dict[str, str]] = {}
    for group, by_seed in graded:
        total = sum(member.correct.size for member in by_seed.values())
        for status in sorted({status for member in by_seed.values() for status in member.statuses}):
            number = sum(member.statuses.get(status, 0) for member in by_seed.values())
            key = {name: str(value) for name, value in vars(group.key).items()}
            rows.setdefault(
                (*vars(group.key).values(), status),
                {**key, "status": status, "samples": str(number), "share": decimal_text(number / total)},
            )
    return Table(
        "statuses",
        "Samples by grader status",
        STATUS_COLUMNS,
        tuple(rows[key] for key in sorted(rows, key=lambda key: tuple(map(_sortable, key)))),
    )


def behaviour_table(rows: Sequence[Row], confidence: float) -> Table:
    """Every behaviour of every group."""
    caption = f"What responses are like beyond right or wrong, with {percent(confidence)} intervals over problems and training seeds"
    return Table("behaviours", caption, COLUMNS, tuple(row.texts() for row in rows))


def rollout_table(rows: Sequence[Mapping[str, str]], confidence: float) -> Table:
    """What runs' completions were like, step by step."""
    caption = (
        f"What the completions of kept training steps are like, {percent(confidence)} intervals over their prompts"
    )
    return Table("rollout_behaviours", caption, ROLLOUT_COLUMNS, tuple(map(dict, rows)))


def disagreement_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """How many completions only one of two graders calls right."""
    caption = "Completions that two graders judge differently"
    return Table("disagreement", caption, DISAGREEMENT_COLUMNS, tuple(map(dict, rows)))


def _sortable(value: object) -> tuple[int, object]:
    return (0, value) if isinstance(value, int) else (1, value)


def _estimate(one: Difference) -> str:
    return decimal_text(one.interval.estimate if one.interval else None)


def _evidence(one: Difference) -> dict[str, str]:
    found = one.interval
    return {
        "ci_low": decimal_text(found.low if found else None),
        "ci_high": decimal_text(found.high if found else None),
        "p": decimal_text(one.p),
        "p_holm": decimal_text(one.p_holm),
        "n_problems": str(one.n_problems),
        "seeds": one.seeds_text(),
        "mde": decimal_text(one.mde),
        "method": found.method if found else "none",
        "note": one.note,
    }
