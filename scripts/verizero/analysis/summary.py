"""What a study found, in sentences that say no more than its intervals."""

from __future__ import annotations

from collections.abc import Sequence

from verizero.analysis.cells import LENGTHS, Row
from verizero.analysis.paired import Difference, family
from verizero.analysis.tables import percent

WORDS = {"avg@k": "accuracy", "length_correct": "length of correct responses", "length_incorrect": "length of incorrect responses"}


def findings(rows: Sequence[Row], changes: Sequence[Difference], pairs: Sequence[Difference], confidence: float) -> list[str]:
    """One sentence for each change from base and each comparison, of accuracy and of response length, at the last checkpoint."""
    sentences = [_missing(rows)] if _missing(rows) else []
    last: dict[tuple[str, str, str], int] = {}
    for one in changes:
        place = (one.left.model, one.left.train_set, one.left.optimizer)
        last[place] = max(last.get(place, 0), one.left.checkpoint)
    for one in changes:
        if family(one.metric) in WORDS and one.left.checkpoint == last[one.left.model, one.left.train_set, one.left.optimizer]:
            sentences.append(f"{_place(one)}: {one.left.optimizer} minus base, {_what(one)}: {_verdict(one, confidence)}")
    for one in pairs:
        if family(one.metric) in WORDS:
            sentences.append(f"{_place(one)}: {one.left.optimizer} minus {one.right.optimizer}, {_what(one)}: {_verdict(one, confidence)}")
    return sentences


def reading_rule(confidence: float) -> str:
    """How to read the findings."""
    return (
        f"Numbers in brackets are {percent(confidence)} intervals. A difference whose interval holds 0 is called unresolved: the data tell "
        "neither that it is there nor that it is not. p is adjusted by Holm over all benchmarks, protocols and optimizers of a metric. Accuracy is a share, length is in tokens."
    )


def number(metric: str, value: float, signed: bool = True) -> str:
    """A number as a sentence has it: shares with three decimals, tokens with one."""
    return f"{round(value, 1 if metric in LENGTHS else 3) + 0.0:{'+' if signed else ''}.{1 if metric in LENGTHS else 3}f}"


def _verdict(one: Difference, confidence: float) -> str:
    found = one.interval
    if found is None:
        return f"nothing to compare ({one.note})."
    text = number(one.metric, found.estimate)
    if found.low is None or found.high is None:
        return f"{text}, no interval: unresolved ({one.note})."
    text = f"{text} [{number(one.metric, found.low)}, {number(one.metric, found.high)}]"
    if one.unresolved:
        return f"{text}, unresolved ({one.note})." if one.note else f"{text}, unresolved."
    holm = "" if one.p_holm is None else f", Holm-adjusted p = {one.p_holm:.3g}"
    weak = " (not below its level after the adjustment)" if one.p_holm is not None and one.p_holm >= 1 - confidence else ""
    return f"{text}, interval without 0{holm}{weak}{f'; {one.note}' if one.note else ''}."


def _what(one: Difference) -> str:
    words = WORDS[family(one.metric)]
    return f"{words} ({one.metric})" if "@" in one.metric else words


def _place(one: Difference) -> str:
    key = one.left
    return f"{key.model}, {key.train_set}, {key.template}, {key.benchmark} ({key.protocol})"


def _missing(rows: Sequence[Row]) -> str:
    absent = {(row.key.model, row.key.train_set, row.key.template, row.key.optimizer, row.key.checkpoint, seed) for row in rows for seed in row.missing}
    if not absent:
        return ""
    names = sorted(".".join(part for part in (model, train_set, template, optimizer) if part) + (f".s{seed}@{step}" if optimizer else "") for model, train_set, template, optimizer, step, seed in absent)
    return f"Incomplete: no grades of {', '.join(names)}; every number below is without them."
