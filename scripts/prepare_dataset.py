r"""Prepare one set of problems: fetch, filter, keep benchmark problems out, select.

    python scripts/prepare_dataset.py --name sums --spec "$(python scripts/spec.py prepare_dataset sums)" \
        --exclude results/datasets/sums-id/manifest.json --exclude results/datasets/sums-ood/manifest.json \
        --out results/datasets/sums/manifest.json

The payload is `problems.jsonl`, one problem a line: id, problem, answers (any of them is right), and a solution where the
registry asks for one. The manifest counts the problems at each step, and `sha256_problems` proves which problems these are.
Local sources lie under the folder that the environment variable VERIZERO_DATA names.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import open_artifact, read_manifest
from verizero.config.problem_sets import PromptTokens, Sums
from verizero.config.spec import DatasetSpec, read_spec
from verizero.problems.evidence import Evidence, read_history, read_pass_rates
from verizero.problems.prepare import prepare
from verizero.problems.problem import Problem, read_problems, write_problems

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


INPUTS = {
    "set": "sets whose problems this one takes",
    "tokenizer": "models whose tokenizers count the tokens of prompts",
    "grades": "graded suites, for pass rates",
    "history": "runs, for the accuracies of their problems",
}


def read_sets(manifests: list[Path]) -> dict[str, list[Problem]]:
    """Other sets by name."""
    found = {}
    for path in manifests:
        manifest, payload = open_artifact(path)
        found[manifest.id] = read_problems(payload / "problems.jsonl")
    return found


def token_counter(models: list[Path], spec: DatasetSpec) -> Callable[[Problem, PromptTokens], int]:
    """What counts the tokens of a problem's prompt, by the tokenizers of models."""
    folders = {manifest.id: folder for manifest, folder in map(open_artifact, models)}

    @functools.cache
    def tokenizer(model: str) -> PreTrainedTokenizerBase:
        from verizero.policy.load import load_tokenizer

        if model not in folders:
            raise UserError(f"--tokenizer: the manifest of the model {model} is missing; the spec counts tokens by it")
        return load_tokenizer(folders[model])

    def count(problem: Problem, how: PromptTokens) -> int:
        from verizero.policy.prompts import prompt_token_ids

        return len(prompt_token_ids(tokenizer(how.model), spec.templates[how.template], problem.problem))

    return count


def main() -> None:
    """Make one artifact of kind `dataset`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="JSON, or @FILE")
    parser.add_argument("--name", required=True, help="the set's name in the registry")
    parser.add_argument(
        "--exclude",
        type=Path,
        nargs="*",
        action="extend",
        default=[],
        metavar="MANIFEST",
        help="benchmarks to keep out",
    )
    for name, what in INPUTS.items():
        parser.add_argument(
            f"--{name}", type=Path, nargs="*", action="extend", default=[], metavar="MANIFEST", help=what
        )
    parser.add_argument("--out", type=Path, required=True, metavar="MANIFEST")
    arguments = parser.parse_args()
    spec, plain = read_spec(DatasetSpec, arguments.spec)

    excluded, sets = read_sets(arguments.exclude), read_sets(arguments.set)
    pass_rates, histories = map(read_pass_rates, arguments.grades), map(read_history, arguments.history)
    evidence = Evidence(sets, dict(pass_rates), dict(histories), token_counter(arguments.tokenizer, spec))
    try:
        prepared = prepare(spec.problems, excluded, evidence)
    except UserError as error:
        raise UserError(f"{arguments.name}: {error}") from None

    given = [*arguments.exclude, *arguments.set, *arguments.tokenizer, *arguments.grades, *arguments.history]
    inputs = {read_manifest(path).id: path for path in given}
    job = Job("dataset", arguments.name, plain, arguments.out, inputs=inputs)
    for repo in prepared.unpinned:
        job.warn(f"{arguments.name}: the revision of {repo} is not resolved; `python scripts/pin.py` resolves it")
    if left_out := prepared.counts.get("without_answer"):
        job.warn(f"{arguments.name}: {left_out} of {prepared.counts['source']} rows have no answer and are left out")
    write_problems(job.staging / "problems.jsonl", prepared.problems)
    seeds = [spec.problems.source.seed] if isinstance(spec.problems.source, Sums) else []
    job.publish(counts=prepared.counts, seeds=seeds, unpinned=prepared.unpinned)


if __name__ == "__main__":
    main_program(main)()
