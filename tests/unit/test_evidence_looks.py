"""Looks of a declared sequential design."""

from __future__ import annotations

from pathlib import Path

import evidence_fabricated as fabricated
import numpy as np
import pytest
from pydantic import ValidationError

from verizero.artifacts.errors import UserError
from verizero.config.study import Primary, Sequential, Study
from verizero.evidence.looking import FILE, looks_sentence, looks_so_far
from verizero.evidence.looks import looks_of
from verizero.evidence.reading import Group, Key, MemberGrades
from verizero.report.answer import look_sentence
from verizero.report.tables import look_table
from verizero.statistics.sequential import nominal_levels

PRIMARY = Primary(a="grpo", b="dr-grpo", benchmark="sums-id", protocol="sampled")
DESIGN = Sequential(primary=PRIMARY, start=3, most=6, every=2)


def _spec(seeds, design=DESIGN):
    spec = fabricated.spec_of(seeds=seeds)
    return spec.model_copy(update={"study": spec.study.model_copy(update={"sequential": design})})


def _graded(optimizer, rate, seeds, model="tiny", spread=0.0):
    by_seed = {}
    for seed in seeds:
        rng = np.random.default_rng([seed, *map(ord, optimizer)])
        correct = rng.random((60, 8)) < rate + spread * rng.normal() + np.linspace(-0.2, 0.2, 60)[:, None]
        by_seed[seed] = MemberGrades(
            Path("x"), tuple(f"{i:02}" for i in range(60)), correct, np.ones((60, 8)), ~correct, correct, {}
        )
    key = Key(model, "sums", "plain", optimizer, 60, "sums-id", "sampled")
    return Group(key, "toy", "sums-id.plain.sampled", dict.fromkeys(by_seed, Path("x"))), by_seed


def _looks(seeds, left, right, design=DESIGN, spread=0.0):
    graded = [_graded("grpo", left, seeds, spread=spread), _graded("dr-grpo", right, seeds, spread=spread)]
    return looks_of(_spec(seeds, design), graded)


def test_the_looks_are_at_start_then_every_so_many_and_at_the_last_seed() -> None:
    assert DESIGN.looks == [3, 5, 6]
    assert Sequential(primary=PRIMARY).looks == [3, 4, 5, 6, 7, 8, 9, 10]
    assert Sequential(primary=PRIMARY, start=4, most=4).looks == [4]


def test_a_study_without_a_design_has_no_looks() -> None:
    assert looks_of(fabricated.spec_of(), [_graded("grpo", 0.5, (1, 2, 3))]) is None


def test_too_few_seeds_for_the_first_look_say_so() -> None:
    found = _looks((1, 2), 0.6, 0.3)
    assert found is not None and not found.looks
    assert look_sentence(found) == "The first look of the sequential design is at 3 seeds; they are not there yet."


def test_earlier_looks_stay_what_they_were_when_seeds_are_added() -> None:
    three, five = _looks((1, 2, 3), 0.5, 0.5), _looks((1, 2, 3, 4, 5), 0.5, 0.5)
    assert three is not None and five is not None
    assert three.looks == five.looks[:1]
    assert [look.seeds for look in five.looks] == [(1, 2, 3), (1, 2, 3, 4, 5)]


def test_the_order_of_the_study_s_file_decides_which_seeds_a_look_has() -> None:
    found = _looks((7, 2, 9, 1), 0.5, 0.5)
    assert found is not None and found.looks[0].seeds == (7, 2, 9)


def test_a_look_is_stricter_than_the_boundary_for_a_known_variance() -> None:
    found = _looks((1, 2, 3, 4, 5), 0.5, 0.5)
    assert found is not None
    bounds = nominal_levels([0.5, 5 / 6, 1.0], 0.05)
    for look, bound in zip(found.looks, bounds, strict=False):
        assert 0 < look.level <= bound
        assert look.low is not None and look.high is not None and look.found.low is not None
        assert look.high - look.low > (look.found.high or 0) - look.found.low


def test_a_large_effect_stops_and_says_so() -> None:
    found = _looks((1, 2, 3, 4, 5, 6), 0.75, 0.35)
    assert found is not None
    assert found.looks[-1].decision == "effect"
    assert look_sentence(found).endswith("Stop: the effect is there.")
    low = found.looks[-1].low
    assert low is not None and low > 0


def test_no_effect_ends_at_the_last_look_without_a_claim() -> None:
    found = _looks((1, 2, 3, 4, 5, 6), 0.5, 0.5)
    assert found is not None and found.looks[-1].decision == "end"
    assert look_sentence(found).endswith("The design ends here: no effect was found.")


