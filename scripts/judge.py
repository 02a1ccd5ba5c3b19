"""Ask a judge model about responses: whether they answer, reflect, verify, backtrack.

    python scripts/judge.py --judge results/models/qwen/manifest.json --samples results/samples/tiny.plain/toy/MEMBER/manifest.json \
        --benchmark results/datasets/sums-id/manifest.json --ask answers reflection --out judged.jsonl.gz
    python scripts/judge.py --judge results/models/qwen/manifest.json --pairs responses.jsonl --out judged.jsonl

`--pairs` reads JSON lines with `question` and `response`. The judge is asked greedily, through its own chat template where it has one. Each row of
the result has `asked`, `verdict` (a digit, a count, or null where the reply has none) and `said`; rows of samples also have `problem`
and `sample`, rows of pairs what they came with. A response that does not fit into the judge's context loses its middle.
No table is made from the result: a judge is a second opinion on the rules of docs/probes.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.files import write_atomic
from verizero.artifacts.manifest import open_artifact
from verizero.artifacts.progress import Progress
from verizero.artifacts.rows import read_rows, write_rows
from verizero.config.optimizers import Template
from verizero.evidence.judging import QUESTIONS
from verizero.problems.problem import read_problems
from verizero.rollout.options import add_vllm_options, vllm_runtime
from verizero.rollout.threads import set_threads

MARK = "\n[...]\n"


def rows_of(options: argparse.Namespace) -> list[tuple[dict[str, Any], str, str]]:
    """What names each response, its question, and its text.

    Raises:
        UserError: neither samples nor pairs are given, or a row of pairs lacks something.
    """
    if options.pairs:
        pairs = list(read_rows(options.pairs))
        if lacking := next((row for row in pairs if not {"question", "response"} <= row.keys()), None):
            raise UserError(f"{options.pairs}: a row has no `question` or no `response`: {json.dumps(lacking)[:80]}")
        return [(row, str(row["question"]), str(row["response"])) for row in pairs]
    if not (options.samples and options.benchmark):
        raise UserError("takes --samples of a suite's member with its --benchmark, or --pairs; see --help")
    problems = read_problems(open_artifact(options.benchmark)[1] / "problems.jsonl")
    questions = {problem.id: problem.problem for problem in problems}
    rows = read_rows(open_artifact(options.samples)[1] / "samples.jsonl.gz")
    return [
        ({name: row[name] for name in ("problem", "sample")}, questions[row["problem"]], row["text"]) for row in rows
    ]


def main() -> None:
    """Ask each question about each response."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", type=Path, required=True, metavar="MANIFEST", help="the judge model")
    parser.add_argument("--samples", type=Path, metavar="MANIFEST", help="of one member of a suite")
    parser.add_argument("--benchmark", type=Path, metavar="MANIFEST", help="what the member samples")
    parser.add_argument("--pairs", type=Path, metavar="JSONL")
    parser.add_argument("--ask", nargs="+", choices=QUESTIONS, default=["answers", "reflection"], metavar="QUESTION",
                        help=f"of {', '.join(QUESTIONS)} (default answers reflection)")  # fmt: skip
    parser.add_argument("--limit", type=int, help="only so many responses, from the first on")
    parser.add_argument("--engine", choices=("transformers", "vllm"), default="transformers")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help=".jsonl, or .jsonl.gz")
    add_vllm_options(parser, memory_percent=90)
    options = parser.parse_args()
    rows = rows_of(options)[: options.limit]
    set_threads(options.threads)

    from verizero.policy.load import context_length, load_tokenizer
    from verizero.policy.prompts import prompt_token_ids
    from verizero.rollout.engine import Sampling
    from verizero.rollout.start import start_engine

    folder = open_artifact(options.judge)[1]
    tokenizer, limit = load_tokenizer(folder), context_length(folder, None)
    template = Template(text="{question}", chat=bool(tokenizer.chat_template))
    engine = start_engine(options.engine, folder, options.dtype, threads=options.threads, vllm=vllm_runtime(options))
    found: list[dict[str, Any]] = []
    with Progress("judge", len(rows) * len(options.ask), "reply") as progress:
        for name in options.ask:
            asked = QUESTIONS[name]

            def prompt(question: str, response: str, room: int = limit - asked.max_tokens, asked=asked) -> list[int]:
                ids = prompt_token_ids(tokenizer, template, asked.prompt(question, response))
                while len(ids) > room and len(response) > 2 * len(MARK):
                    half = max(len(MARK), int(0.45 * len(response) * room / len(ids)))
                    response = response[:half] + MARK + response[-half:]
                    ids = prompt_token_ids(tokenizer, template, asked.prompt(question, response))
                return ids

            engine.progress = lambda completions, tokens: progress.advance(completions)
            prompts = [prompt(question, response) for _, question, response in rows]
            replies = engine.generate(prompts, 1, Sampling(0.0, 1.0, asked.max_tokens), [0] * len(prompts))
            for (about, _, _), [reply] in zip(rows, replies, strict=True):
                found.append({**about, "asked": name, "verdict": asked.read(reply.text), "said": reply.text})
    engine.close()
    if options.out.suffix == ".gz":
        write_rows(options.out, found)
    else:
        write_atomic(options.out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))
    unread = sum(row["verdict"] is None for row in found)
    print(f"{len(found)} replies, {unread} without a verdict: {options.out}")


if __name__ == "__main__":
    main_program(main)()
