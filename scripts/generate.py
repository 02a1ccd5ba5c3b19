"""Sample the completions of one subject on one suite: one start of the engine for all its benchmarks.

    python scripts/generate.py --spec "$(python scripts/spec.py generate tiny.plain/toy)" --subject tiny.plain --suite toy \
        --policy results/models/tiny/manifest.json --benchmark results/datasets/sums-id/manifest.json \
        results/datasets/sums-ood/manifest.json --out results/samples/tiny.plain/toy/manifest.json
    python scripts/launch.py --processes 8 -- scripts/generate.py ...     # eight GPUs share the prompts

Each member of the suite (benchmark, template, protocol) is an artifact of its own below --out's folder. A member whose
spec, inputs and code have not changed is kept; the engine is not started when all are. Several processes have an engine each,
or with --vllm-tensor-parallel one for so many; which completions there are does not depend on it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.job import Job
from verizero.artifacts.manifest import open_artifact, read_manifest
from verizero.artifacts.members import unchanged
from verizero.artifacts.progress import Progress
from verizero.artifacts.rows import write_rows
from verizero.artifacts.seeds import derive_seed
from verizero.config.expansion import parse_subject
from verizero.config.spec import GenerateSpec, MemberSpec, read_spec
from verizero.problems.problem import Problem, read_problems
from verizero.rollout.options import add_vllm_options, vllm_runtime
from verizero.rollout.threads import set_threads

if TYPE_CHECKING:
    from torch.distributed import Store
    from transformers import PreTrainedTokenizerBase

    from verizero.rollout.engine import Engine
    from verizero.rollout.world import World


def policy_folder(manifest: Path, subject: str) -> Path:
    """The weights of a subject: a base model's payload, or the folder of a run's step.

    Raises:
        UserError: the run has no checkpoint at that step.
    """
    if read_manifest(manifest).kind == "model":
        return open_artifact(manifest)[1]
    step = f"step-{parse_subject(subject).step}"
    payload = open_artifact(manifest, lambda file: file.startswith(f"{step}/"))[1]
    folder = payload / step
    if not (folder / "config.json").is_file():
        kept = ", ".join(sorted(path.name.removeprefix("step-") for path in payload.glob("step-*")))
        raise UserError(f"{manifest}: the run keeps no weights of `{subject}`; it keeps those of step {kept}")
    return folder


def prompts_that_fit(
    tokenizer: PreTrainedTokenizerBase, limit: int, name: str, member: MemberSpec, problems: list[Problem]
) -> list[list[int]]:
    """The token ids of a member's prompts.

    Args:
        limit: prompt plus completion, in tokens.

    Raises:
        UserError: the model cannot read the longest of them with a completion behind it.
    """
    from verizero.policy.prompts import prompt_token_ids

    prompts = [prompt_token_ids(tokenizer, member.template, problem.problem) for problem in problems]
    longest = max(map(len, prompts))
    if longest + member.protocol.max_tokens > limit:
        raise UserError(
            f"member `{name}`: the longest prompt has {longest} tokens and its protocol's max_tokens is "
            f"{member.protocol.max_tokens}, together more than the model's max_model_len {limit}; lower max_tokens"
        )
    return prompts


class Together:
    """What all processes have finished, shown by the first."""

    def __init__(self, world: World, store: Store | None, progress: Progress) -> None:
        from verizero.rollout.world import SharedCount

        self.world, self.progress = world, progress
        self.completions, self.tokens, self.parts = (
            SharedCount(name, store) for name in ("completions", "tokens", "parts")
        )
        self.begin, self.members = time.monotonic(), 0

    def report(self, completions: int, tokens: int) -> None:
        """Say that this process has finished some."""
        done, sampled = self.completions.add(completions), self.tokens.add(tokens)
        if self.world.first and (tokens or done > self.progress.done):
            speed = sampled / (time.monotonic() - self.begin)
            self.progress.advance(done - self.progress.done, tokens_per_second=speed)

    def member_done(self) -> None:
        """Say that this process has finished its part of a member; the first waits for the others."""
        self.members += 1
        self.parts.add(1)
        if self.world.first:
            self.parts.wait(self.members * self.world.size, 0.5, lambda _: self.report(0, 0))


def sample_member(
    engine: Engine,
    tokenizer: PreTrainedTokenizerBase,
    member: MemberSpec,
    problems: list[Problem],
    prompts: list[list[int]],
    world: World,
    together: Together,
) -> list[dict[str, object]]:
    """One row for each completion, by problem and sample; on the first rank."""
    from verizero.policy.prompts import prompt_sha256
    from verizero.policy.text_places import text_places
    from verizero.rollout.engine import Sampling

    protocol = member.protocol
    sampling = Sampling(protocol.temperature, protocol.top_p, protocol.max_tokens, tuple(member.template.stop))
    mine = world.turns(len(problems))
    # by problem, not by place: another problem in the benchmark changes no other's completions
    seeds = [derive_seed(protocol.seed, "generate", problems[place].id) for place in mine]
    engine.progress = together.report
    completions = engine.generate([prompts[place] for place in mine], member.samples, sampling, seeds)
    together.member_done()
    found: list[tuple[int, list[dict[str, object]]]] = []
    for place, group in zip(mine, completions, strict=True):
        if len(group) != member.samples:
            raise RuntimeError(f"asked for {member.samples} completions of {problems[place].id}, got {len(group)}")
        digest = prompt_sha256(prompts[place])
        rows: list[dict[str, object]] = [
            {
                "problem": problems[place].id,
                "sample": k,
                "text": completion.text,
                "tokens": len(completion.token_ids),
                "finish": completion.finish,
                "prompt_sha256": digest,
                "mean_logprob": round(sum(completion.logprobs) / len(completion.logprobs), 5)
                if completion.logprobs
                else None,
                **(
                    {"places": places}
                    if (places := text_places(tokenizer, completion.token_ids, completion.text))
                    else {}
                ),
            }
            for k, completion in enumerate(group)
        ]
        found.append((place, rows))
    return [row for _, rows in sorted(world.to_first(found), key=lambda one: one[0]) for row in rows]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--spec", required=True, help="JSON, or @FILE; `python scripts/spec.py generate SUBJECT/SUITE` prints it"
    )
    parser.add_argument("--subject", required=True, help="<model>, <model>.<template>, <run>@<step> or <run>@best")
    parser.add_argument("--suite", required=True)
    parser.add_argument("--policy", type=Path, required=True, help="manifest of the model or of the run")
    parser.add_argument("--benchmark", type=Path, nargs="+", required=True, help="manifests of the benchmarks")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process (default %(default)s)")
    add_vllm_options(parser, memory_percent=90)
    return parser.parse_args()


def main() -> None:
    """Keep what is unchanged, sample the rest, write the suite."""
    options = arguments()
    spec, plain = read_spec(GenerateSpec, options.spec)
    benchmarks = {read_manifest(path).id: path for path in options.benchmark}
    if absent := sorted({member.benchmark for member in spec.members.values()} - benchmarks.keys()):
        raise UserError(f"--benchmark lacks the manifest of `{absent[0]}`, which the spec names")
    outs = {name: options.out.parent / name / "manifest.json" for name in spec.members}
    member_inputs = {
        name: {"policy": options.policy, "benchmark": benchmarks[member.benchmark]}
        for name, member in spec.members.items()
    }
    set_threads(options.threads)
    from verizero.rollout.world import join_world, leave_world

    world, store = join_world(options.threads)
    job, changed = None, list[str]()
    if world.first:
        inputs = {"policy": options.policy, **benchmarks}
        job = Job("suite-samples", f"{options.subject}/{options.suite}", plain, options.out, inputs)
        changed = [
            name
            for name in sorted(spec.members)
            if not unchanged(outs[name], plain["members"][name], member_inputs[name], job.code)
        ]
        kept = ", ".join(sorted(set(spec.members) - set(changed))) or "none"
        print(f"members kept: {kept}; to generate: {', '.join(changed) or 'none'}", file=sys.stderr)
    changed = world.from_first(changed)

    if changed:
        from verizero.policy.load import context_length, load_tokenizer
        from verizero.rollout.start import start_engine

        folder = policy_folder(options.policy, options.subject)
        tokenizer = load_tokenizer(folder)
        first = spec.members[changed[0]]
        problems = {
            name: read_problems(open_artifact(benchmarks[spec.members[name].benchmark])[1] / "problems.jsonl")
            for name in changed
        }
        prompts = {
            name: prompts_that_fit(tokenizer, context_length(folder, None), name, spec.members[name], problems[name])
            for name in changed
        }
        # On a CPU how many are sampled at a time follows from the model alone, so that a completion is the same whatever the suite has.
        longest = max(max(map(len, prompts[name])) + spec.members[name].protocol.max_tokens for name in changed)
        engine = start_engine(
            first.engine,
            folder,
            first.dtype,
            threads=options.threads,
            vllm=vllm_runtime(options),
            usual_length=longest if world.device.type == "cuda" else None,
        )
        total = sum(len(problems[name]) * spec.members[name].samples for name in changed)
        with Progress(f"generate {options.subject}", total, "completion") as progress:
            together = Together(world, store, progress)
            for name in changed:
                part = None
                if world.first:
                    part = Job(
                        "samples",
                        f"{options.subject}/{options.suite}/{name}",
                        plain["members"][name],
                        outs[name],
                        member_inputs[name],
                    )
                rows = sample_member(
                    engine, tokenizer, spec.members[name], problems[name], prompts[name], world, together
                )
                if part:
                    write_rows(part.staging / "samples.jsonl.gz", rows)
                    part.publish(
                        counts={
                            "problems": len(problems[name]),
                            "samples": len(rows),
                            "truncated": sum(row["finish"] == "length" for row in rows),
                            "tokens": sum(int(str(row["tokens"])) for row in rows),
                        },
                        seeds=[spec.members[name].protocol.seed],
                    )
        engine.close()
    if job:
        job.publish(counts={"members": len(outs)}, parts=outs)
    leave_world()


if __name__ == "__main__":
    main_program(main)()
