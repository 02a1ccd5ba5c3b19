"""Kept completions of training in the report: bounded, escaped, and said to be absent where they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import evidence_fabricated as fabricated
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.artifacts.job import Job
from verizero.evidence.headline import Headline
from verizero.report import rollout_browser
from verizero.report.page import report_html
from verizero.report.rollout_browser import BUDGET, LONGEST, _ends, browse_rollouts
from verizero.report.tables import seed_table

pa = pytest.importorskip("pyarrow")
pytest.importorskip("torch")
from verizero.training.kept_rollouts import SCHEMA, parquet_bytes  # noqa: E402

HOSTILE = "</script><img src=x onerror=alert(1)><!--"
SPEC = fabricated.spec_of(seeds=(1, 2), optimizers=("grpo",))
RUNS = [run.id for run in SPEC.runs]


def row(place, sample, tokens, **changes):
    values = {
        "step": 1,
        "place": place,
        "sample": sample,
        "problem": f"p{place}",
        "prompt": f"{HOSTILE} what is {place}?",
        "completion": "".join(tokens),
        "finish": "stop",
        "status": "correct" if sample else "wrong",
        "correct": bool(sample),
        "reward": float(sample),
        "advantage": sample - 0.5,
        "entered": True,
        "prompt_token_ids": [1],
        "token_ids": list(range(len(tokens))),
        "tokens": tokens,
        "token_advantages": [sample - 0.5] * len(tokens),
        "engine_logprobs": [-0.01 * n for n in range(len(tokens))],
        "learner_logprobs": None if sample else [-0.01 * n for n in range(len(tokens))],
    }
    return values | changes


def publish(results, run_id, files):
    job = Job("run", run_id, {}, results / "runs" / run_id / "manifest.json")
    (job.staging / "rollouts").mkdir()
    for step, rows in files.items():
        data = parquet_bytes([pa.Table.from_pylist([{**one, "step": step} for one in rows], schema=SCHEMA)])
        (job.staging / "rollouts" / f"step-{step}.parquet").write_bytes(data)
    job.publish()
    return results / "runs" / run_id / "payload" / "rollouts"


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["no-program"])
    return tmp_path / "results"


SMALL = [row(place, sample, ["a", HOSTILE, "b"]) for place in range(3) for sample in range(2)]


def test_each_run_and_step_shows_its_first_completions_whatever_they_earned(results):
    publish(results, RUNS[0], {10: SMALL, 2: SMALL[:2]})
    publish(results, RUNS[1], {2: SMALL})
    shown, absent = browse_rollouts(SPEC, results)
    assert absent == []
    assert [(one["run"], one["step"], one["of"]) for one in shown] == [
        (RUNS[0], 2, 2),
        (RUNS[0], 10, 6),
        (RUNS[1], 2, 6),
    ]
    first, second = shown[1]["completions"][:2]
    assert [(one["place"], one["sample"]) for one in shown[1]["completions"]] == [(n // 2, n % 2) for n in range(6)]
    assert (first["tokens"], first["advantages"], first["engine"]) == (["a", HOSTILE, "b"], -0.5, [0.0, -0.01, -0.02])
    assert (first["learner"], second["learner"]) == ([0.0, -0.01, -0.02], None)


def test_a_study_without_kept_completions_has_no_such_section(results):
    assert browse_rollouts(SPEC, results) == ([], [])
    assert 'id="rollouts"' not in page([], [])


def test_what_is_shown_is_bounded_and_counted(results):
    long = [row(place, sample, ["token"] * 3000) for place in range(20) for sample in range(8)]
    for run in RUNS:
        publish(results, run, dict.fromkeys((1, 2), long))
    shown, absent = browse_rollouts(SPEC, results)
    assert absent == []
    assert len(json.dumps(shown)) < 1.1 * BUDGET
    for one in shown:
        assert one["of"] == 160
        assert 5 < len(one["completions"]) < 160
        assert {(each["length"], len(each["tokens"])) for each in one["completions"]} == {(3000, LONGEST)}


def test_a_budget_that_is_too_small_for_all_is_said(results, monkeypatch):
    monkeypatch.setattr(rollout_browser, "BUDGET", 10)
    for run in RUNS:
        publish(results, run, {1: SMALL, 2: SMALL})
    shown, absent = browse_rollouts(SPEC, results)
    assert [len(one["completions"]) for one in shown] == [1]
    assert absent == ["the report is full; 3 files of kept completions lie under results/runs"]


@given(st.integers(0, 5000))
def test_the_beginning_and_the_end_of_a_completion_are_shown(tokens):
    found = list(_ends(tokens))
    assert len(found) == min(tokens, LONGEST)
    assert found == sorted(set(found))
    assert not tokens or (found[0], found[-1]) == (0, tokens - 1)


def test_files_that_are_not_here_or_cut_are_named_and_the_others_are_shown(results):
    shutil.rmtree(publish(results, RUNS[0], {1: SMALL, 2: SMALL}).parent)
    here = publish(results, RUNS[1], {1: SMALL, 2: SMALL})
    (here / "step-1.parquet").write_bytes(b"PAR1")
    shown, absent = browse_rollouts(SPEC, results)
    assert [(one["run"], one["step"]) for one in shown] == [(RUNS[1], 2)]
    assert absent == [
        f"runs/{RUNS[0]}: 2 of its 2 files of kept completions are not on this machine",
        f"runs/{RUNS[1]}: 1 of its 2 files of kept completions are not on this machine",
    ]


def test_a_file_that_is_no_parquet_does_not_stop_the_report(results):
    file = publish(results, RUNS[0], {1: SMALL}) / "step-1.parquet"
    file.write_bytes(bytes(file.stat().st_size))
    shown, absent = browse_rollouts(SPEC, results)
    assert shown == []
    assert len(absent) == 1 and absent[0].startswith(f"runs/{RUNS[0]}: step-1.parquet cannot be read (")


def page(rollouts, absent):
    counts = {"runs": {"planned": 2, "done": 2}, "cells": {"planned": 0, "done": 0}}
    nothing = {"runs": [], "cells": [], "counts": counts}
    return report_html(SPEC, Headline((), ()), [], [], [seed_table([])], [], nothing, [], [], [], rollouts, absent)


class Tags(HTMLParser):
    """Which elements a page has, and its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script":
            self.scripts.append(data)


