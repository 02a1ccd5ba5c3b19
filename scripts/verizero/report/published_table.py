"""`tables/published`: ours, the published number, and what others measured again, with a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from verizero.config.spec import PaperNumber
from verizero.evidence.cells import decimal_text
from verizero.evidence.published import Beside
from verizero.report.table import Table, percent
from verizero.statistics.published import CLOSE, Apart

PUBLISHED_COLUMNS = (
    *("model", "train_set", "template", "optimizer", "checkpoint", "benchmark", "protocol", "metric"),
    *("estimate", "ci_low", "ci_high", "seeds", "published", "published_metric", "published_protocol"),
    *("difference", "diff_low", "diff_high", "verdict", "note"),
    *("re_measured", "re_measured_spread", "re_measured_difference", "re_measured_low", "re_measured_high"),
    *("re_measured_verdict", "source"),
)
OTHER_PROTOCOL = "other protocol"


def published_table(found: Sequence[Beside], confidence: float) -> Table:
    """One row for each line and benchmark; all numbers are shares, as in the main table."""
    caption = (
        f"Ours beside published accuracies, differences with {percent(confidence)} intervals: agrees, where the interval holds 0 and its half "
        f"width is at most {100 * CLOSE:g} points; differs, where it holds no 0; can't tell else"
    )
    return Table("published", caption, PUBLISHED_COLUMNS, tuple(_texts(one) for one in found))


def _texts(one: Beside) -> dict[str, str]:
    row, again, number = one.row, one.re_measured, one.compared
    ours = row.texts()
    notes = [OTHER_PROTOCOL] if one.other_protocol else []
    notes += [number.note] if number.note else []
    return {
        **{name: ours[name] for name in PUBLISHED_COLUMNS if name in ours},
        "published": _share(one.published.value if one.published else None),
        "published_metric": one.published.metric if one.published else "",
        "published_protocol": one.published.protocol if one.published else "",
        **_compared(one.published, one.from_published, ("difference", "diff_low", "diff_high", "verdict")),
        "note": "; ".join(notes),
        "re_measured": _share(again.value if again else None),
        "re_measured_spread": _share(again.spread if again else None),
        **_compared(
            again,
            one.from_re_measured,
            ("re_measured_difference", "re_measured_low", "re_measured_high", "re_measured_verdict"),
        ),
        "source": _source(one.published, again),
    }


def _share(value: float | None) -> str:
    return decimal_text(None if value is None else value / 100)


def _compared(number: PaperNumber | None, found: Apart | None, names: tuple[str, str, str, str]) -> dict[str, str]:
    """Nothing where there is no such number; where there is none of ours, that it can't be told."""
    if found is None:
        return {**dict.fromkeys(names, ""), names[3]: "can't tell" if number else ""}
    numbers = (decimal_text(value) for value in (found.difference, found.low, found.high))
    return dict(zip(names, (*numbers, found.verdict), strict=True))


def _source(published: PaperNumber | None, again: PaperNumber | None) -> str:
    parts = [published.source] if published else []
    parts += [f"re-measured: {again.source} ({again.protocol})"] if again else []
    return "; ".join(parts)
