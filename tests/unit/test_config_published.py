"""The papers' numbers as data, and the lines of a study that stand for them."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from verizero.artifacts.errors import UserError
from verizero.config.published import COPIES, FILE, load_published, same_problems
from verizero.config.registry import Registry, load_registry
from verizero.config.spec import StudySpec, read_spec, spec_text, study_spec

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = load_published(ROOT / "config")
REGISTRY = load_registry(ROOT / "config")
OTHER_AVERAGES = {("b", "table 9", "Qwen2.5-Math-1.5B", "pi1")}
"""Rows whose average is not that of their numbers, which their notes explain: each number is of another checkpoint."""
STUDY = {
    "question": "Is it what the paper printed?",
    "models": ["qwen2-5-math-1-5b"],
    "train_sets": ["asdiv-train"],
    "templates": ["qwen-math"],
    "optimizers": ["dr-grpo", "grpo"],
    "seeds": [1],
    "evaluation": {"suites": ["paper-a", "maths"]},
}
LINES = [
    {
        "paper": "a",
        "table": "table 1",
        "subject": "Qwen2.5-Math-1.5B",
        "variant": "base, Qwen template",
        "model": "qwen2-5-math-1-5b",
    },
    {
        "paper": "a",
        "table": "table 4",
        "subject": "Oat-Zero-1.5B",
        "variant": "Dr.GRPO",
        "model": "qwen2-5-math-1-5b",
        "optimizer": "dr-grpo",
    },
]


def _registry(folder: Path, **edits: object) -> Registry:
    """The repository's, with one study of its own."""
    root = folder / "config"
    shutil.copytree(ROOT / "config" / "published", root / "published")
    (root / "studies").mkdir()
    text = yaml.safe_dump({**STUDY, "published": LINES, **edits})
    (root / "studies" / "beside.yaml").write_text(text, encoding="utf-8")
    return replace(REGISTRY, root=root)


def _line(place: int, **edits: object) -> list[dict[str, object]]:
    changed = {key: value for key, value in {**LINES[place], **edits}.items() if value is not None}
    return [changed if i == place else line for i, line in enumerate(LINES)]


def test_an_average_is_that_of_its_row() -> None:
    rows = defaultdict(dict)
    for one in PUBLISHED.values:
        rows[one.place][one.benchmark, one.metric] = one.value
    checked, other = 0, set()
    for place, numbers in rows.items():
        # paper C prints AIME twice, and averages over the single sample
        own = [value for (_, metric), value in numbers.items() if metric.startswith("avg@") and metric != "avg@32"]
        if ("average", "average") in numbers and len(own) >= 5:
            checked += 1
            if abs(sum(own) / len(own) - numbers["average", "average"]) > 0.15:
                other.add(place)
    assert checked > 70
    assert other == OTHER_AVERAGES
    for place in other:
        assert all("own best checkpoint" in one.note for one in PUBLISHED.at(place) if one.metric.startswith("avg@"))


def test_a_greedy_accuracy_is_a_count_of_problems_or_its_note_says_that_it_is_not() -> None:
    checked = 0
    for one in PUBLISHED.values:
        if one.kind == "re-measured" or not one.metric.startswith("avg@") or one.benchmark not in REGISTRY.benchmarks:
            continue
        total = (REGISTRY.benchmarks[one.benchmark].n or 0) * int(one.metric[4:])
        is_count = abs(round(one.value * total / 100) * 100 / total - one.value) <= 0.0501
        checked += is_count
        assert is_count != ("no multiple" in one.note or "cut to one" in one.note), one
    assert checked > 400


def test_a_number_of_each_table_is_the_printed_one() -> None:
    """Five that were looked up by hand, one from each source."""
    at = {(*one.place, one.benchmark, one.metric): one for one in PUBLISHED.values}
    typo = at["a", "table 1", "Qwen2.5-Math-7B", "base, no template", "aime24", "avg@1"]
    assert typo.value == 20.0 and typo.note.startswith("printed 0.2")
    assert at["b", "table 8", "Qwen2.5-Math-1.5B", "pi1", "aime24", "avg@8"].protocol == "b-avg8"
    assert at["b", "table 20", "Qwen2.5-Math-1.5B", "pi1 at step 980", "aime25", "pass@8"].value == 33.3
    assert at["c", "README", "Qwen2.5-Math-7B", "SimpleRL-Zoo", "aime24", "avg@32"].value == 24.0
    again = at["sober-look", "table 3", "Oat-Zero-7B", "Dr.GRPO", "aime24", "avg@1"]
    assert (again.value, again.spread, again.seeds, again.kind) == (28.0, 3.1, 10, "re-measured")


def test_every_protocol_without_a_space_is_one_of_ours() -> None:
    names = {one.protocol for one in PUBLISHED.values if " " not in one.protocol}
    assert names <= REGISTRY.protocols.keys() and len(names) == 5


def test_a_copy_of_a_benchmark_has_as_many_problems() -> None:
    for ours, theirs in COPIES.items():
        assert REGISTRY.benchmarks[ours].n == REGISTRY.benchmarks[theirs].n
        assert same_problems(ours, theirs)
    assert not same_problems("amc23", "amc22-23") and not same_problems("arc-easy", "gsm8k")


