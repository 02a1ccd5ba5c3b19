r"""How many responses the `verizero` grader grades in a second, beside math-verify on the same responses.

    VERIZERO_DATA=/data .venv/jobs/bin/python benchmarks/grading.py
    VERIZERO_DATA=/data .venv/jobs/bin/python benchmarks/grading.py --memory 200000 --costs

VERIZERO_DATA names the folder with `benchmarks/math500.jsonl`. The responses are made of its solutions: about 1,000 tokens of
reasoning and a `\boxed{}` answer, half of them right (as the gold is written, or another way), half wrong, 3 % without a whole box.
Timed after a warm-up on other responses, in batches of 2048: the pool; the pool with hostile answers spread in; math-verify as its
README has it, on a sample, in as many processes. Beside the rate stands the processor time of all processes for one response: the
rate of a busy machine says little. `--memory N` then grades N responses made on the fly, and prints what is resident.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import re
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from responses import HOSTILE, Response, Writer

from verizero.reward.grading import BATCH
from verizero.reward.pool import GradingPool
from verizero.reward.verdict import Accepted, Question, Verdict

TARGET, HOSTILE_TARGET = 1500, 0.9
"""Responses a second on two cores, and the share of it that 1 % of hostile answers must leave."""

# What is timed ----------------------------------------------------------------------------------------------------------------


def batches(responses: list[Response]) -> Iterator[list[Response]]:
    """In the sizes in which the pool gets them."""
    return (responses[begin : begin + BATCH] for begin in range(0, len(responses), BATCH))


@dataclass(frozen=True)
class Cost:
    """What some responses took: seconds, and processor seconds of this process and those below it."""

    responses: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        """Responses a second."""
        return self.responses / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:11.0f} {1e3 * self.processor / self.responses:11.2f} ms"


def processor_seconds() -> float:
    """Processor time of this process so far, of those below it that have ended, and of those that have not."""
    ended = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ticks = sum(int(tick) for fields in children().values() for tick in fields[11:13])
    return ended + ticks / os.sysconf("SC_CLK_TCK")


def children() -> dict[int, list[str]]:
    """The processes that this one has started: what /proc/PID/stat says of each, from its state on."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == os.getpid():
            found[int(path.parent.name)] = fields
    return found


def graded(pool: GradingPool, responses: list[Response], label: str) -> tuple[list[Verdict], Cost]:
    """The verdicts and what they took."""
    verdicts: list[Verdict] = []
    seconds, processor = 0.0, processor_seconds()
    with tqdm(total=len(responses), desc=label, unit="response", disable=None) as bar:
        for batch in batches(responses):
            pairs = [(Accepted((response.gold,)), response.text) for response in batch]
            begin = time.perf_counter()
            verdicts += pool.grade_all(pairs)
            seconds += time.perf_counter() - begin
            bar.update(len(batch))
    return verdicts, Cost(len(responses), seconds, processor_seconds() - processor)


def prepare_peer() -> None:
    """Import math-verify and build its parser before any clock starts; its warnings about what it cannot read are many."""
    logging.disable(logging.CRITICAL)
    peer((r"\frac{1}{2}", r"It is $\boxed{\frac{2}{4}}$."))


def peer(pair: tuple[str, str]) -> bool:
    """math-verify's verdict, as its README asks for it; the gold goes first."""
    from math_verify import parse, verify

    gold, response = pair
    return bool(verify(parse(f"\\boxed{{{gold}}}"), parse(response)))


def peer_graded(pairs: list[tuple[str, str]], workers: int, label: str) -> tuple[list[bool], Cost]:
    """math-verify's verdicts and what they took, in processes that are warm."""
    with ProcessPoolExecutor(workers, get_context("spawn"), prepare_peer) as executor:
        list(executor.map(peer, pairs[: 32 * workers]))
        begin, processor = time.perf_counter(), processor_seconds()
        answers = executor.map(peer, pairs, chunksize=8)
        found = list(tqdm(answers, desc=label, total=len(pairs), unit="response", disable=None))
        return found, Cost(len(pairs), time.perf_counter() - begin, processor_seconds() - processor)