def test_a_difference_near_zero_is_futile_unless_a_larger_effect_is_still_likely_to_show() -> None:
    bare = _looks((1, 2, 3, 4, 5), 0.5, 0.5)
    assert bare is not None and [look.decision for look in bare.looks] == ["go on", "futile"]
    assert "Stop: it will not show" in look_sentence(bare)
    large = DESIGN.model_copy(update={"effect": 0.3})
    worth = _looks((1, 2, 3, 4, 5), 0.5, 0.5, large)
    assert worth is not None and worth.looks[1].decision == "go on"
    said = look_sentence(worth)
    assert "Train 1 more seed for the next look" in said and "if the true difference is 30.0 points" in said


def test_the_table_has_a_row_for_each_look() -> None:
    found = _looks((1, 2, 3, 4, 5), 0.5, 0.5)
    assert found is not None
    rows = look_table(found).rows
    assert [(row["look"], row["seeds"]) for row in rows] == [("1 of 3", "1,2,3"), ("2 of 3", "1,2,3,4,5")]


def test_two_models_are_two_studies() -> None:
    graded = [_graded(name, 0.5, (1, 2, 3), model) for name in ("grpo", "dr-grpo") for model in ("tiny", "other")]
    with pytest.raises(UserError, match="needs a study of its own"):
        looks_of(_spec((1, 2, 3)), graded)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"most": 2, "start": 3}, "fewer than the 3 of start"),
        ({"primary": {**PRIMARY.model_dump(), "b": "ppo"}}, "neither two `optimizers` nor two `train_sets`"),
        ({"most": 3, "start": 2}, "`seeds` lists 4, but sequential.most is 3"),
    ],
)
def test_a_design_that_cannot_be_is_refused(edit: dict[str, object], words: str) -> None:
    study = fabricated.spec_of(seeds=(1, 2, 3, 4)).study.model_dump()
    study["sequential"] = {"primary": PRIMARY.model_dump(), **edit}
    with pytest.raises(ValidationError, match=words):
        Study.model_validate(study)


def _times(folder: Path, *steps):
    """Looks after a row of aggregations, each with (seeds, design)."""
    folder.mkdir(parents=True, exist_ok=True)
    looks = []
    for seeds, design in steps:
        looks = looks_so_far(folder, _spec(seeds, design), [_graded("grpo", 0.5, seeds)])
        (folder / FILE).write_text("".join(look.text() for look in looks), encoding="utf-8")
    return looks


def test_looks_without_a_design_are_counted_once_for_each_set_of_seeds(tmp_path: Path) -> None:
    looks = _times(tmp_path / "a", ((1, 2), None), ((1, 2), None), ((1, 2, 3), None))
    assert [look.seeds for look in looks] == [(1, 2), (1, 2, 3)]
    assert "looked at 2 times, with seeds 1,2 then 1,2,3, and no sequential design" in looks_sentence(looks)
    assert looks_sentence(looks[:1]) == ""


def test_only_seeds_that_are_there_are_a_look(tmp_path: Path) -> None:
    spec = _spec((1, 2, 3), None)
    [look] = looks_so_far(tmp_path, spec, [_graded("grpo", 0.5, (1, 2)), _graded("dr-grpo", 0.5, (1,))])
    assert look.seeds == (1, 2)


def test_a_design_that_was_there_from_the_first_allows_for_its_looks(tmp_path: Path) -> None:
    looks = _times(tmp_path, ((1, 2, 3), DESIGN), ((1, 2, 3, 4, 5), DESIGN))
    assert len(looks) == 2 and looks_sentence(looks) == ""


def test_a_design_declared_or_changed_after_a_look_is_told(tmp_path: Path) -> None:
    late = _times(tmp_path / "late", ((1, 2, 3), None), ((1, 2, 3), DESIGN))
    assert "declared or changed after 1 of 2 looks" in looks_sentence(late)
    other = DESIGN.model_copy(update={"most": 8})
    changed = _times(tmp_path / "changed", ((1, 2, 3), DESIGN), ((1, 2, 3, 4), other))
    assert "declared or changed after 1 of 2 looks" in looks_sentence(changed)


def test_seeds_that_were_exchanged_are_told(tmp_path: Path) -> None:
    looks = _times(tmp_path, ((1, 2, 3), DESIGN), ((1, 2, 7), DESIGN))
    assert "Seeds were not only added between looks" in looks_sentence(looks)


def test_a_primary_comparison_in_two_suites_is_the_first_one_s() -> None:
    graded = [_graded(name, rate, (1, 2, 3)) for name, rate in (("grpo", 0.7), ("dr-grpo", 0.3))]
    twice = [(Group(group.key, "other", group.member, group.paths), by_seed) for group, by_seed in graded]
    one, two = looks_of(_spec((1, 2, 3)), graded), looks_of(_spec((1, 2, 3)), [*graded, *twice])
    assert one is not None and two is not None and one.looks == two.looks


def test_where_nothing_differs_no_chance_is_told() -> None:
    found = _looks((1, 2, 3), 2.0, 2.0)  # every answer is right
    assert found is not None and found.looks[0].power is None
    assert look_sentence(found).endswith("Train 2 more seeds for the next look; nothing differs so far.")
