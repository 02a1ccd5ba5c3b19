"""The study's question answered in two sentences from the headline's numbers, saying no more than they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verizero.evidence.comparisons import NOUNS, Axis, Difference, family
from verizero.evidence.headline import Column, Headline, Line
from verizero.evidence.looks import Looks
from verizero.evidence.reading import Key
from verizero.report.headline_table import column_name, label, names_of, points, resolved

MOST_NAMED = 4
"""Resolved differences that a sentence names; of more it names the largest."""


def answer(
    found: Headline, pairs: Mapping[Axis, Sequence[Difference]], changes: Sequence[Difference], confidence: float
) -> list[str]:
    """Two sentences: how far training moved accuracy from the base models, and what separates the recipes.

    A study that trains nothing is answered by its best line and by what separates its models and templates.
    """
    trained = [line for line in found.lines if line.subject.optimizer]
    first = _changes(found, trained, _level(changes, confidence), confidence) if trained else _best(found)
    second = [text for axis, own in pairs.items() if (text := _separated(found, axis, own, confidence))]
    return [sentence for sentence in (first, ". ".join(second) + "." if second else "") if sentence]


def look_sentence(found: Looks) -> str:
    """What the last look says, and what to do: the effect is there, it will not show, or train more seeds."""
    design = found.design
    if not found.looks:
        return f"The first look of the sequential design is at {design.start} seeds; they are not there yet."
    look = found.looks[-1]
    about = f"Look {look.number} of {look.of} at {found.subject}, {len(look.seeds)} seeds: {_by(look.found.estimate, look.low, look.high)}"
    if look.decision == "effect":
        return f"{about}, p = {look.p:.2g} below this look's {look.level:.2g}. Stop: the effect is there."
    if look.decision == "end":
        return f"{about}, not resolved. The design ends here: no effect was found."
    chance = "nothing differs so far"
    if look.power is not None:
        chance = f"the chance that {design.most} seeds find an effect is {100 * look.power:.0f} %"
    if look.power_if is not None:
        chance += f", and {100 * look.power_if:.0f} % if the true difference is {points(design.effect or 0.0)} points"
    if look.decision == "futile":
        return f"{about}. Stop: it will not show; {chance}."
    more = design.looks[look.number] - len(look.seeds)
    names = "seed" if more == 1 else "seeds"
    return f"{about}, not resolved yet. Train {more} more {names} for the next look; {chance}."


def _changes(found: Headline, trained: Sequence[Line], level: float, confidence: float) -> str:
    names = names_of(found)
    changes: list[tuple[str, Difference]] = []
    for line in trained:
        for column, entry in zip(found.columns, line.entries, strict=True):
            if entry and entry.change and entry.change.interval:
                place = f"{label(line.subject, names)} on {column_name(column, found.columns)}"
                changes.append((place, entry.change))
    if not changes:
        return ""
    moved = [one for one in changes if resolved(one[1], confidence)]
    if not moved:
        return f"No accuracy is resolved to have changed from its base model{_could_see([one for _, one in changes], level)}."
    moved.sort(key=lambda one: -abs(_size(one[1])))
    named = [(place, one.interval) for place, one in moved[:MOST_NAMED] if one.interval]
    shown = "; ".join(f"{place} {_by(by.estimate, by.low, by.high)}" for place, by in named)
    rest = len(changes) - len(moved)
    more = f"; {len(moved) - MOST_NAMED} more are resolved" if len(moved) > MOST_NAMED else ""
    others = f"; the other {rest} of {len(changes)} changes are unresolved" if rest else ""
    return f"Against the base model: {shown}{more}{others}."


def _best(found: Headline) -> str:
    texts = []
    names = names_of(found)
    for place, column in enumerate(found.columns):
        lines = [line for line in found.lines if _estimate(line, place) is not None]
        if len(lines) < 2:
            continue
        best = max(lines, key=lambda line: _estimate(line, place) or 0.0)
        own = f"{points(_estimate(best, place) or 0.0)} %"
        texts.append(f"{label(best.subject, names)} on {column_name(column, found.columns)} ({own})")
    return f"Highest accuracy: {', '.join(texts)}." if texts else ""


def _estimate(line: Line, place: int) -> float | None:
    entry = line.entries[place]
    return entry.row.estimate.estimate if entry else None


def _separated(found: Headline, axis: Axis, pairs: Sequence[Difference], confidence: float) -> str:
    """What the headline's columns tell of the differences along one axis."""
    columns = set(found.columns)
    own = [
        one
        for one in pairs
        if one.metric.startswith("avg@") and one.interval and Column(one.left.benchmark, one.left.protocol) in columns
    ]
    if not own:
        return ""
    sides = [name for one in own for name in (str(getattr(one.left, axis)), str(getattr(one.right, axis)))]
    values = list(dict.fromkeys(sides))
    noun = f"{values[0]} and {values[1]}" if len(values) == 2 else f"any two {NOUNS[axis]}s"
    apart = sorted((one for one in own if resolved(one, confidence)), key=lambda one: -abs(_size(one)))
    if not apart:
        return f"No difference between {noun} is resolved{_could_see(own, _level(pairs, confidence))}"
    shown = "; ".join(_pair_text(one, axis, own, found.columns) for one in apart[:MOST_NAMED])
    rest = len(own) - len(apart)
    more = f"; {len(apart) - MOST_NAMED} more are resolved" if len(apart) > MOST_NAMED else ""
    others = f"; {rest} of {len(own)} differences are unresolved" if rest else ""
    return f"Between {NOUNS[axis]}s: {shown}{more}{others}"


