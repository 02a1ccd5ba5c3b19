"""The headline as people read it: accuracies in per cent with intervals, a line a recipe, a column a benchmark."""

from __future__ import annotations

from collections.abc import Callable

from verizero.evidence.cells import KEY_COLUMNS, decimal_text, seeds_text
from verizero.evidence.comparisons import Difference
from verizero.evidence.headline import Column, Entry, Headline, Line, Subject
from verizero.report.table import Table, latex_text, percent

LONG_COLUMNS = (
    *KEY_COLUMNS,
    *("estimate", "ci_low", "ci_high", "change", "change_low", "change_high", "p_holm", "resolved", "seeds"),
)
AVERAGE = "average"
BASE = "base"


def headline_texts(found: Headline, confidence: float) -> dict[str, str]:
    """The three files: CSV with one number a row, Markdown and LaTeX as papers print it."""
    return {
        "headline.csv": long_table(found, confidence).csv(),
        "headline.md": headline_markdown(found, confidence),
        "headline.tex": headline_latex(found, confidence),
    }


def resolved(change: Difference | None, confidence: float) -> bool:
    """Whether a change is told from none among all comparisons: Holm's adjusted p is small and the interval holds no 0."""
    return change is not None and not change.unresolved and change.p_holm is not None and change.p_holm < 1 - confidence


def long_table(found: Headline, confidence: float) -> Table:
    """One row for each number; the average's benchmark is `average`."""
    rows = []
    for line in found.lines:
        subject = {name: str(value) for name, value in vars(line.subject).items()}
        for entry in line.entries:
            if entry is None:
                continue
            change, texts = entry.change, entry.row.texts()
            interval = change.interval if change else None
            rows.append(
                {
                    **{name: texts[name] for name in LONG_COLUMNS if name in texts},
                    "change": decimal_text(interval.estimate if interval else None),
                    "change_low": decimal_text(interval.low if interval else None),
                    "change_high": decimal_text(interval.high if interval else None),
                    "p_holm": decimal_text(change.p_holm if change else None),
                    "resolved": "yes" if resolved(change, confidence) else "no" if change else "",
                }
            )
        if line.average:
            ends = {
                "estimate": line.average.estimate,
                "ci_low": line.average.low,
                "ci_high": line.average.high,
            }
            own = {**subject, "benchmark": AVERAGE, "metric": AVERAGE, "seeds": seeds_text(line.seeds, line.missing)}
            own |= {name: decimal_text(value) for name, value in ends.items()}
            rows.append({name: own.get(name, "") for name in LONG_COLUMNS})
    return Table("headline", f"Accuracy with {percent(confidence)} intervals", LONG_COLUMNS, tuple(rows))


def headline_markdown(found: Headline, confidence: float) -> str:
    """The table for reading, and below it what its columns are."""
    head, lines = printed(found, confidence)
    labels = label_count(found)
    rule = ["---"] * labels + ["---:"] * (len(head) - labels)
    table = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [head, rule, *lines]
    )
    return f"{table}\n\n{headline_legend(found, confidence)}\n"


def printed(found: Headline, confidence: float) -> tuple[list[str], list[list[str]]]:
    """The head and the lines, as texts."""
    arrows = {1: " ↑", -1: " ↓", 0: ""}
    return _cells(found, _number_text, lambda entry: arrows[_direction(entry, confidence)], str)


def label_count(found: Headline) -> int:
    """How many columns name the line; numbers follow."""
    return len(names_of(found)) + any(line.seeds or line.missing for line in found.lines)


def headline_legend(found: Headline, confidence: float) -> str:
    """What stands in the cells."""
    protocols: dict[str, list[str]] = {}
    for place, column in enumerate(found.columns):
        metrics = [entry.row.metric for line in found.lines if (entry := line.entries[place])]
        protocols.setdefault(f"{metrics[0] if metrics else 'accuracy'} under {column.protocol}", []).append(
            column_name(column, found.columns)
        )
    columns = (
        next(iter(protocols))
        if len(protocols) == 1
        else "; ".join(f"{', '.join(names)}: {protocol}" for protocol, names in protocols.items())
    )
    marks = (
        " ↑ ↓: changed from its base model, Holm-adjusted p below "
        f"{1 - confidence:g}; without a mark the change is unresolved."
        if any(entry and entry.change for line in found.lines for entry in line.entries)
        else ""
    )
    holes = (
        " Seeds that lack one of the numbers are left out of the average."
        if any(line.missing for line in found.lines)
        else ""
    )
    return f"Accuracy in % [{percent(confidence)} interval over problems and training seeds]; {columns}.{marks}{holes}"