def resident(process: int | str) -> float:
    """MB of memory that a process holds."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(r"VmRSS:\s*(\d+) kB", status)[0]) / 1024


def print_memory(writer: Writer, count: int, workers: int) -> None:
    """Grade responses made batch by batch, and print the resident memory of all processes along the way."""
    marks = {math.ceil(count * share): share for share in (0.1, 0.25, 0.5, 1.0)}
    print("\nmemory, MB            parent workers")
    first: list[float] = []
    before = set(children())  # of math-verify's processes, one that tracks their resources stays
    with (
        GradingPool("verizero", workers) as pool,
        tqdm(total=count, desc="memory", unit="response", disable=None) as bar,
    ):
        done = 0
        while done < count:
            batch = writer.responses(min(BATCH, count - done))
            pool.grade_all([(Accepted((response.gold,)), response.text) for response in batch])
            passed = [share for mark, share in marks.items() if done < mark <= done + len(batch)]
            done += len(batch)
            bar.update(len(batch))
            for share in passed:
                now = [resident("self"), *map(resident, sorted(set(children()) - before))]
                first = first or now
                print(f"after {share:4.0%} {done:9d} " + "".join(f"{each:8.0f}" for each in now), flush=True)
    print("growth from 10 %    " + "".join(f"{last - begin:+8.0f}" for begin, last in zip(first, now, strict=False)))


# The tables -------------------------------------------------------------------------------------------------------------------


def print_costs(
    responses: list[Response], verdicts: list[Verdict], by: str, label: Callable[[Response, Verdict], str]
) -> None:
    """What took the time: the sum of the verdicts' seconds by some label, largest first, with each label's slowest answer."""
    taken: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for response, verdict in zip(responses, verdicts, strict=True):
        taken[label(response, verdict)].append((verdict.seconds, f"{response.gold} | {response.answer}"))
    print(f"\n{by:34s} responses  seconds       mean    slowest")
    for name, each in sorted(taken.items(), key=lambda item: -sum(seconds for seconds, _ in item[1]))[:30]:
        total, (most, answer) = sum(seconds for seconds, _ in each), max(each)
        print(
            f"{name:34s} {len(each):9d} {total:8.2f} {1e3 * total / len(each):7.2f} ms {most:7.2f} s  {answer[:90]!r}"
        )


def print_makeup(responses: list[Response], pool: GradingPool) -> None:
    """What the responses are, and how many of them are left for algebra."""
    pairs = {(response.gold, response.answer) for response in responses}
    left, asked, different = 0, 0, set()
    for batch in batches(responses):
        found = [pool.grader.decide(Accepted((response.gold,)), response.text) for response in batch]
        questions = [each for each in found if isinstance(each, Question)]
        left, asked = left + len(questions), asked + len(set(questions))
        different |= set(questions)
    kinds = Counter(response.kind for response in responses)
    length = sum(len(response.text) for response in responses) / len(responses)
    total = len(responses)
    print(
        f"{total} responses of {length:.0f} characters: " + ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    )
    print(f"{len(pairs)} different (gold, answer) pairs ({len(pairs) / total:.0%} of the responses)")
    print(
        f"{left} need algebra ({left / total:.1%}): {asked} questions asked ({len(different)} different over all batches)"
    )


def agreement(found: Iterable[bool], responses: list[Response]) -> str:
    """How often the verdicts are what the writer meant; a changed answer may still be right by chance."""
    same = [correct == (each.kind == "right") for correct, each in zip(found, responses, strict=True) if each.answer]
    return f"{sum(same) / len(same):.1%} as meant"


def main() -> None:
    """Print a table, and what is asked for beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, default=20_000, help="how many are graded (default %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes of the pool, and of math-verify (default %(default)s)"
    )
    parser.add_argument("--hostile", type=float, default=0.01, help="share of hostile answers (default %(default)s)")
    parser.add_argument("--peer", type=int, default=2000, help="size of math-verify's sample (default %(default)s)")
    parser.add_argument(
        "--memory", type=int, default=0, metavar="N", help="responses graded for the memory table (default: none)"
    )
    parser.add_argument(
        "--costs", action="store_true", help="print what the time goes into, by rule and by hostile answer"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = Path(os.environ.get("VERIZERO_DATA", "data")) / "benchmarks" / "math500.jsonl"
    if not data.is_file():
        sys.exit(f"{data} does not exist; set VERIZERO_DATA to the folder with benchmarks/math500.jsonl")
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    seed, workers = arguments.seed, arguments.workers
    honest = Writer(rows, seed).responses(arguments.responses)
    spoiled = Writer(rows, seed, arguments.hostile).responses(arguments.responses)
    warm_up = Writer(rows, seed + 1).responses(BATCH)

    runs: list[tuple[list[Verdict], Cost]] = []
    for responses, label in ((honest, "honest"), (spoiled, "hostile")):
        with GradingPool("verizero", workers) as pool:
            graded(pool, warm_up, "warm-up")
            if responses is honest:
                print_makeup(honest, pool)
            runs.append(graded(pool, responses, label))
    (verdicts, ours), (spoiled_verdicts, spoiled_ours) = runs
    sample = Random(seed).sample(range(len(honest)), min(arguments.peer, len(honest)))
    sampled = [honest[place] for place in sample]
    theirs, whole = peer_graded([(each.gold, each.text) for each in sampled], workers, "math-verify")
    boxes = [(each.gold, f"\\boxed{{{each.answer}}}" if each.answer else "") for each in sampled]
    boxed, box = peer_graded(boxes, workers, "math-verify, last box")

    correct = [verdict.correct for verdict in verdicts]
    same = sum(ours == other for ours, other in zip((correct[place] for place in sample), theirs, strict=True))
    states = Counter(verdict.status for verdict in spoiled_verdicts)
    print(f"\n{workers} processes, load {os.getloadavg()[0]:.1f}         responses/s     processor")
    print(f"verizero                       {ours}   {agreement(correct, honest)}; target {TARGET} on two cores")
    print(
        f"verizero, {arguments.hostile:5.1%} hostile        {spoiled_ours}   {spoiled_ours.rate / ours.rate:.2f} of the above; "
        f"target {HOSTILE_TARGET}; {', '.join(f'{states[each]} {each}' for each in ('limit', 'timeout', 'error'))}"
    )
    print(
        f"math-verify, README, {len(sampled):6d}    {whole}   {agreement(theirs, sampled)}; verizero is "
        f"{ours.rate / whole.rate:.1f} times as fast and says the same of {same / len(sampled):.1%}"
    )
    print(
        f"math-verify on the last box    {box}   {agreement(boxed, sampled)}; verizero is {ours.rate / box.rate:.1f} times as fast"
    )
    if arguments.costs:
        print_costs(honest, verdicts, "rule", lambda response, verdict: f"{verdict.rule} ({verdict.status})")
        attacks = [place for place, each in enumerate(spoiled) if each.kind in HOSTILE]
        print_costs(
            [spoiled[place] for place in attacks],
            [spoiled_verdicts[place] for place in attacks],
            "hostile answer",
            lambda response, verdict: f"{response.kind} ({verdict.status})",
        )
    if arguments.memory:
        print_memory(Writer(rows, seed + 2), arguments.memory, workers)


if __name__ == "__main__":
    main()
