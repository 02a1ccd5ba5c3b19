"""How many seeds and samples an effect needs, from a pilot study's variances or from variances that you name.

    python scripts/power.py --study demo --effect 3
    python scripts/power.py --study demo --a dr-grpo-toy --b grpo-toy --benchmark sums-id --effect 3 --seeds 3 5 8 12
    python scripts/power.py --sd-seed 1 --sd-problem 12 --sd-cell 18 --sd-sample 45 --problems 500 --effect 2

A pilot is a study with at least two seeds of two recipes; with more than two of them, --a and --b choose. Variances are those of the
difference between the two on the same problems and seeds: of seeds, of problems, of what a seed does on a problem, and of drawing one
response. The table has, for each number of seeds and samples, the effect that 80 % of such studies find at a two-sided 5 %, and the
chance to find the effect asked for (noncentral t with the degrees of freedom of the two-way interval). Effects and standard deviations
are in percentage points. A pilot of two or three seeds knows its variances badly; take the answer as an order of size. Exit code 0.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from verizero.artifacts.canonical import canonical_json
from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.manifest import read_manifest
from verizero.config.spec import StudySpec, read_spec
from verizero.evidence.comparisons import Graded, last_checkpoints
from verizero.evidence.reading import MemberGrades, check_alike, groups_of
from verizero.statistics.components import Components, components, sampling_noise

SEEDS, SAMPLES, ENOUGH = (2, 3, 4, 5, 6, 8, 10, 15), (1, 4, 8, 32), 0.8
MOST = 200


def main() -> None:
    """Variances, then a table of effects and powers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effect", type=float, required=True, help="the difference to be found, in percentage points")
    parser.add_argument("--study", help="a finished pilot")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--a", help="an optimizer or a training set of the pilot")
    parser.add_argument("--b", help="the other one")
    parser.add_argument("--benchmark", help="by default each of the pilot")
    parser.add_argument("--protocol", help="by default each of the benchmark")
    for name, what in (
        ("seed", "seeds' true means"),
        ("problem", "problems' true differences"),
        ("cell", "a seed on a problem beyond both"),
        ("sample", "one response"),
    ):
        parser.add_argument(f"--sd-{name}", type=float, metavar="POINTS", help=f"standard deviation of {what}")
    parser.add_argument("--problems", type=int, help="of the benchmark; by default the pilot's")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=list(SEEDS), help="numbers of seeds (default %(default)s)"
    )
    parser.add_argument(
        "--samples", type=int, nargs="+", default=list(SAMPLES), help="responses to each problem (default %(default)s)"
    )
    arguments = parser.parse_args()
    if min(arguments.seeds) < 2 or min(arguments.samples) < 1:
        raise UserError("--seeds takes numbers from 2 on, --samples from 1 on: one seed says nothing of an optimizer")
    if arguments.problems is not None and arguments.problems < 2:
        raise UserError("--problems takes numbers from 2 on: one problem says nothing of others")
    effect = arguments.effect / 100
    for title, parts, problems in pilots(arguments) if arguments.study else [named(arguments)]:
        print(
            "\n".join(lines(title, parts, arguments.problems or problems, effect, arguments.seeds, arguments.samples))
        )


def named(arguments: argparse.Namespace) -> tuple[str, Components, int]:
    """The variances of the command line.

    Raises:
        UserError: one of them is missing.
    """
    values = {name: getattr(arguments, f"sd_{name}") for name in ("seed", "problem", "cell", "sample")}
    missing = [f"--sd-{name}" for name, value in values.items() if value is None]
    missing += [] if arguments.problems else ["--problems"]
    if missing:
        raise UserError(f"without --study, {', '.join(missing)} must be given")
    return "variances as given", Components(**{name: (value / 100) ** 2 for name, value in values.items()}), 0


