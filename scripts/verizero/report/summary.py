"""What a study found, in sentences that say no more than its intervals."""

from __future__ import annotations

from collections.abc import Sequence

from verizero.config.expansion import Step, time_of
from verizero.evidence.cells import LENGTHS, Row
from verizero.evidence.comparisons import AXES, Axis, Difference, family, seed_floor
from verizero.report.table import percent

WORDS = {
    "avg@k": "accuracy",
    "length_correct": "length of correct responses",
    "length_incorrect": "length of incorrect responses",
}


def findings(
    rows: Sequence[Row], changes: Sequence[Difference], pairs: Sequence[Difference], confidence: float
) -> list[str]:
    """One sentence for each comparison and each change from base, of accuracy and of response length, at the last checkpoint."""
    last: dict[tuple[str, str, str], Step] = {}
    for one in changes:
        last[_recipe(one)] = max(last.get(_recipe(one), 0), one.left.checkpoint, key=time_of)
    chosen = [*pairs, *(one for one in changes if one.left.checkpoint == last[_recipe(one)])]
    chosen = [one for one in chosen if family(one.metric) in WORDS]
    several = {
        name for name in ("model", "train_set", "template") if len({getattr(one.left, name) for one in chosen}) > 1
    }
    sentences = [
        _missing(rows),
        *dict.fromkeys(f"{floor}." for one in chosen if (floor := seed_floor(len(one.seeds))) and len(one.seeds) > 1),
    ]
    for one in chosen:
        axis = _axis(one)
        sides = f"{getattr(one.left, axis) or 'base'} minus {getattr(one.right, axis) or 'base'}"
        sentences.append(f"{_place(one, several, axis)}: {sides}, {_what(one)}: {_verdict(one, confidence)}")
    return [sentence for sentence in sentences if sentence]


def reading_rule(confidence: float) -> str:
    """How to read the findings."""
    return (
        f"Numbers in brackets are {percent(confidence)} intervals. A difference whose interval holds 0 is called unresolved: the data tell "
        "neither that it is there nor that it is not. p is adjusted by Holm over all comparisons of a metric in its table. "
        "Accuracy is a share, length is in tokens."
    )


def number(metric: str, value: float, signed: bool = True) -> str:
    """A number as a sentence has it: shares with three decimals, tokens with one."""
    return (
        f"{round(value, 1 if metric in LENGTHS else 3) + 0.0:{'+' if signed else ''}.{1 if metric in LENGTHS else 3}f}"
    )


def _verdict(one: Difference, confidence: float) -> str:
    found, note = one.interval, "; ".join(part for part in one.note.split("; ") if part != seed_floor(len(one.seeds)))
    ending = f" ({note})." if note else "."
    if found is None:
        return f"nothing to compare{ending}"
    text = number(one.metric, found.estimate)
    if found.low is None or found.high is None:
        return f"{text}, no interval: unresolved{ending}"
    text = f"{text} [{number(one.metric, found.low)}, {number(one.metric, found.high)}]"
    if one.unresolved:
        return f"{text}, unresolved{ending}"
    if one.p_holm is None:
        return f"{text}, the interval does not hold 0{ending}"
    if one.p_holm < 1 - confidence:
        return f"{text}, the interval does not hold 0, Holm-adjusted p = {one.p_holm:.2g}{ending}"
    return f"{text}, the interval does not hold 0, but Holm-adjusted p = {one.p_holm:.2g}: unresolved among all comparisons{ending}"


def _what(one: Difference) -> str:
    words = WORDS[family(one.metric)]
    return f"{words} ({one.metric})" if "@" in one.metric else words


def _recipe(one: Difference) -> tuple[str, str, str]:
    return one.left.model, one.left.train_set, one.left.optimizer


def _axis(one: Difference) -> Axis:
    """In what the two differ; a checkpoint and its base model, in the optimizer."""
    return next(axis for axis in AXES if getattr(one.left, axis) != getattr(one.right, axis))


def _place(one: Difference, several: set[str], axis: Axis) -> str:
    """The benchmark, and before it what of the recipe differs inside the study."""
    names = [getattr(one.left, name) for name in ("model", "train_set", "template") if name in several and name != axis]
    names += [one.left.optimizer] if axis != "optimizer" else []
    return ", ".join([*(name for name in names if name), f"{one.left.benchmark} ({one.left.protocol})"])


def _missing(rows: Sequence[Row]) -> str:
    absent = {
        (row.key.model, row.key.train_set, row.key.template, row.key.optimizer, row.key.checkpoint, seed)
        for row in rows
        for seed in row.missing
    }
    if not absent:
        return ""
    names = sorted(
        ".".join(part for part in (model, train_set, template, optimizer) if part)
        + (f".s{seed}@{step}" if optimizer else "")
        for model, train_set, template, optimizer, step, seed in absent
    )
    return f"Incomplete: no grades of {', '.join(names)}; every number below is without them."
