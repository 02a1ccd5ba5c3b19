"""Which problems are taken for copies of a benchmark's, and which are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verizero.config.contamination import OVERLAP_KINDS, OverlapRule, included
from verizero.problems import overlap
from verizero.problems.near_duplicates import chance_of_a_proposal, distinct_nearly
from verizero.problems.overlap import Pair, find_pairs
from verizero.problems.problem import Problem
from verizero.problems.selection import without
from verizero.problems.words import grams, jaccard, words

ENDING = "where m and n are relatively prime positive integers. Find m + n."
ROPE = "Anna cuts a rope of 27 metres into pieces of 4 metres each. How many whole pieces does she get?"


def problem(text: str, number: int = 0, answer: str = "1") -> Problem:
    return Problem(id=f"{number}", problem=text, answers=[answer])


def set_of(*texts: str) -> list[Problem]:
    return [problem(text, number) for number, text in enumerate(texts)]


def found(train: list[str], benchmark: list[str], rule: OverlapRule = overlap.STANDARD) -> list[Pair]:
    return find_pairs(set_of(*train), {"bench": set_of(*benchmark)}, rule)


def by_words(train: list[list[str]], benchmark: list[list[str]], rule: OverlapRule) -> set[tuple[int, int, str]]:
    """The definition, written down plainly; no boilerplate."""
    pairs = set()
    for i, one in enumerate(train):
        for j, other in enumerate(benchmark):
            wanted = grams(other, min(rule.words, len(other)))
            n = min(rule.shingle, len(other))
            if one == other:
                pairs.add((i, j, "exact"))
            elif len(wanted & grams(one, min(rule.words, len(other)))) / len(wanted) >= rule.containment:
                pairs.add((i, j, "containment"))
            elif jaccard(grams(one, n), grams(other, n)) >= rule.jaccard:
                pairs.add((i, j, "near-duplicate"))
    return pairs


def test_figures_spacing_and_looks_are_no_words_but_signs_are() -> None:
    text = r"Find $\dfrac{1}{2}\, x_1 - \text{Area}$. [asy]draw((0,0)--(1,1));[/asy] Ｏk"
    assert words(text) == ["find", "frac", "1", "2", "x", "1", "-", "area", "ok"]
    assert words("x+2") != words("x-2")


def test_the_same_text_in_other_spacing_is_exact() -> None:
    (pair,) = found([r"Find $x\,+\,1$ if  $x = 2$."], ["find $ x+1 $ if $x=2$."])
    assert (pair.kind, pair.score, pair.same_answer) == ("exact", 1.0, True)


def test_answers_are_the_same_whatever_stands_around_them() -> None:
    one, other = problem(ROPE, answer=r"$\dfrac{1}{2}$"), problem(ROPE, answer=r"\frac{1}{2}")
    assert find_pairs([one], {"bench": [other]})[0].same_answer
    assert not find_pairs([one], {"bench": [problem(ROPE, answer="12")]})[0].same_answer


def test_a_problem_inside_a_longer_one_is_contained() -> None:
    (pair,) = found([f"Solve this carefully, friend. {ROPE} Write the answer into a box."], [ROPE])
    assert (pair.kind, pair.containment) == ("containment", 1.0)


def test_one_changed_number_leaves_a_contained_problem_and_two_others_do_not() -> None:
    (pair,) = found([ROPE.replace("27", "28")], [ROPE])
    assert pair.kind == "containment" and 0.5 <= pair.containment < 1
    assert not found(["Ben paints 12 doors on each of 3 days. How many doors does he paint?"], [ROPE])


def test_a_near_duplicate_shares_shingles_where_n_grams_are_broken() -> None:
    other = "a b c d e f g h i j k l m n o p q r s t u v w x"
    rule = OverlapRule(words=16)
    (pair,) = found([other.replace("l", "y")], [other], rule.model_copy(update={"jaccard": 0.6}))
    assert (pair.kind, pair.score) == ("near-duplicate", pytest.approx(15 / 25))
    assert not found([other.replace("l", "y")], [other], rule)


def test_boilerplate_flags_nothing() -> None:
    benchmark = [f"The ratio of two areas {i} {i + 1} {i + 2} is m over n, {ENDING}" for i in range(4)]
    train = [f"A box of {i} red balls, chance m over n, {ENDING}" for i in range(20)]
    assert not found(train, benchmark)
    assert found(train, benchmark, OverlapRule(common=100)), "what the document frequency is good for"


def test_a_problem_shorter_than_an_n_gram_counts_as_one() -> None:
    assert [pair.kind for pair in found(["Compute 2 + 3", "Compute 2 + 4"], ["Compute $2+3$."])] == ["containment"]
    assert not found(["Compute 2 + 4"], ["Compute $2+3$."])


def test_a_text_without_words_is_found_only_exactly() -> None:
    assert [pair.kind for pair in found(["???", "?"], ["? ??"])] == ["exact"]


def test_repeated_training_problems_are_one_pair() -> None:
    (pair,) = found([ROPE] * 128, [ROPE])
    assert (pair.train.id, pair.copies) == ("0", 128)


def test_copies_in_two_benchmarks_are_no_boilerplate() -> None:
    benchmarks = {f"bench-{i}": set_of(ROPE) for i in range(30)}
    assert len(find_pairs(set_of(ROPE + " Answer in metres."), benchmarks)) == 30


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    train = [ROPE.replace("27", str(n)) for n in range(40)] + [ROPE]
    whole = found(train, [ROPE, ENDING])
    monkeypatch.setattr(overlap, "BATCH", 7)
    assert found(train, [ROPE, ENDING]) == whole and whole


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=14), min_size=1, max_size=6, unique_by=tuple),
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=14), min_size=1, max_size=6, unique_by=tuple),
    st.sampled_from([(8, 5), (3, 2), (2, 4), (5, 5), (1, 1)]),
)
def test_sorted_codes_find_what_the_definition_says(
    train: list[list[str]], benchmark: list[list[str]], lengths: tuple[int, int]
) -> None:
    rule = OverlapRule(words=lengths[0], shingle=lengths[1], common=10**6)
    # A word more keeps texts apart whose words run together: the exact kind compares texts without their spaces.
    pairs = found([" ".join(each) for each in train], [" ".join(each) for each in benchmark], rule)
    assert {(int(pair.train.id), int(pair.problem.id), pair.kind) for pair in pairs} == by_words(train, benchmark, rule)


def test_a_study_s_defaults_are_the_standard() -> None:
    assert OverlapRule() == overlap.STANDARD


def test_each_kind_includes_those_before_it() -> None:
    assert [included(kind) for kind in OVERLAP_KINDS] == [OVERLAP_KINDS[:1], OVERLAP_KINDS[:2], OVERLAP_KINDS]


def test_the_first_of_near_duplicates_is_kept() -> None:
    long = (
        "Anna has a rope of 27 metres and cuts it into pieces. " * 2
        + "How many pieces of 4 metres does she get from it?"
    )
    texts = [long, "Compute 1 + 1", long.upper(), long + " Explain.", "Compute 1 + 2", "Compute  1+1", "???", "!!"]
    assert [one.id for one in distinct_nearly(set_of(*texts))] == ["0", "1", "4", "6", "7"]
    assert len(distinct_nearly(set_of(*texts), 1.0)) == 6


def test_no_problem_is_dropped_without_a_kept_near_duplicate() -> None:
    texts = [" ".join(str((i * j) % 7 + (j % 11)) for j in range(20 + i % 3)) for i in range(60)]
    kept = distinct_nearly(set_of(*texts), 0.7)
    sets = {one.id: grams(words(one.problem), 5) for one in set_of(*texts)}
    for lost in set(sets) - {one.id for one in kept}:
        assert any(jaccard(sets[lost], sets[one.id]) >= 0.7 for one in kept if int(one.id) < int(lost))


def test_a_stricter_kind_takes_out_more() -> None:
    near = ROPE.replace("27", "28")
    train = set_of(ROPE, f"{ROPE} Write the answer into a box.", near, "Compute 5 + 6.")
    benchmark = {"bench": set_of(ROPE), "other": set_of("Compute 7 + 7.")}
    left = {kind: without(train, benchmark, kind) for kind in OVERLAP_KINDS}
    assert [one.id for one in left["exact"][0]] == ["1", "2", "3"]
    assert [one.id for one in left["containment"][0]] == ["3"]
    assert left["containment"][1] == {"bench": 3, "other": 0}
    assert left["near-duplicate"] == left["containment"]
    assert without(train, benchmark) == left["exact"]


def test_nearly_every_pair_at_the_threshold_is_looked_at() -> None:
    assert chance_of_a_proposal(0.7) > 0.98
    assert chance_of_a_proposal(0.8) > 0.999
    assert chance_of_a_proposal(1.0) == 1.0
