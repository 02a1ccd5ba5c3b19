"""All that a study's tables, figures' data and ledger say, computed from its grades and curves alone.

`aggregate` writes it and the audit computes it again: one function for both, so that they cannot come apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verizero.config.spec import StudySpec
from verizero.evidence.behaviours import behaviour_rows
from verizero.evidence.cells import Row, rows_of_groups
from verizero.evidence.checkpoint_choice import choices
from verizero.evidence.comparisons import AXES, Axis, Difference, changes_from_base, pairs_along
from verizero.evidence.contamination import Overlap, flagged_problems, read_overlaps, rows_without_flagged
from verizero.evidence.curves import read_curves
from verizero.evidence.headline import Headline, headline
from verizero.evidence.looks import looks_of
from verizero.evidence.published import published_rows
from verizero.evidence.reading import Group, MemberGrades, groups_of
from verizero.evidence.rollout_behaviours import rollout_rows
from verizero.report.answer import answer, look_sentence
from verizero.report.contamination_tables import contamination_table, sentences, without_flagged_table
from verizero.report.figure_data import PlannedFigure, figure_csv
from verizero.report.headline_table import headline_markdown, headline_texts
from verizero.report.ledger import ledger
from verizero.report.methods import methods_text
from verizero.report.published_table import published_table
from verizero.report.study_figures import study_figures
from verizero.report.summary import findings, reading_rule
from verizero.report.table import Table
from verizero.report.tables import (
    behaviour_table,
    change_table,
    checkpoint_table,
    look_table,
    main_table,
    paired_table,
    rollout_table,
    seed_table,
    status_table,
)


@dataclass(frozen=True)
class Tabulation:
    """A study in numbers.

    Attributes:
        graded: each group with the grades of each seed.
        rows, pairs, changes: the estimates, the differences along each axis, the checkpoints' differences from their base.
        headline, answer: the small table, and the question's answer in two sentences.
        methods: the paragraph of a method section.
        findings: what follows, in sentences.
        tables: main, paired (and paired_train_sets, _templates, _models where a study has several), change, seeds, statuses; checkpoints
            where runs are evaluated at several; contamination, and without_flagged where problems are flagged; behaviours where the study
            asks for them; published where its lines stand for a paper's.
        figures: what each figure shows.
        ledger: every planned run and suite with its state.
        overlaps: what each training set shares with the benchmarks.
        unread: members whose texts are not on this machine, in sentences: what is said of behaviours is without them.
        undrawn: figures that could be expected and are not there, in sentences.
    """

    spec: StudySpec
    graded: Sequence[tuple[Group, Mapping[int | None, MemberGrades]]]
    rows: Sequence[Row]
    pairs: Mapping[Axis, Sequence[Difference]]
    changes: Sequence[Difference]
    headline: Headline
    answer: Sequence[str]
    methods: str
    findings: Sequence[str]
    tables: Sequence[Table]
    figures: Sequence[PlannedFigure]
    ledger: dict[str, Any]
    overlaps: Sequence[Overlap] = ()
    unread: Sequence[str] = ()
    undrawn: Sequence[str] = ()

    def table_texts(self) -> dict[str, str]:
        """The tables' files: path below the study's folder -> content."""
        found: dict[str, str] = {}
        for table in self.tables:
            texts = table.texts(self._above() if table.name == "main" else "")
            found |= {f"tables/{name}": text for name, text in texts.items()}
        small = headline_texts(self.headline, self.spec.confidence)
        small["methods.md"] = self.methods
        small["headline.md"] = f"# {self.spec.question}\n\n{self.headline_text()}"
        return found | {f"tables/{name}": text for name, text in small.items()}

    def headline_text(self) -> str:
        """The headline as Markdown, and the answer."""
        said = " ".join(self.answer)
        return headline_markdown(self.headline, self.spec.confidence) + (f"\n{said}\n" if said else "")

    def ledger_text(self) -> str:
        """The content of `ledger.json`."""
        return json.dumps(self.ledger, indent=1, sort_keys=True) + "\n"

    def texts(self) -> dict[str, str]:
        """Every text file that follows from grades and curves: path below the study's folder -> content."""
        figures = {f"figures/{one.name}.csv": figure_csv(one.rows()) for one in self.figures}
        return {**self.table_texts(), **figures, "ledger.json": self.ledger_text()}

    def _above(self) -> str:
        """Question, reading rule and findings, which stand above the main table for readers."""
        said = "".join(f"- {sentence}\n" for sentence in self.findings)
        return f"# {self.spec.question}\n\n{reading_rule(self.spec.confidence)}\n\n{said}\n"


def tabulate(spec: StudySpec, results: Path) -> Tabulation:
    """Read a study's grades and curves and compute all its numbers; what is not there is shown as missing.

    Raises:
        UserError: an input is damaged, or its payload is absent.
    """
    graded = [(group, group.read()) for group in groups_of(spec.cells, results)]
    curves = read_curves(spec, results)
    overlaps = read_overlaps(spec, results)
    rows = rows_of_groups(graded, spec.confidence)
    pairs: dict[Axis, list[Difference]] = {axis: pairs_along(graded, axis, spec.confidence) for axis in AXES}
    changes = changes_from_base(graded, spec.confidence)
    tables = [
        main_table(rows, spec.confidence),
        *(paired_table(own, axis, spec.confidence) for axis, own in pairs.items() if own or axis == "optimizer"),
        change_table(changes, spec.confidence),
        seed_table(rows),
        status_table(graded),
    ]
    if chosen := choices(graded):
        tables.append(checkpoint_table(chosen))
    looks = looks_of(spec, graded)
    if looks is not None:
        tables.append(look_table(looks))
    if overlaps:
        tables.append(contamination_table(overlaps))
    if flagged := flagged_problems(overlaps):
        without = rows_without_flagged(graded, flagged, spec.confidence)
        tables.append(without_flagged_table(without, spec.confidence))
    unread: list[str] = []
    behaviours, rollouts = None, None
    if spec.study.evaluation.behaviours:
        behaviours, unread = behaviour_rows(graded, results, spec.confidence)
        tables.append(behaviour_table(behaviours, spec.confidence))
        rollouts, rollouts_unread = rollout_rows(spec, results)
        unread += rollouts_unread
        if rollouts is not None:
            tables.append(rollout_table(rollouts, spec.confidence))
    small = headline(spec, graded, rows, changes)
    if spec.published:
        tables.append(published_table(published_rows(spec, graded, rows, small), spec.confidence))
    figures, undrawn = study_figures(spec, results, graded, curves, rows, small.columns, behaviours, rollouts)
    every = [one for own in pairs.values() for one in own]
    return Tabulation(
        spec,
        graded,
        rows,
        pairs,
        changes,
        small,
        [*answer(small, pairs, changes, spec.confidence), *([look_sentence(looks)] if looks else [])],
        methods_text(spec, rows, pairs, changes, overlaps, looks),
        [*findings(rows, changes, every, spec.confidence), *sentences(overlaps)],
        tables,
        figures,
        ledger(spec, results),
        overlaps,
        unread,
        undrawn,
    )
