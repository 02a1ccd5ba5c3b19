"""The figures over checkpoints and inside benchmarks: their data against the grades and curves, and a study's choice among them."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from typing import get_args

import evidence_fabricated as fabricated
import numpy as np
import pytest
from pydantic import ValidationError

import aggregate
from verizero.artifacts.rows import read_rows
from verizero.config.model import frozen_defaults
from verizero.config.spec import spec_text
from verizero.config.study import FigureName
from verizero.evidence import solve_rates as solving
from verizero.evidence.accuracy_by_step import Place
from verizero.evidence.reading import read_member
from verizero.report.figures import draw_all
from verizero.report.plotting import _apart
from verizero.report.probe_figures import template_figures
from verizero.report.step_figures import step_figures
from verizero.report.tabulating import tabulate
from verizero.tracking.lineage import Artifact
from verizero.tracking.study_verification import StudyVerification, _texts
from verizero.tracking.verification import Verification

KEPT = (20, 40, 60)
SPEC = fabricated.spec_of(seeds=(1, 2), kept=KEPT)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield fabricated.fabricate(tmp_path_factory.mktemp("steps"), patch, SPEC, categories=True)


@pytest.fixture(scope="module")
def found(made):
    return tabulate(made.spec, made.results)


def _figure(found, name):
    return next(one for one in found.figures if one.name == name)


def _grades(made, optimizer, step, benchmark="sums-id"):
    member = f"{benchmark}.plain.sampled"
    return [read_member(made.grades(f"tiny.sums.plain.{optimizer}.s{seed}@{step}", member)) for seed in (1, 2)]


def _choosing(made, figures):
    spec = made.spec
    return spec.model_copy(update={"study": spec.study.model_copy(update={"figures": figures})})


def test_a_study_with_several_checkpoints_has_all_figures_that_its_data_allow(found):
    assert [one.name for one in found.figures] == [
        *("overview", "reward", "length", "final_accuracy", "final_length_incorrect"),
        *("accuracy_by_step", "training_and_test", "accuracy_by_tokens"),
        *("gains.sums-id", "gains.sums-ood", "solve_rates.sums-id", "solve_rates.sums-ood"),
    ]
    assert {one.chosen_as for one in found.figures} <= set(get_args(FigureName))
    assert found.undrawn == []


def test_each_line_of_accuracy_begins_at_the_base_model(made, found):
    rows = [row for row in _figure(found, "accuracy_by_step").rows() if row["benchmark"] == "sums-id"]
    assert [(row["optimizer"], row["checkpoint"]) for row in rows] == [
        (optimizer, str(step)) for optimizer in ("dr-grpo", "grpo") for step in (0, *KEPT)
    ]
    assert {row["protocol"] for row in rows} == {"sampled"}
    at = {(row["optimizer"], row["checkpoint"]): float(row["estimate"]) for row in rows}
    assert at["grpo", "40"] == pytest.approx(
        np.mean([one.correct.mean() for one in _grades(made, "grpo", 40)]), abs=1e-6
    )
    assert at["grpo", "0"] == at["dr-grpo", "0"]


def test_tokens_are_all_that_training_sampled_up_to_the_checkpoint(made, found):
    rows = _figure(found, "accuracy_by_tokens").rows()
    spent = []
    for seed in (1, 2):
        path = made.results / "runs" / f"tiny.sums.plain.grpo.s{seed}" / "payload" / "curves.jsonl"
        spent.append(sum(row["tokens"] for row in read_rows(path) if row["step"] <= 40))
    of = {(row["optimizer"], row["benchmark"], row["checkpoint"]): row["tokens"] for row in rows}
    assert of["grpo", "sums-id", "40"] == f"{np.mean(spent):.1f}"
    assert of["grpo", "sums-id", "0"] == "0.0"


def test_training_and_test_has_every_step_of_every_seed_and_every_checkpoint(found):
    rows = _figure(found, "training_and_test").rows()
    training = [row for row in rows if row["of"] == "training"]
    assert len(training) == 2 * 2 * fabricated.STEPS
    assert {row["benchmark"] for row in rows if row["of"] == "test"} == {"sums-id", "sums-ood"}
    assert len(rows) - len(training) == 2 * 2 * (1 + len(KEPT))


def test_gains_of_all_categories_add_up_to_the_change_of_the_benchmark(found):
    [change] = [
        one
        for one in found.changes
        if (one.left.optimizer, one.left.benchmark, one.left.checkpoint, one.metric) == ("grpo", "sums-id", 60, "avg@4")
    ]
    rows = [row for row in _figure(found, "gains.sums-id").rows() if row["optimizer"] == "grpo"]
    for by, categories in (("subject", ["Algebra", "Geometry", "Number Theory"]), ("level", ["1", "2", "3", "4"])):
        own = [row for row in rows if row["by"] == by]
        assert [row["category"] for row in own] == categories
        total = sum(float(row["change"]) * int(row["n_problems"]) for row in own)
        assert total / fabricated.PROBLEMS == pytest.approx(change.interval.estimate, abs=1e-5)
        assert all(float(row["ci_low"]) <= float(row["change"]) <= float(row["ci_high"]) for row in own)


def test_problems_that_are_not_here_leave_their_gains_out_and_are_named(made, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(made.results, results)
    (results / "datasets" / "sums-id" / "payload" / "problems.jsonl").unlink()
    again = tabulate(made.spec, results)
    assert [one.name for one in again.figures if one.chosen_as == "gains"] == ["gains.sums-ood"]
    assert again.undrawn == [
        "no figure of gains: sums-id: its problems are not on this machine, which say what subject and level they have"
    ]


def test_a_clone_without_problems_does_not_call_gains_forged(tmp_path, monkeypatch):
    spec = fabricated.spec_of(seeds=(1,), optimizers=("grpo",), figures=["reward", "gains"])
    one = fabricated.fabricate(tmp_path, monkeypatch, spec, categories=True)
    study = one.results / "studies" / "mini" / "manifest.json"
    asked = ["aggregate.py", "--spec", one.text, "--results", str(one.results), "--out", str(study)]
    monkeypatch.setattr(sys, "argv", asked)
    aggregate.main()
    assert {path.stem for path in (study.parent / "figures").iterdir()} == {"reward", "gains.sums-id", "gains.sums-ood"}
    for lost, unread in ((None, 0), ("sums-id", 1), ("sums-ood", 2)):
        if lost:
            (one.results / "datasets" / lost / "payload" / "problems.jsonl").unlink()
        checked = StudyVerification("mini", Verification(published=True))
        assert list(_texts(Artifact(study, one.results), checked)) == []
        assert (checked.tally.unread, checked.tally.figures) == (unread, 3 - unread)
        if lost == "sums-id":
            path = study.parent / "figures" / "gains.sums-ood.csv"
            true = path.read_text(encoding="utf-8")
            forged = true.replace("subject,Algebra,8,0", "subject,Algebra,8,1")
            path.write_text(forged, encoding="utf-8")
            assert forged != true
            assert "base is 1." in next(_texts(Artifact(study, one.results), checked))
            path.write_text(true, encoding="utf-8")


def test_solve_rates_are_means_over_seeds_with_the_base_models_easiest_problem_first(made, found):
    rows = _figure(found, "solve_rates.sums-id").rows()
    assert list(rows[0])[4:] == ["base", *(f"{name}@{step}" for name in ("grpo", "dr-grpo") for step in KEPT)]
    assert [float(row["base"]) for row in rows] == sorted((float(row["base"]) for row in rows), reverse=True)
    last = _grades(made, "dr-grpo", 60)
    for row in rows:
        i = last[0].problems.index(row["problem"])
        assert float(row["dr-grpo@60"]) == pytest.approx(np.mean([one.correct[i].mean() for one in last]), abs=1e-6)


def test_a_large_benchmark_shows_the_same_problems_whatever_was_evaluated(made, found, monkeypatch):
    monkeypatch.setattr(solving, "MOST_PROBLEMS", 7)
    few = _figure(tabulate(_choosing(made, ["solve_rates"]), made.results), "solve_rates.sums-id").rows()
    assert len(few) == 7 and {row["of_problems"] for row in few} == {"24"}
    whole = {row["problem"]: row for row in _figure(found, "solve_rates.sums-id").rows()}
    assert [whole[row["problem"]] for row in few] == few


def test_a_study_chooses_its_figures_and_their_order(made):
    again = tabulate(_choosing(made, ["solve_rates", "reward", "rollout_behaviours"]), made.results)
    assert [one.name for one in again.figures] == ["solve_rates.sums-id", "solve_rates.sums-ood", "reward"]
    assert again.undrawn == ["no figure rollout_behaviours: the study has no data for it"]


def test_an_unknown_figure_is_refused_with_the_choices():
    with pytest.raises(ValidationError, match="'accuracy_by_step', 'training_and_test'"):
        fabricated.spec_of(figures=["acuracy"])
    with pytest.raises(ValidationError, match="reward is listed 2 times"):
        fabricated.spec_of(figures=["reward", "reward"])


def test_figures_at_their_default_change_no_spec():
    assert frozen_defaults()["Study"]["figures"] is None
    assert "figures" not in json.loads(spec_text(SPEC))["study"]


def test_behaviours_of_kept_steps_have_a_line_for_each_run(made):
    about = {"model": "tiny", "train_set": "sums", "template": "plain", "optimizer": "grpo"}
    rows = [
        {**about, "seed": seed, "step": step, "metric": metric, "estimate": estimate}
        for seed in "12"
        for step in ("10", "20")
        for metric, estimate in (("answer_rate", "0.5"), ("reflection_a", ""), ("han_share", "0.1"))
    ]
    [one] = step_figures(Place("tiny", "sums", "plain"), "", {"pass_rate": []}, [], [], rows, asked=False)
    assert one.name == "rollout_behaviours"
    assert one.rows() == [row for row in rows if row["metric"] == "answer_rate"]


def test_base_models_under_several_templates_have_bars(found):
    rows = [row for row in found.rows if not row.key.optimizer]
    other = [replace(row, key=replace(row.key, template="r1")) for row in rows if row.key.benchmark == "sums-ood"]
    assert template_figures(rows) == []
    [one] = template_figures([*rows, *other])
    shown = [(row["benchmark"], row["template"], row["metric"], row["optimizer"]) for row in one.rows()]
    assert shown == [("sums-ood", "plain", "avg@4", ""), ("sums-ood", "r1", "avg@4", "")]


def test_the_same_data_give_the_same_pictures(made, found, tmp_path):
    new = [one for one in found.figures if one.data]
    for folder in ("a", "b"):
        draw_all(made.spec, new, tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        if path.suffix == ".svg":
            assert "no run has values" not in path.read_text(encoding="utf-8")


def test_names_behind_lines_keep_their_order_and_their_distance():
    assert _apart([0.1, 0.11, 0.12, 0.5], 0.1, 0.0) == pytest.approx([0.01, 0.11, 0.21, 0.5])
    assert _apart([0.1, 0.11, 0.12, 0.5], 0.1, 0.05) == pytest.approx([0.05, 0.15, 0.25, 0.5])
    assert _apart([0.1, 0.9], 0.1, 0.0) == [0.1, 0.9]