def test_hostile_completions_stay_text(results):
    publish(results, RUNS[0], {1: SMALL})
    text = page(*browse_rollouts(SPEC, results))
    assert HOSTILE not in text
    found = Tags(text)
    assert "img" not in found.tags
    data = next(json.loads(script) for script in found.scripts if script.startswith('[{"completions"'))
    assert data[0]["completions"][0]["tokens"][1] == HOSTILE
    assert "innerHTML" not in text


BROWSER = """
const nodes = {};
const node = tag => ({
  tag, children: [], textContent: "", className: "", title: "", listeners: [],
  append(...more) { this.children.push(...more); },
  replaceChildren(...more) { this.children = more; if (tag === "select") this.value = more[0].textContent; },
  addEventListener(_, listener) { this.listeners.push(listener); },
});
const document = { createElement: node, getElementById: id => nodes[id] ??= node(id.match(/-(run|step|colour)$/) ? "select" : "div") };
"""
"""As much of a browser as the page's script uses."""


@pytest.mark.skipif(not shutil.which("node"), reason="runs the page's script in Node.js")
def test_the_script_shows_a_step_and_marks_its_tokens(results, tmp_path):
    long = [
        row(0, 0, ["x"] * 700),
        row(0, 1, ["x"] * 3, token_advantages=[1.0, 0.0, -1.0], engine_logprobs=[0.0, -1.0, -9.0]),
    ]
    publish(results, RUNS[0], {1: SMALL, 2: long})
    scripts = [text for text in Tags(page(*browse_rollouts(SPEC, results))).scripts if text.strip()]
    data = next(text for text in scripts if text.startswith('[{"completions"'))
    helper, section = scripts[0], next(text for text in scripts if "rollout-data" in text)
    told = f"""{BROWSER}
      document.getElementById("rollout-data").textContent = {json.dumps(data)};
      document.getElementById("rollout-colour").value = "advantage";
      {helper}
      {section}
      const [step, colour] = ["step", "colour"].map(name => nodes["rollout-" + name]);
      const seen = () => ({{
        shown: nodes["rollout-shown"].textContent,
        cards: nodes["rollout-list"].children.map(card => card.children.at(-1).children.map(one => one.className)),
        prompts: nodes["rollout-list"].children.filter(card => card.children.length > 2).length,
      }});
      const first = seen();
      step.value = "2"; step.listeners.forEach(listener => listener());
      const second = seen();
      colour.value = "log-probability"; colour.listeners.forEach(listener => listener());
      console.log(JSON.stringify([first, second, seen()]));"""
    script = tmp_path / "page.js"
    script.write_text(told, encoding="utf-8")
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second, third = json.loads(done.stdout)
    assert (first["shown"], first["prompts"]) == ("6 of 6 shown", 3)
    assert first["cards"] == [["down"] * 3, ["up"] * 3] * 3
    assert (second["shown"], second["prompts"]) == ("2 of 2 shown", 1)
    assert second["cards"][0] == ["down"] * 300 + ["soft"] + ["down"] * 300
    assert second["cards"][1] == ["up", "", "down"]
    assert third["cards"][1] == ["", "p2", "p4"]
