"""Lines of a study beside the numbers that papers print for them, and that others measured again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verizero.config.spec import PaperNumber, StudySpec
from verizero.config.study import PublishedLine
from verizero.evidence.cells import Row, metric_k
from verizero.evidence.comparisons import Graded, last_checkpoints
from verizero.evidence.headline import Headline
from verizero.evidence.reading import Key
from verizero.statistics.published import Apart, apart, repeated_margin, single_run_margin


@dataclass(frozen=True)
class Beside:
    """One line of the study on one benchmark, beside a paper's.

    Attributes:
        row: that of the main table.
        published, re_measured: the other numbers, in per cent; at least one is there.
        from_published, from_re_measured: ours minus theirs, as shares; None where there is no such number, or none of ours.
    """

    row: Row
    published: PaperNumber | None
    re_measured: PaperNumber | None
    from_published: Apart | None
    from_re_measured: Apart | None

    @property
    def compared(self) -> PaperNumber:
        """What the note is about: the published number, or the re-measured one where the paper has none."""
        number = self.published or self.re_measured
        assert number is not None
        return number

    @property
    def other_protocol(self) -> bool:
        """Whether that number was sampled in another way, as far as names tell."""
        return self.row.key.protocol != self.compared.protocol


def published_rows(spec: StudySpec, graded: Sequence[Graded], rows: Sequence[Row], shown: Headline) -> list[Beside]:
    """One for each line that the study's `published` names and each benchmark that both have, in the order of the study's file.

    Base models and last checkpoints only. Where a line has a benchmark under several protocols, ours is the one under the published protocol;
    without one that of the headline, else the one with most samples. Where a paper prints several accuracies (AIME by 1 and by 32 samples),
    the one with our protocol and our number of samples is taken, else the one with most samples.
    """
    last = {group.key for group, _ in last_checkpoints(graded)}
    accuracies = [row for row in rows if row.metric.startswith("avg@") and row.key in last]
    headline = {(column.benchmark, column.protocol) for column in shown.columns}
    found = []
    for place, line in enumerate(spec.study.published):
        numbers = [one for one in spec.published if one.line == place]
        for benchmark in dict.fromkeys(one.benchmark for one in numbers):
            theirs = [one for one in numbers if one.benchmark == benchmark]
            own = [one for one in theirs if one.kind == "published"]
            ours = _ours(accuracies, spec, line, benchmark, own or theirs, headline)
            if ours is not None:
                again = [one for one in theirs if one.kind == "re-measured"]
                found.append(_beside(ours, _closest(own, ours), _closest(again, ours), spec.confidence))
    return found


def _ours(
    rows: Sequence[Row],
    spec: StudySpec,
    line: PublishedLine,
    benchmark: str,
    theirs: Sequence[PaperNumber],
    headline: set[tuple[str, str]],
) -> Row | None:
    protocols = {one.protocol for one in theirs}
    candidates = [row for row in rows if row.key.benchmark == benchmark and _is_of(row.key, spec, line)]
    return max(
        candidates,
        key=lambda row: (
            row.key.protocol in protocols,
            (benchmark, row.key.protocol) in headline,
            metric_k(row.metric),
        ),
        default=None,
    )


def _is_of(key: Key, spec: StudySpec, line: PublishedLine) -> bool:
    """Whether a row is the line's; a template that the line leaves out is the study's only one."""
    study = spec.study
    train_set = line.train_set or study.train_sets[0] if line.optimizer else ""
    template = line.template or study.templates[0]
    trained = key.template.split("/")[0] if line.optimizer else key.template
    return (key.model, key.optimizer, key.train_set, trained) == (
        line.model,
        line.optimizer or "",
        train_set,
        template,
    )


def _closest(numbers: Sequence[PaperNumber], ours: Row) -> PaperNumber | None:
    return max(
        numbers,
        key=lambda one: (one.protocol == ours.key.protocol, one.metric == ours.metric, metric_k(one.metric)),
        default=None,
    )


def _beside(row: Row, published: PaperNumber | None, again: PaperNumber | None, confidence: float) -> Beside:
    return Beside(row, published, again, _apart(row, published, confidence), _apart(row, again, confidence))


def _apart(row: Row, number: PaperNumber | None, confidence: float) -> Apart | None:
    ours = row.estimate
    if number is None or ours.estimate is None:
        return None
    theirs = number.value / 100
    if number.spread is not None and number.seeds is not None:
        margin = repeated_margin(number.spread / 100, number.seeds, confidence)
    else:
        margin = single_run_margin(theirs, ours.n_problems, confidence)
    return apart(ours.estimate, ours.low, ours.high, theirs, margin)
