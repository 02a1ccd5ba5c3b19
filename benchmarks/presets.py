"""Every preset trains the toy, over three seeds: does its objective learn, and how long are the answers then?

    .venv/orchestrate/bin/python benchmarks/presets.py --folder ../presets --write       # an hour and a half on two cores
    .venv/orchestrate/bin/python benchmarks/presets.py --only ppo dapo --seeds 1 --steps 20

Copies the checkout and adds a study whose optimizers are the presets at the size of the demo: the axes are the preset's, and so are
the ratios of its numbers. Learning rates are those of the preset times 150, which makes 1e-6 the demo's 1.5e-4; lengths in tokens
and steps are scaled with `rollout.max_tokens` and `steps`; a step has 128 completions in groups of the preset's size; more than
two updates per rollout become two. No number was tuned for the toy, so the table says that an objective works, and not which one is best.
The rules, programs, tables and intervals are the workflow's own. With --folder an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "workflow"), str(ROOT / "scripts")]

from checkout import Checkout, copy_checkout  # noqa: E402

from verizero.config.optimizers import Optimizer  # noqa: E402
from verizero.config.preset_table import with_part  # noqa: E402
from verizero.config.registry import load_registry  # noqa: E402
from verizero.tracking.scores import table_rows  # noqa: E402

FASTER = 150.0
"""Times the preset's learning rates."""
COMPLETIONS, MAX_TOKENS, MOST_UPDATES = 128, 128, 2
PAGE = ROOT / "docs" / "objectives.md"
BEGIN = "<!-- toy: python benchmarks/presets.py --write writes these lines -->"
END = "<!-- end of toy -->"
COLUMNS = {
    "answers right": ("sums-id", "sampled-toy", "avg@8"),
    "longer sums right": ("sums-ood", "sampled-toy", "avg@8"),
    "tokens of a wrong answer": ("sums-id", "sampled-toy", "length_incorrect"),
}
"""What the page shows: a heading, and where it stands in the study's tables."""


def at_toy_size(recipe: Optimizer, steps: int) -> dict[str, Any]:
    """What an optimizer's file says over the preset's."""
    size, long = recipe.rollout.samples, recipe.rollout.max_tokens
    changes: dict[str, Any] = {
        "learning_rate": recipe.learning_rate * FASTER,
        "rollout": {
            "prompts": COMPLETIONS // size,
            "samples": size,
            "max_tokens": MAX_TOKENS,
            "max_prompt_tokens": 64,
            "engine": "transformers",
            "dtype": "float32",
        },
        "updates_per_rollout": min(MOST_UPDATES, recipe.updates_per_rollout),
        "steps": steps,
        "checkpoints": [],
        "train_dtype": "float32",
        "zero_stage": 1,
        "gradient_checkpointing": False,
    }
    if recipe.weight.length and recipe.weight.length > 1:
        changes["weight"] = {"length": round(recipe.weight.length * MAX_TOKENS / long)}
    if recipe.reward.soft_overlong:
        changes["reward"] = {"soft_overlong": round(recipe.reward.soft_overlong * MAX_TOKENS / long)}
    if recipe.critic:
        changes["critic"] = {
            "learning_rate": recipe.critic.learning_rate * FASTER,
            "pretraining_steps": round(recipe.critic.pretraining_steps * steps / recipe.steps),
        }
        if recipe.critic.updates_per_rollout:  # as many times the policy's as the preset has
            changes["critic"]["updates_per_rollout"] = (
                recipe.critic.updates_per_rollout // recipe.updates_per_rollout * changes["updates_per_rollout"]
            )
    return changes


def prepared(folder: Path, presets: list[str], seeds: list[int], steps: int) -> Checkout:
    """A copy of the checkout with the study in it."""
    checkout = copy_checkout(folder)
    optimizers = load_registry(ROOT / "config").optimizers
    for name in presets:
        text = yaml.safe_dump({"base": name, **at_toy_size(optimizers[name], steps)}, sort_keys=False)
        (folder / "config" / "optimizers" / f"{name}-small.yaml").write_text(text, encoding="utf-8")
    study = {
        "question": "Which objectives learn the toy at the ratios of their papers' numbers?",
        "models": ["tiny"],
        "train_sets": ["sums"],
        "templates": ["plain"],
        "optimizers": [f"{name}-small" for name in presets],
        "seeds": seeds,
        "evaluation": {"suites": ["toy"]},
    }
    (folder / "config" / "studies" / "presets.yaml").write_text(
        yaml.safe_dump(study, sort_keys=False), encoding="utf-8"
    )
    return checkout


def run(checkout: Checkout) -> None:
    """The whole study, with Snakemake's own words on the way.

    Raises:
        SystemExit: a job failed.
    """
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--quiet", "rules", "host"]
    command += ["--config", "study=presets", "tracking={enabled: false}"]
    environment = {**os.environ, "VERIZERO_JOB_PYTHON": checkout.job_python}
    done = subprocess.run(command, cwd=checkout.root, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def result_table(folder: Path, presets: list[str]) -> str:
    """The base model first, then each preset: estimate, and the change from the base model with its interval."""
    tables = folder / "results" / "studies" / "presets" / "tables"
    main, changes = table_rows(tables / "main.csv"), table_rows(tables / "change.csv")
    lines = [["preset", *(f"{heading} | change" for heading in COLUMNS)], ["---"] * (1 + 2 * len(COLUMNS))]
    base = [_number(_of(main, "", where)["estimate"], where[2]) for where in COLUMNS.values()]
    lines.append(["base model", *(f"{estimate} | " for estimate in base)])
    for name in presets:
        cells = []
        for where in COLUMNS.values():
            after, moved = _of(main, f"{name}-small", where), _of(changes, f"{name}-small", where)
            change, low, high = (_number(moved[column], where[2], "+") for column in ("change", "ci_low", "ci_high"))
            cells.append(f"{_number(after['estimate'], where[2])} | {change} [{low}, {high}]")
        lines.append([f"`{name}`", *cells])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _of(rows: list[dict[str, str]], optimizer: str, where: tuple[str, str, str]) -> dict[str, str]:
    """The one row of an optimizer for a benchmark, protocol and metric."""
    [row] = [
        row
        for row in rows
        if (row["optimizer"], row["benchmark"], row["protocol"], row["metric"]) == (optimizer, *where)
    ]
    return row


def _number(text: str, metric: str, sign: str = "") -> str:
    """A length with one digit behind the point, a share with three; a minus sign that is one."""
    return f"{float(text):{sign}.{1 if 'length' in metric else 3}f}".replace("-", "−") if text else "–"


def main() -> None:
    """Run, print the table, and put it into the page where that is asked for."""
    presets = sorted(name for name, recipe in load_registry(ROOT / "config").optimizers.items() if recipe.source)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to run, and to go on; by default a temporary one")
    parser.add_argument("--only", nargs="+", choices=presets, metavar="PRESET", default=presets, help="by default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.write and arguments.only != presets:
        parser.error("--write is for all presets; leave --only out")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary) / "checkout").resolve()
        run(prepared(folder, arguments.only, arguments.seeds, arguments.steps))
        table = result_table(folder, arguments.only)
    print(table)
    if arguments.write:
        PAGE.write_text(with_part(PAGE, BEGIN, table, END), encoding="utf-8")


if __name__ == "__main__":
    main()