def _pair_text(one: Difference, axis: Axis, own: Sequence[Difference], columns: tuple[Column, ...]) -> str:
    higher, lower = (one.left, one.right) if _size(one) > 0 else (one.right, one.left)
    place = column_name(Column(one.left.benchmark, one.left.protocol), columns)
    around = [value for name in _others(own, axis) if (value := str(getattr(one.left, name)))]
    where = f"{place}, {', '.join(around)}" if around else place
    interval = one.interval
    assert interval is not None and interval.low is not None and interval.high is not None
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return (
        f"{getattr(higher, axis)} exceeds {getattr(lower, axis)} by {points(abs(interval.estimate))} points "
        f"[{points(low)}, {points(high)}] ({where})"
    )


def _others(own: Sequence[Difference], axis: Axis) -> list[str]:
    """The other parts of the recipe that vary among these comparisons."""
    keys: list[Key] = [one.left for one in own]
    names = [name for name in ("model", "train_set", "template", "optimizer") if name != axis]
    return [name for name in names if len({getattr(key, name) for key in keys}) > 1]


def _size(one: Difference) -> float:
    return one.interval.estimate if one.interval else 0.0


def _by(estimate: float, low: float | None, high: float | None) -> str:
    """A difference in points, with its interval where it has one."""
    text = f"{points(estimate, signed=True)} points"
    if low is None or high is None:
        return text
    return f"{text} [{points(low, signed=True)}, {points(high, signed=True)}]"


def _level(differences: Sequence[Difference], confidence: float) -> float:
    """The level that Holm's method asks of the first comparison of accuracies."""
    count = sum(family(one.metric) == "avg@k" and one.p is not None for one in differences)
    return (1 - confidence) / max(count, 1)


def _could_see(differences: Sequence[Difference], level: float) -> str:
    """The smallest effects that would have been resolved, on the benchmark that tells most and on the one that tells least."""
    sizes = sorted((size, one.left.benchmark) for one in differences if (size := one.detectable(level)))
    known, blind = [one for one in sizes if one[0] <= 1], [name for size, name in sizes if size > 1]
    if not sizes:
        return ""
    if not known:
        return "; with so few seeds none could be"
    (least, precise), (most, coarse) = known[0], known[-1]
    rest = f"; on {', '.join(dict.fromkeys(blind))} none could be" if blind else ""
    if precise == coarse:
        return f"; one of {points(most)} points or more ({coarse}) would be resolved in 80 % of such studies{rest}"
    return f"; to be resolved in 80 % of such studies, one must be {points(least)} points ({precise}) to {points(most)} points ({coarse}) or more{rest}"
