"""The paragraph of a paper's method section that the study's numbers need, from the study itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verizero.config.spec import StudySpec
from verizero.evidence.cells import Row
from verizero.evidence.comparisons import NOUNS, Axis, Difference, family
from verizero.evidence.contamination import Overlap, flagged_problems
from verizero.evidence.looks import Looks
from verizero.report.headline_table import points
from verizero.report.table import percent

RULES = {
    "last": "at its last checkpoint",
    "all": "at every checkpoint that was kept",
    "best": "at the checkpoint with the highest accuracy in validation, on problems that are not reported",
}


def methods_text(
    spec: StudySpec,
    rows: Sequence[Row],
    pairs: Mapping[Axis, Sequence[Difference]],
    changes: Sequence[Difference],
    overlaps: Sequence[Overlap],
    looks: Looks | None,
) -> str:
    """Markdown, one sentence for each choice."""
    said = [_accuracy(rows), _training(spec, rows), _intervals(spec, rows), _comparisons(spec, pairs, changes)]
    said += [_contamination(spec, overlaps), _looks(spec, looks), _grader()]
    return "# Methods\n\n" + "\n".join(sentence for sentence in said if sentence) + "\n"


def _accuracy(rows: Sequence[Row]) -> str:
    sizes: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if row.metric.startswith("avg@") and row.estimate.n_problems:
            sizes.setdefault(
                (row.key.benchmark, row.key.protocol, row.metric.partition("@")[2]), row.estimate.n_problems
            )
    parts = [f"{name} ({n} problems, k = {k}, protocol {protocol})" for (name, protocol, k), n in sizes.items()]
    return (
        "Accuracy is avg@k, the mean over problems of the share of k responses to each that are right; pass@k is the unbiased estimate of "
        f"Chen et al. (2021); maj@k is the share of problems whose most frequent answer, by the grader's equality, is right. Benchmarks: {', '.join(parts)}."
    )


def _training(spec: StudySpec, rows: Sequence[Row]) -> str:
    study = spec.study
    if not study.seeds:
        return f"Nothing was trained; {_list(study.models)} {'were' if len(study.models) > 1 else 'was'} evaluated."
    chosen = study.evaluation.checkpoints
    rule = RULES.get(str(chosen), f"at step {chosen}")
    number = len(study.seeds)
    missing = sorted({seed for row in rows for seed in row.missing if seed is not None})
    holes = f" Of some recipes, results with seed {_list(missing)} are missing." if missing else ""
    return (
        f"Each recipe was trained with {number} seed{'s' if number > 1 else ''} ({', '.join(map(str, study.seeds))}) and evaluated {rule}; "
        f"the rule is the same for all.{holes}"
    )


FORMULAS = {
    "two-way": "with several seeds, Student's t for a two-way layout in which training seeds and problems are both random (degrees of freedom by "
    "Satterthwaite; at least 0.6 of what the scatter of single cells gives)",
    "t over problems": "for one checkpoint, Student's t over problems (Miller 2024)",
    "wilson": "Wilson's score interval where all problems are solved or none, or where one checkpoint's problems are each right or wrong",
}


def _intervals(spec: StudySpec, rows: Sequence[Row]) -> str:
    used = {row.estimate.method for row in rows if row.metric.startswith("avg@")}
    formulas = [text for name, text in FORMULAS.items() if name in used]
    return f"Intervals are {percent(spec.confidence)} intervals: {'; '.join(formulas)}." if formulas else ""


def _comparisons(spec: StudySpec, pairs: Mapping[Axis, Sequence[Difference]], changes: Sequence[Difference]) -> str:
    families = {f"two {NOUNS[axis]}s": own for axis, own in pairs.items()} | {
        "a checkpoint and its base model": changes
    }
    counts = {
        name: len(accuracy)
        for name, own in families.items()
        if (accuracy := [one for one in own if family(one.metric) == "avg@k" and one.p is not None])
    }
    if not counts:
        return ""
    told = ", ".join(f"{number} between {name}" for name, number in counts.items())
    sizes = sorted(
        one.mde for own in families.values() for one in own if family(one.metric) == "avg@k" and one.mde is not None
    )
    least = (
        f" Such comparisons find differences of {points(sizes[0])} to {points(sizes[-1])} points with 80 % power, each by itself."
        if sizes
        else ""
    )
    return (
        "Two results are compared by the mean of paired differences on the same problems"
        f"{' and seeds' if spec.study.seeds else ''}, with the same interval and a two-sided p by the same t, adjusted by Holm's method inside "
        f"each family of accuracy comparisons: {told}.{least}"
    )


def _contamination(spec: StudySpec, overlaps: Sequence[Overlap]) -> str:
    if not overlaps:
        return ""
    flagged = sum(map(len, flagged_problems(overlaps).values()))
    rule = spec.study.contamination
    return (
        f"Training problems were compared with every benchmark problem: equal text, at least {percent(rule.containment)} of a benchmark problem's "
        f"{rule.words}-grams in one training problem, or Jaccard similarity of {rule.shingle}-gram sets of at least {rule.jaccard:g}; "
        f"{flagged or 'no'} benchmark problems are flagged."
    )


def _looks(spec: StudySpec, looks: Looks | None) -> str:
    if looks is None:
        return ""
    design = looks.design
    return (
        f"The comparison {looks.subject} follows a group-sequential design: looks at {_list(design.looks)} seeds, "
        f"{design.spending} alpha spending (Lan and DeMets 1983) at {design.alpha:g}, levels calibrated by simulation of the two-way layout, "
        f"repeated confidence intervals; {len(looks.looks)} of {looks.planned} looks were taken."
    )


def _grader() -> str:
    return "Each response's verdict is stored with the rule that gave it."


def _list(names: Sequence[object]) -> str:
    texts = [str(name) for name in names]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
