"""Train a language model on problems with worked solutions (the loss is on the solutions).

    python scripts/pretrain.py --spec "$(python scripts/spec.py pretrain tiny)" --name tiny \
        --model results/models/tiny-init/manifest.json --dataset results/datasets/sums-corpus/manifest.json \
        --out results/models/tiny/manifest.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import open_artifact
from verizero.artifacts.progress import Progress
from verizero.config.optimizers import Template
from verizero.config.spec import PretrainSpec, read_spec
from verizero.policy.load import context_length, load_policy
from verizero.policy.prompts import prompt_token_ids
from verizero.policy.save import save_policy
from verizero.problems.problem import Problem, read_problems
from verizero.training.pretraining import Document, pretrain


def documents_of(problems: list[Problem], tokenizer: PreTrainedTokenizerFast, template: Template) -> list[Document]:
    """Problems as token ids.

    Raises:
        UserError: a problem has no solution.
    """
    documents = []
    for problem in problems:
        if problem.solution is None:
            raise UserError(
                f"the problem {problem.id} has no solution; pretraining needs a data set whose `fields.solution` is set"
            )
        solution = tokenizer(problem.solution, add_special_tokens=False)["input_ids"]
        documents.append(
            Document(prompt_token_ids(tokenizer, template, problem.problem), [*solution, tokenizer.eos_token_id])
        )
    return documents


def main() -> None:
    """Read, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--spec", required=True, help="JSON, or @FILE; `python scripts/spec.py pretrain NAME` prints it"
    )
    parser.add_argument("--name", required=True)
    parser.add_argument("--model", type=Path, required=True, help="manifest of the model to start from")
    parser.add_argument("--dataset", type=Path, required=True, help="manifest of the problems with solutions")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    spec, plain = read_spec(PretrainSpec, arguments.spec)
    base_payload = open_artifact(arguments.model)[1]
    dataset_payload = open_artifact(arguments.dataset)[1]
    torch.set_num_threads(arguments.threads)
    model, tokenizer = load_policy(base_payload, "float32")
    if torch.cuda.is_available():
        model = model.to("cuda")  # type: ignore[arg-type]
    documents = documents_of(read_problems(dataset_payload / "problems.jsonl"), tokenizer, spec.template)
    longest = max(len(document.prompt) + len(document.solution) for document in documents)
    if longest > model.config.max_position_embeddings:
        raise UserError(
            f"{arguments.dataset}: the longest document has {longest} tokens, the model reads {model.config.max_position_embeddings}"
        )

    job = Job("model", arguments.name, plain, arguments.out, {"model": arguments.model, "dataset": arguments.dataset})
    curve: list[dict[str, float]] = []
    with Progress("pretrain", spec.source.steps, "step") as progress:

        def after_step(step: int, loss: float) -> None:
            curve.append({"step": step, "loss": loss})
            progress.advance(loss=loss)

        pretrain(model, documents, spec.source, tokenizer.pad_token_id, after_step)
    tokenizer.model_max_length = context_length(base_payload, spec.max_model_len)
    save_policy(model, tokenizer, job.staging, spec.dtype)
    (job.staging / "curves.jsonl").write_text("".join(json.dumps(point) + "\n" for point in curve), encoding="utf-8")
    parameters = sum(parameter.numel() for parameter in model.parameters())
    job.publish(
        counts={"parameters": parameters, "documents": len(documents), "steps": spec.source.steps},
        seeds=[spec.source.seed],
    )


if __name__ == "__main__":
    main_program(main)()