BROKEN = {
    "no number": (",20.0,", ',"20,0",', ["line 3", "`value` is '20,0'", "a number such as 20.0"]),
    "more than all": (",20.0,", ",120.0,", ["line 3", "`value` is 120", "from 0 to 100"]),
    "no kind": (",published,", ",printed,", ["line 2", "`kind` is 'printed'", "'re-measured'"]),
    "no paper": ("\na,", "\nd,", ["line 2", "`paper` is 'd'", "'sober-look'"]),
    "no metric": ("avg@1", "maj@1", ["line 2", "`metric`", "'maj@1'"]),
    "a cell too many": ("a-greedy-3k,", "a-greedy-3k,,", ["line 2", "14 cells", "13"]),
    "a column away": ("paper,table", "paper,tables", ["line 1", "they must be paper,table,subject"]),
    "twice": (",amc22-23,", ",aime24,", ["line 3", "in line 2 already"]),
    "spread of nothing": (",20.0,,", ",20.0,1.5,", ["line 3", "`seeds` must say how many"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_in_the_file_is_one_sentence_with_its_line(name: str, tmp_path: Path) -> None:
    before, after, words = BROKEN[name]
    text = "".join((ROOT / "config" / FILE).read_text(encoding="utf-8").splitlines(keepends=True)[:4])
    assert before in text
    (tmp_path / "published").mkdir()
    (tmp_path / FILE).write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_published(tmp_path)
    sentence = str(error.value)
    assert "\n" not in sentence
    for word in (str(FILE), *words):
        assert word in sentence, sentence


def test_a_study_s_lines_have_the_numbers_of_the_benchmarks_that_it_samples(tmp_path: Path) -> None:
    registry = _registry(tmp_path)
    spec = study_spec(registry, "beside", registry.study("beside"))
    found = {(one.line, one.benchmark, one.kind): (one.value, one.protocol) for one in spec.published}
    assert found[0, "aime24-paper-a", "published"] == (20.0, "a-greedy-3k")
    assert found[1, "amc22-23", "published"] == (53.0, "a-greedy-3k")
    assert found[1, "math500", "published"] == found[1, "math500-paper-a", "published"] == (74.2, "a-greedy-3k")
    assert found[0, "amc23", "re-measured"][0] == 44.0 and (0, "amc23", "published") not in found
    assert found[1, "aime24", "re-measured"][0] == 16.0
    assert read_spec(StudySpec, spec_text(spec))[0] == spec


def test_the_page_s_example_is_a_study(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "published_values.md").read_text(encoding="utf-8")
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    registry = _registry(tmp_path, **example)
    spec = study_spec(registry, "beside", registry.study("beside"))
    assert len([one for one in spec.published if one.kind == "published"]) == 10


def test_a_study_without_such_lines_has_the_spec_that_it_had(tmp_path: Path) -> None:
    registry = _registry(tmp_path, published=[])
    (tmp_path / "config" / FILE).unlink()
    assert '"published"' not in spec_text(study_spec(registry, "beside", registry.study("beside")))


MISTAKES = {
    "paper": ({"published": _line(0, paper="e")}, ["published.0.paper", "`e`", "choices: a, b, c, sober-look"]),
    "table": ({"published": _line(0, table="table 2")}, ["published.0.table", "choices: table 1, table 4"]),
    "subject": ({"published": _line(1, subject="Oat-Zero-1.5")}, ["published.1.subject", "`Oat-Zero-1.5B`"]),
    "variant": ({"published": _line(1, variant=None)}, ["published.1.variant", "choices: Dr.GRPO"]),
    "model": ({"published": _line(1, model="tiny")}, ["published.1.model", "choices: qwen2-5-math-1-5b"]),
    "optimizer": ({"published": _line(1, optimizer="drgrpo")}, ["published.1.optimizer", "did you mean `dr-grpo`?"]),
    "training set of a base model": (
        {"published": _line(0, train_set="asdiv-train")},
        ["published.0", "no `optimizer`", "leave out `train_set`"],
    ),
    "one of two training sets": (
        {"train_sets": ["asdiv-train", "asdiv-100"]},
        ["`published.1.train_set` is missing", "choices: asdiv-train, asdiv-100"],
    ),
    "one of two templates": (
        {"templates": ["qwen-math", "r1"]},
        ["`published.0.template` is missing", "choices: qwen-math, r1"],
    ),
    "no benchmark in common": (
        {"evaluation": {"suites": ["toy"]}},
        ["published.0", "aime24, amc22-23", "on sums-id, sums-ood", "leave it out"],
    ),
    "an average alone": (
        {"published": _line(0, paper="c", table="table 2", subject="Qwen2.5-Math-7B", variant="base")},
        ["published.0", "no accuracy on a single benchmark"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_line_is_found_before_any_job(name: str, tmp_path: Path) -> None:
    edits, words = MISTAKES[name]
    registry = _registry(tmp_path, **edits)
    with pytest.raises(UserError) as error:
        registry.study("beside")
    sentence = str(error.value)
    assert "\n" not in sentence and "studies/beside.yaml" in sentence
    for word in words:
        assert word in sentence, sentence


def test_no_value_is_lost_between_file_and_model() -> None:
    lines = (ROOT / "config" / FILE).read_text(encoding="utf-8").splitlines()
    assert len(PUBLISHED.values) == len(lines) - 1
    assert all(math.isfinite(one.value) for one in PUBLISHED.values)
