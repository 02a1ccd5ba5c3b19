"""The headline table and the answer in two sentences."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import evidence_fabricated as fabricated
import numpy as np
import pytest

from verizero.config.study import HeadlineColumn
from verizero.evidence.cells import rows_of_groups
from verizero.evidence.comparisons import AXES, changes_from_base, pairs_along
from verizero.evidence.headline import Headline, headline
from verizero.evidence.reading import Group, Key, MemberGrades
from verizero.report.answer import answer
from verizero.report.headline_table import headline_latex, headline_markdown, label, long_table, names_of

SPEC = fabricated.spec_of()


def _graded(optimizer, rate, seeds=(1, 2, 3), benchmark="sums-id", protocol="sampled", k=8, train_set="sums", step=60):
    """One group with so many right of 40 problems; the same problems are hard for all."""
    by_seed = {}
    for seed in seeds if optimizer else (None,):
        rng = np.random.default_rng([seed or 0, *map(ord, optimizer + train_set)])
        hard = np.linspace(-0.2, 0.2, 40)[:, None]
        correct = rng.random((40, k)) < rate + hard
        by_seed[seed] = MemberGrades(
            Path("x"), tuple(f"{i:02}" for i in range(40)), correct, np.ones((40, k)), ~correct, correct, {}
        )
    member = f"{benchmark}.plain.{protocol}"
    key = Key("tiny", train_set if optimizer else "", "plain", optimizer, step if optimizer else 0, benchmark, protocol)
    return Group(key, "toy", member, dict.fromkeys(by_seed, Path("x"))), by_seed


def _made(graded, spec=SPEC) -> tuple[Headline, list[str]]:
    changes = changes_from_base(graded, 0.95)
    found = headline(spec, graded, rows_of_groups(graded, 0.95), changes)
    return found, answer(found, {axis: pairs_along(graded, axis, 0.95) for axis in AXES}, changes, 0.95)


def _study(**edits):
    return SPEC.model_copy(update={"study": SPEC.study.model_copy(update=edits)})


def test_lines_are_the_base_and_each_optimizer_s_last_checkpoint_in_the_study_s_order() -> None:
    graded = [_graded("grpo", 0.6), _graded("grpo", 0.4, step=30), _graded("dr-grpo", 0.6), _graded("", 0.3)]
    found, _ = _made(graded)
    assert [(line.subject.optimizer, line.subject.checkpoint) for line in found.lines] == [
        ("", 0),
        ("grpo", 60),
        ("dr-grpo", 60),
    ]
    text = headline_markdown(found, 0.95)
    assert len(text.splitlines()) < 20
    assert text.splitlines()[2].startswith("| base |  | ") and text.splitlines()[3].startswith("| grpo | 3 | ")


def test_a_column_is_a_benchmark_under_the_protocol_with_most_samples_unless_the_study_says_otherwise() -> None:
    graded = [
        one
        for optimizer, rate in (("", 0.3), ("grpo", 0.5))
        for one in (_graded(optimizer, rate, protocol="greedy", k=1), _graded(optimizer, rate))
    ]
    usual, _ = _made(graded)
    assert [(one.benchmark, one.protocol) for one in usual.columns] == [("sums-id", "sampled")]
    asked, _ = _made(graded, _study(headline=[HeadlineColumn(benchmark="sums-id", protocol="greedy")]))
    assert [(one.benchmark, one.protocol) for one in asked.columns] == [("sums-id", "greedy")]
    assert "avg@1 under greedy" in headline_markdown(asked, 0.95)


def test_an_arrow_marks_a_resolved_change_and_nothing_else() -> None:
    found, said = _made([_graded("", 0.3), _graded("grpo", 0.6), _graded("dr-grpo", 0.31)])
    base, grpo, dr = headline_markdown(found, 0.95).splitlines()[2:5]
    assert "↑" in grpo and "↑" not in base + dr and "↓" not in base + grpo + dr
    assert said[0].startswith("Against the base model: grpo on sums-id +")
    assert said[0].endswith("the other 1 of 2 changes are unresolved.")
    assert said[1].startswith("Between optimizers: grpo exceeds dr-grpo by ")
    down, _ = _made([_graded("", 0.7), _graded("grpo", 0.3)])
    assert "↓" in headline_markdown(down, 0.95) and r"\downarrow" in headline_latex(down, 0.95)


def test_where_nothing_is_resolved_the_answer_says_what_could_have_been_seen() -> None:
    graded = [_graded("", 0.5), _graded("grpo", 0.5), _graded("dr-grpo", 0.5)]
    found, said = _made(graded)
    assert "↑" not in headline_markdown(found, 0.95).replace("↑ ↓:", "")
    assert said[0].startswith("No accuracy is resolved to have changed from its base model; one of ")
    assert said[1].startswith("No difference between grpo and dr-grpo is resolved; one of ")
    # Holm asks 0.05 of the only comparison of accuracies
    [pair] = [one for one in pairs_along(graded[1:], "optimizer", 0.95) if one.metric == "avg@8"]
    assert pair.mde is not None and f"one of {100 * pair.mde:.1f} points or more (sums-id) would be resolved" in said[1]
    # and half of it of each of the two changes
    sizes = [one.detectable(0.025) for one in changes_from_base(graded, 0.95) if one.metric == "avg@8"]
    assert f"{100 * max(size or 0 for size in sizes):.1f} points" in said[0]


def test_training_sets_are_compared_too() -> None:
    spec = _study(train_sets=["sums", "products"], optimizers=["grpo"])
    graded = [_graded("", 0.2), _graded("grpo", 0.7), _graded("grpo", 0.3, train_set="products")]
    found, said = _made(graded, spec)
    assert names_of(found) == ("train_set", "optimizer")
    assert label(found.lines[1].subject, names_of(found)) == "grpo (sums)"
    assert said[1].startswith("Between training sets: sums exceeds products by ")


def test_a_study_without_training_names_its_best_line() -> None:
    spec = _study(train_sets=[], optimizers=[], seeds=[], templates=["plain", "r1"])
    graded = []
    for template, rate in (("plain", 0.3), ("r1", 0.8)):
        group, by_seed = _graded("", rate)
        key = Key(**{**vars(group.key), "template": template})
        graded.append((Group(key, "toy", f"sums-id.{template}.sampled", group.paths), by_seed))
    found, said = _made(graded, spec)
    assert names_of(found) == ("template",)
    assert said[0].startswith("Highest accuracy: r1 on sums-id (")
    assert said[1].startswith("Between templates: r1 exceeds plain by ")


def test_the_average_stands_where_there_are_several_benchmarks_and_every_seed_has_all() -> None:
    both = [
        _graded(name, rate, benchmark=b) for b in ("sums-id", "sums-ood") for name, rate in (("", 0.3), ("grpo", 0.6))
    ]
    found, _ = _made(both)
    grpo = found.lines[1]
    assert grpo.average is not None
    means = [entry.row.estimate.estimate for entry in grpo.entries if entry]
    assert grpo.average.estimate == pytest.approx(np.mean(means))
    alone, _ = _made(both[:2])
    assert alone.lines[1].average is None and "average" not in headline_markdown(alone, 0.95)


def test_the_csv_has_the_main_table_s_numbers_and_the_change() -> None:
    graded = [_graded("", 0.3), _graded("grpo", 0.6)]
    found, _ = _made(graded)
    rows = list(csv.DictReader(io.StringIO(long_table(found, 0.95).csv())))
    main = {row.key.optimizer: row.texts() for row in rows_of_groups(graded, 0.95) if row.metric == "avg@8"}
    for row in rows:
        assert {name: row[name] for name in ("estimate", "ci_low", "ci_high", "metric")} == {
            name: main[row["optimizer"]][name] for name in ("estimate", "ci_low", "ci_high", "metric")
        }
    assert [row["resolved"] for row in rows] == ["", "yes"]


def test_names_with_special_letters_are_escaped() -> None:
    found, _ = _made([_graded("", 0.3), _graded("grpo", 0.6, benchmark="sums-id")])
    assert "_" not in headline_latex(found, 0.95).replace(r"\_", "")


def test_a_missing_seed_shows_and_the_average_says_whose_it_is() -> None:
    graded = [_graded("", 0.3), _graded("", 0.3, benchmark="sums-ood"), _graded("grpo", 0.6)]
    group, by_seed = _graded("grpo", 0.6, seeds=(1, 2), benchmark="sums-ood")
    graded.append((Group(group.key, group.suite, group.member, group.paths, (3,)), by_seed))
    found, _ = _made(graded)
    grpo = found.lines[1]
    assert (grpo.seeds, grpo.missing) == ((1, 2), (3,))
    text = headline_markdown(found, 0.95)
    assert "| grpo | 2 of 3 | " in text and "Seeds that lack one of the numbers are left out of the average." in text
    rows = list(csv.DictReader(io.StringIO(long_table(found, 0.95).csv())))
    assert rows[-1]["benchmark"] == "average" and rows[-1]["seeds"] == "1,2 (missing: 3)"


def test_a_run_is_one_line_whatever_its_suites_evaluate_it_under() -> None:
    fixed = []
    for optimizer, rate in (("", 0.3), ("grpo", 0.6)):
        group, by_seed = _graded(optimizer, rate, benchmark="sums-ood")
        template = "plain/r1" if optimizer else "r1"
        key = Key(**{**vars(group.key), "template": template})
        fixed.append((Group(key, "other", "sums-ood.r1.sampled", group.paths), by_seed))
    found, _ = _made([_graded("", 0.3), _graded("grpo", 0.6), *fixed])
    assert [(line.subject.template, line.subject.optimizer) for line in found.lines] == [
        ("plain", ""),
        ("plain", "grpo"),
    ]
    assert all(entry for line in found.lines for entry in line.entries)
    assert all(line.average for line in found.lines)


def test_of_two_suites_the_one_with_more_samples_is_shown() -> None:
    few, many = _graded("grpo", 0.5, k=4), _graded("grpo", 0.5, k=32)
    other = (Group(many[0].key, "more", many[0].member, many[0].paths), many[1])
    found, _ = _made([few, other])
    [entry] = found.lines[0].entries
    assert entry is not None and entry.row.metric == "avg@32"


def test_a_benchmark_on_which_no_difference_could_be_resolved_is_named() -> None:
    graded = [_graded("", 0.5), _graded("", 0.5, benchmark="sums-ood", k=1)]
    graded += [_graded("grpo", 0.5), _graded("dr-grpo", 0.5)]
    for optimizer, rates in (("grpo", (0.05, 0.95)), ("dr-grpo", (0.9, 0.1))):  # two seeds that are opposites
        group, _ = _graded(optimizer, 0.5, seeds=(1, 2), benchmark="sums-ood", k=1)
        members = {seed: _graded("grpo", rate, seeds=(1,), k=1)[1][1] for seed, rate in zip((1, 2), rates, strict=True)}
        graded.append((group, members))
    _, said = _made(graded)
    assert said[1].startswith("No difference between grpo and dr-grpo is resolved; one of ")
    assert said[1].endswith("; on sums-ood none could be.")
