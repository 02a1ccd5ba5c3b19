"""The tables of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verizero.evidence.cells import COLUMNS, KEY_COLUMNS, Row, decimal_text
from verizero.evidence.checkpoint_choice import Chosen
from verizero.evidence.comparisons import NOUNS, Axis, Difference
from verizero.evidence.disagreement import DISAGREEMENT_COLUMNS
from verizero.evidence.looks import Looks
from verizero.evidence.reading import Group, MemberGrades
from verizero.evidence.rollout_behaviours import ROLLOUT_COLUMNS
from verizero.report.table import Table, percent

EVIDENCE = ("ci_low", "ci_high", "p", "p_holm", "n_problems", "seeds", "mde", "method", "note")
RECIPE = ("model", "train_set", "template", "optimizer")
CHANGE_COLUMNS = (*KEY_COLUMNS, "change", *EVIDENCE)
SEED_COLUMNS = (*KEY_COLUMNS, "seed", "estimate")
LOOK_COLUMNS = ("comparison", "look", "seeds", "difference", "ci_low", "ci_high", "p", "level", "power", "decision")
CHOICE_NUMBERS = ("score", "honest", "optimism")
CHOICE_COLUMNS = (
    *("model", "train_set", "template", "optimizer", "benchmark", "protocol", "metric", "n_checkpoints"),
    *("last", "best_on_test", "best_steps", "cross_validated", "optimism", "seeds"),
)
STATUS_COLUMNS = (*KEY_COLUMNS[:-1], "status", "samples", "share")


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


def paired_columns(axis: Axis) -> tuple[str, ...]:
    """The columns of a table of pairs; those of the optimizers' have been the first."""
    shared = tuple(name for name in RECIPE if name != axis)
    sides = (f"{axis}_a", f"{axis}_b", "checkpoint_a", "checkpoint_b")
    return (*shared, *sides, "benchmark", "protocol", "metric", "difference", *EVIDENCE)


def paired_table(differences: Sequence[Difference], axis: Axis, confidence: float) -> Table:
    """One optimizer (or training set, template, model) minus another."""
    rows = []
    for one in differences:
        left, right = one.left, one.right
        where = {name: str(getattr(left, name)) for name in (*RECIPE, "benchmark", "protocol") if name != axis}
        sides = {
            f"{axis}_a": str(getattr(left, axis)),
            f"{axis}_b": str(getattr(right, axis)),
            "checkpoint_a": str(left.checkpoint),
            "checkpoint_b": str(right.checkpoint),
        }
        rows.append({**where, **sides, "metric": one.metric, "difference": _estimate(one), **_evidence(one)})
    noun = NOUNS[axis]
    caption = f"{noun.capitalize()} a minus {noun} b on the same problems and seeds, {percent(confidence)} intervals"
    name = "paired" if axis == "optimizer" else f"paired_{axis}s"
    return Table(name, caption, paired_columns(axis), tuple(rows))


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


def checkpoint_table(chosen: Sequence[Chosen]) -> Table:
    """What each rule of choosing a checkpoint would have reported.

    `optimism` is what the best on the test set promises too much: its score minus that of the same choice on problems that did not choose.
    """
    rows = []
    for one in chosen:
        seeds = list(one.last)
        best = {name: sum(getattr(one.best[seed], name) for seed in seeds) / len(seeds) for name in CHOICE_NUMBERS}
        rows.append(
            {
                **{name: str(value) for name, value in vars(one.key).items() if name in CHOICE_COLUMNS},
                "metric": one.metric,
                "n_checkpoints": str(one.steps),
                "last": decimal_text(sum(one.last.values()) / len(seeds)),
                "best_on_test": decimal_text(best["score"]),
                "best_steps": ",".join(str(one.at[seed]) for seed in seeds),
                "cross_validated": decimal_text(best["honest"]),
                "optimism": decimal_text(best["optimism"]),
                "seeds": ",".join(map(str, seeds)),
            }
        )
    caption = "Accuracy by the rule that chooses the checkpoint, mean over seeds; optimism is what choosing on the test set adds"
    return Table("checkpoints", caption, CHOICE_COLUMNS, tuple(rows))


def look_table(found: Looks) -> Table:
    """Each look of the declared design; ci_low and ci_high stay valid however many looks are taken."""
    rows = []
    for look in found.looks:
        numbers = {
            "difference": look.found.estimate,
            "ci_low": look.low,
            "ci_high": look.high,
            "p": look.p,
            "level": look.level,
            "power": look.power,
        }
        texts = {
            "comparison": found.subject,
            "look": f"{look.number} of {look.of}",
            "seeds": ",".join(map(str, look.seeds)),
            "decision": look.decision,
        }
        rows.append({**texts, **{name: decimal_text(value) for name, value in numbers.items()}})
    caption = f"Looks of the sequential design ({found.design.spending} spending, alpha {found.design.alpha:g} over all looks)"
    return Table("looks", caption, LOOK_COLUMNS, tuple(rows))


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
