"""Which jobs an edit causes: nothing more and nothing less.

The jobs are stand-ins that make each artifact with its real identity (spec, code digest, inputs) in no time; what is
under test is what Snakemake plans after an edit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import Checkout, copied, copy_checkout, fake_job_python

SEEDS = (1, 2, 3)
OFF = ("--config", "tracking={enabled: false}")
STUDY = {"studies/demo"}
Edit = Callable[[Checkout], None]


def run(optimizer: str, seed: int) -> str:
    return f"tiny.sums.plain.{optimizer}.s{seed}"


def trained(optimizer: str, seeds: tuple[int, ...] = SEEDS) -> set[str]:
    """What retraining an optimizer causes, the study apart."""
    names = [run(optimizer, seed) for seed in seeds]
    return {f"runs/{name}" for name in names} | evaluated(tuple(f"{name}@120" for name in names))


def evaluated(subjects: tuple[str, ...]) -> set[str]:
    return {f"{kind}/{subject}/toy" for kind in ("samples", "grades") for subject in subjects}


def graded() -> set[str]:
    return {name for name in evaluated(SUBJECTS) if name.startswith("grades/")}


CHECKPOINTS = tuple(f"{run(optimizer, seed)}@120" for optimizer in ("grpo-toy", "dr-grpo-toy") for seed in SEEDS)
SUBJECTS = ("tiny.plain", *CHECKPOINTS)
GRPO, DR_GRPO = trained("grpo-toy"), trained("dr-grpo-toy")
BASE = evaluated(("tiny.plain",))
EVERY_EVALUATION = evaluated(SUBJECTS)
OVERLAPS = {"overlaps/demo/sums", "overlaps/demo/sums-corpus"}
PREPARED = {
    "models/tiny-init",
    "models/tiny",
    "datasets/sums-corpus",
    "datasets/sums",
    "datasets/sums-id",
    "datasets/sums-ood",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The demo study, done."""
    folder = tmp_path_factory.mktemp("finished")
    checkout = copy_checkout(folder / "checkout", fake_job_python(folder))
    checkout.snakemake("--cores", "2", *OFF)
    return checkout