def headline_latex(found: Headline, confidence: float) -> str:
    r"""A `tabular` with the rules of `booktabs` and numbers by `siunitx`; include it with `\input` inside a `table`."""
    arrows = {1: r"\,$\uparrow$", -1: r"\,$\downarrow$", 0: ""}
    head, lines = _cells(found, _number_latex, lambda entry: arrows[_direction(entry, confidence)], latex_text)
    labels = label_count(found)
    spec = "l" * labels + "r" * (len(head) - labels)
    rows = [" & ".join(line) + r" \\" for line in lines]
    legend = latex_text(headline_legend(found, confidence)).replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$")
    return "\n".join(
        [
            "% needs \\usepackage{booktabs,siunitx}; put the last line into the caption",
            rf"\begin{{tabular}}{{{spec}}}",
            *(r"\toprule", " & ".join(map(latex_text, head)) + r" \\", r"\midrule"),
            *rows,
            *(r"\bottomrule", r"\end{tabular}"),
            f"% {legend}",
            "",
        ]
    )


def names_of(found: Headline) -> tuple[str, ...]:
    """What tells the lines apart: the parts of a recipe that vary, the optimizer always where something is trained."""
    subjects = [line.subject for line in found.lines]
    trained = [one for one in subjects if one.optimizer]
    varying = [
        name
        for name in ("model", "train_set", "template")
        if len({getattr(one, name) for one in (trained if name == "train_set" else subjects)}) > 1
    ]
    return (*varying, "optimizer") if trained else tuple(varying) or ("model",)


def label(subject: Subject, names: tuple[str, ...]) -> str:
    """A line's name in a sentence, as far as needed to tell it from the others."""
    parts = [(subject.optimizer or BASE) if name == "optimizer" else str(getattr(subject, name)) for name in names]
    return " ".join([parts[-1], *(f"({part})" for part in parts[:-1] if part)])


def column_name(column: Column, columns: tuple[Column, ...]) -> str:
    """The benchmark; with its protocol where it has several columns."""
    several = sum(other.benchmark == column.benchmark for other in columns) > 1
    return f"{column.benchmark} {column.protocol}" if several else column.benchmark


def points(value: float, signed: bool = False) -> str:
    """A share as per cent with one decimal."""
    return f"{round(100 * value, 1) + 0.0:{'+' if signed else ''}.1f}"


def _has_average(found: Headline) -> bool:
    return any(line.average for line in found.lines)


def _cells(
    found: Headline,
    number: Callable[[float | None, float | None, float | None], str],
    arrow: Callable[[Entry], str],
    text: Callable[[str], str],
) -> tuple[list[str], list[list[str]]]:
    """The head, and the lines as texts."""
    names, seeds = names_of(found), any(line.seeds or line.missing for line in found.lines)
    head = [*(name.replace("train_set", "training set") for name in names), *(["seeds"] if seeds else [])]
    head += [column_name(column, found.columns) for column in found.columns]
    head += [AVERAGE] if _has_average(found) else []
    lines = []
    for line in found.lines:
        own = [text(_part(line, name)) for name in names]
        own += [text(_seeds(line))] if seeds else []
        for entry in line.entries:
            one = entry.row.estimate if entry else None
            own.append(number(one.estimate, one.low, one.high) + arrow(entry) if entry and one else "")
        if _has_average(found):
            one_average = line.average
            own.append(number(one_average.estimate, one_average.low, one_average.high) if one_average else "")
        lines.append(own)
    return head, lines


def _seeds(line: Line) -> str:
    """`3`, or `2 of 3` where a planned seed lacks one of the numbers; nothing for a base model."""
    if not line.missing:
        return str(len(line.seeds) or "")
    return f"{len(line.seeds)} of {len(line.seeds) + len(line.missing)}"


def _part(line: Line, name: str) -> str:
    if name == "optimizer":
        return line.subject.optimizer or BASE
    return str(getattr(line.subject, name))


def _number_text(estimate: float | None, low: float | None, high: float | None) -> str:
    if estimate is None:
        return ""
    ends = f" [{points(low)}, {points(high)}]" if low is not None and high is not None else ""
    return points(estimate) + ends


def _number_latex(estimate: float | None, low: float | None, high: float | None) -> str:
    if estimate is None:
        return ""
    ends = (
        rf" {{\footnotesize[\num{{{points(low)}}}, \num{{{points(high)}}}]}}"
        if low is not None and high is not None
        else ""
    )
    return rf"\num{{{points(estimate)}}}{ends}"


def _direction(entry: Entry, confidence: float) -> int:
    """1 up, -1 down, 0 where no change is resolved."""
    change = entry.change
    if change is None or change.interval is None or not resolved(change, confidence):
        return 0
    return 1 if change.interval.estimate > 0 else -1