def pilots(arguments: argparse.Namespace) -> list[tuple[str, Components, int]]:
    """What each benchmark and protocol of the pilot says: title, variances of the difference, problems.

    Raises:
        UserError: the study is not there, has no two recipes to compare, or fewer than two seeds.
    """
    path = arguments.results / "studies" / arguments.study / "manifest.json"
    if not path.is_file():
        raise UserError(f"{path} is not there; `snakemake --config study={arguments.study}` makes the study")
    spec = read_spec(StudySpec, canonical_json(read_manifest(path).spec))[0]
    a, b = sides(spec, arguments.a, arguments.b)
    graded = last_checkpoints([(group, group.read()) for group in groups_of(spec.cells, arguments.results)])
    found = []
    for left in graded:
        right = partner(graded, left, a, b)
        asked = arguments.benchmark in (None, left[0].key.benchmark) and arguments.protocol in (
            None,
            left[0].key.protocol,
        )
        if right is None or not asked:
            continue
        seeds = sorted(seed for seed in left[1] if seed is not None and seed in right[1])
        if len(seeds) < 2:
            raise UserError(f"study `{arguments.study}` has {len(seeds)} seed of both {a} and {b}; a pilot needs two")
        couples = [(left[1][seed], right[1][seed]) for seed in seeds]
        if couples[0][0].correct.shape[0] < 2:
            raise UserError(f"study `{arguments.study}` asks one problem of {left[0].key.benchmark}; a pilot needs two")
        where = ", ".join(part for part in (left[0].key.model, left[0].key.template) if part)
        found.append(
            (f"{where}: {a} minus {b} on {left[0].key.benchmark} ({left[0].key.protocol})", *variances(couples))
        )
    if not found:
        raise UserError(
            f"study `{arguments.study}` has no {arguments.benchmark or 'benchmark'}"
            f"{f' under {arguments.protocol}' if arguments.protocol else ''} on which {a} and {b} were both evaluated"
        )
    return found


def sides(spec: StudySpec, a: str | None, b: str | None) -> tuple[str, str]:
    """The two recipes.

    Raises:
        UserError: the study has no two, or more than two and none is named.
    """
    for names in (spec.study.optimizers, spec.study.train_sets):
        if a and b and {a, b} <= set(names) and a != b:
            return a, b
        if not a and not b and len(names) == 2:
            return names[1], names[0]
    raise UserError(
        f"study `{spec.name}`: name two of its optimizers ({', '.join(spec.study.optimizers) or 'none'}) or of its training sets "
        f"({', '.join(spec.study.train_sets) or 'none'}) as --a and --b"
    )


def partner(graded: list[Graded], left: Graded, a: str, b: str) -> Graded | None:
    """The group that differs from `left`, which is one of `a`, in being of `b`."""
    for axis in ("optimizer", "train_set"):
        if getattr(left[0].key, axis) == a:
            wanted = {**vars(left[0].key), axis: b, "checkpoint": None}
            for other in graded:
                if {**vars(other[0].key), "checkpoint": None} == wanted and other[0].suite == left[0].suite:
                    return other
    return None


def variances(couples: list[tuple[MemberGrades, MemberGrades]]) -> tuple[Components, int]:
    """Of the difference of two recipes, and how many problems there are.

    Raises:
        UserError: they were asked different problems.
    """
    for couple in couples:
        check_alike(list(couple))
    values = np.stack([one.correct.mean(axis=1) - other.correct.mean(axis=1) for one, other in couples])
    noise = float(np.mean([sampling_noise(one.correct) + sampling_noise(other.correct) for one, other in couples]))
    return components(values, noise, couples[0][0].samples), values.shape[1]


def lines(
    title: str, parts: Components, problems: int, effect: float, seeds: list[int], samples: list[int]
) -> list[str]:
    """What is printed of one comparison."""
    spread = ", ".join(f"{name} {100 * value**0.5:.1f}" for name, value in vars(parts).items())
    text = [f"{title}: {problems} problems", f"standard deviations in points: {spread}"]
    if not parts.sample:
        text.append(
            "one sample of each problem was drawn: its noise is counted as that of a cell, so more samples seem to bring nothing"
        )
    text += [
        "",
        f"| seeds | samples | found in 80 % (points) | power at {100 * effect:g} points |",
        "|---:|---:|---:|---:|",
    ]
    for number in seeds:
        for count in samples:
            least, power = parts.detectable(number, problems, count), parts.power(effect, number, problems, count)
            text.append(f"| {number} | {count} | {100 * least:.1f} | {100 * power:.0f} % |")
    most = max(samples)
    needed = next((n for n in range(2, MOST + 1) if parts.power(effect, n, problems, most) >= ENOUGH), None)
    if needed:
        said = f"{needed} seeds with {most} samples find {100 * effect:g} points in {100 * ENOUGH:.0f} % of studies."
    else:
        floor = parts.detectable(MOST, problems, most)
        said = (
            f"No number of seeds up to {MOST} finds {100 * effect:g} points on {problems} problems; {MOST} seeds find {100 * floor:.1f} points. "
            "A benchmark with more problems would."
        )
    return [*text, "", said, ""]


if __name__ == "__main__":
    main_program(main)()