@pytest.fixture
def checkout(finished: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A copy of the finished study, to edit."""
    with copied(finished, tmp_path / "checkout") as copy:
        yield copy


def edit(path: str, before: str, after: str) -> Edit:
    return lambda checkout: checkout.edit(path, before, after)


def append(path: str, text: str) -> Edit:
    def change(checkout: Checkout) -> None:
        file = checkout.root / path
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")

    return change


def swap_two_learning_rates(checkout: Checkout) -> None:
    checkout.edit("config/optimizers/grpo-toy.yaml", "learning_rate: 1.5e-4", "learning_rate: 3.0e-4")
    append("config/optimizers/dr-grpo-toy.yaml", "learning_rate: 1.5e-4\n")(checkout)


def reorder_keys(checkout: Checkout) -> None:
    path = checkout.root / "config/optimizers/dr-grpo-toy.yaml"
    path.write_text(
        "weight: {length: 128, kind: constant}\nadvantage: {scale: none}\nbase: grpo-toy\n", encoding="utf-8"
    )


def touch_everything(checkout: Checkout) -> None:
    for path in sorted(checkout.root.rglob("*"), reverse=True):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)


def add_option_with_default(checkout: Checkout) -> None:
    checkout.edit(
        "scripts/verizero/config/optimizers.py",
        "    note: str | None = None\n",
        "    note: str | None = None\n    brand_new: bool = False\n",
    )


def change_a_default(checkout: Checkout) -> None:
    checkout.edit(
        "scripts/verizero/config/optimizers.py", "max_grad_norm: Positive = 1.0", "max_grad_norm: Positive = 0.5"
    )


CONTRACT: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda checkout: None, set()),
    "a measurement while training": (
        append(
            "config/studies/demo.yaml",
            "validation:\n  benchmark: sums-ood\n  protocol: greedy-toy\n  every: 40\n",
        ),
        GRPO | DR_GRPO | STUDY,  # sums-ood is a benchmark of the suite already
    ),
    "how alike a contained problem is": (
        append("config/studies/demo.yaml", "contamination:\n  containment: 0.6\n"),
        OVERLAPS | STUDY,
    ),
    "up to which kind problems are flagged": (
        append("config/studies/demo.yaml", "contamination:\n  flag: exact\n"),
        STUDY,
    ),
    "learning rate of one optimizer": (
        append("config/optimizers/dr-grpo-toy.yaml", "learning_rate: 2.0e-4\n"),
        DR_GRPO | STUDY,
    ),
    "learning rate of the base of both": (
        edit("config/optimizers/grpo-toy.yaml", "1.5e-4", "2.5e-4"),
        GRPO | DR_GRPO | STUDY,
    ),
    "swapping two values": (swap_two_learning_rates, GRPO | STUDY),
    "one more seed": (
        edit("config/studies/demo.yaml", "[1, 2, 3]", "[1, 2, 3, 4]"),
        trained("grpo-toy", (4,)) | trained("dr-grpo-toy", (4,)) | STUDY,
    ),
    "one seed removed": (edit("config/studies/demo.yaml", "[1, 2, 3]", "[1, 3]"), STUDY),
    "order of the seeds": (edit("config/studies/demo.yaml", "[1, 2, 3]", "[3, 2, 1]"), STUDY),
    "the question": (edit("config/studies/demo.yaml", "question: Do", "question: Really, do"), STUDY),
    "k of one benchmark": (
        edit(
            "config/registry/suites.yaml",
            "sums-ood, protocol: sampled-toy, samples: 8",
            "sums-ood, protocol: sampled-toy, samples: 4",
        ),
        EVERY_EVALUATION | STUDY,
    ),
    "a new benchmark in a suite": (
        edit(
            "config/registry/suites.yaml",
            "      - {benchmark: sums-ood, ",
            "      - {benchmark: gsm8k, protocol: greedy-toy}\n      - {benchmark: sums-ood, ",
        ),
        EVERY_EVALUATION | OVERLAPS | STUDY | {"datasets/gsm8k"},
    ),
    "a template's text": (
        edit("config/templates/plain.yaml", "{question}", "{question} "),
        {"models/tiny"} | BASE | GRPO | DR_GRPO | STUDY,
    ),
    "the text of a template that nothing uses": (
        edit("config/templates/r1.yaml", "A conversation", "One conversation"),
        set(),
    ),
    "where a template's text comes from": (append("config/templates/plain.yaml", "# a comment\n"), set()),
    "a registry comment": (append("config/registry/models.yaml", "# a comment\n"), set()),
    "a registry note": (
        edit("config/registry/benchmarks.yaml", "note: The distribution", "note: This is the distribution"),
        set(),
    ),
    "an unused registry entry": (
        edit("config/registry/models.yaml", "max_model_len: 4096", "max_model_len: 8192"),
        set(),
    ),
    "key order": (reorder_keys, set()),
    "a problem more in a benchmark": (
        edit("config/registry/benchmarks.yaml", "problems: 256\n    seed: 4", "problems: 257\n    seed: 4"),
        # the training set keeps these problems out, so it is made again, and with it what was trained on it
        {"datasets/sums-ood", "datasets/sums"} | OVERLAPS | EVERY_EVALUATION | GRPO | DR_GRPO | STUDY,
    ),
    "a new schema option with a default": (add_option_with_default, set()),
    "a changed default": (change_a_default, GRPO | DR_GRPO | STUDY),
    "a comment": (append("scripts/train.py", "\n# a comment\n"), set()),
    "a docstring": (edit("scripts/train.py", '"""', '"""Now. '), set()),
    "the plotting code": (append("scripts/verizero/report/figures.py", "\nEDITED = 1\n"), STUDY),
    "the page's template": (append("scripts/verizero/report/page.html.jinja", "<!-- edited -->"), STUDY),
    "the figures' style": (append("scripts/verizero/report/figures.mplstyle", "lines.linewidth: 2\n"), STUDY),
    "what is written of two problems that are alike": (
        append("scripts/verizero/problems/overlap_rows.py", "\nEDITED = 1\n"),
        OVERLAPS | STUDY,
    ),
    "the grader": (append("scripts/verizero/reward/graders.py", "\nEDITED = 1\n"), GRPO | DR_GRPO | graded() | STUDY),
    "the trainer": (append("scripts/verizero/training/loop.py", "\nEDITED = 1\n"), GRPO | DR_GRPO | STUDY),
    "the engine": (
        append("scripts/verizero/rollout/transformers_engine.py", "\nEDITED = 1\n"),
        GRPO | DR_GRPO | BASE | STUDY,
    ),
    "what every job uses": (
        append("scripts/verizero/artifacts/job.py", "\nEDITED = 1\n"),
        PREPARED | OVERLAPS | GRPO | DR_GRPO | BASE | STUDY,
    ),
    "the audit": (append("scripts/verizero/tracking/audit.py", "\nEDITED = 1\n"), set()),
    "touch on every file": (touch_everything, set()),
    "the tracking URI": (
        edit("config/config.yaml", "sqlite:///results/mlflow.db", "http://tracking.example.org"),
        set(),
    ),
    "threads": (edit("config/config.yaml", "train_threads: 1", "train_threads: 2"), set()),
    "GPUs": (edit("config/config.yaml", "gpus: 0", "gpus: 8"), set()),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_an_edit_causes_exactly_its_jobs(name: str, checkout: Checkout) -> None:
    change, expected = CONTRACT[name]
    change(checkout)
    assert checkout.planned(*OFF) == expected


@pytest.mark.parametrize("profile", ["local", "slurm", "ci"])
def test_another_profile_causes_nothing(profile: str, checkout: Checkout) -> None:
    assert checkout.planned("--profile", f"workflow/profiles/{profile}", *OFF) == set()


def test_a_job_that_makes_the_same_artifact_again_stops_there(checkout: Checkout) -> None:
    """Within one call Snakemake follows every job that runs; a second call sees equal manifests and does nothing more."""
    checkout.snakemake("--cores", "2", "--force", *OFF, "--", "results/datasets/sums-ood/manifest.json")
    assert checkout.planned(*OFF) == set()
