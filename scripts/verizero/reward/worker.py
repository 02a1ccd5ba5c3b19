r"""The worker's side of grading: one grader's algebra, in a process that may be killed.

Run as `python -m verizero.reward.worker MODULE:FUNCTION MEMORY_BYTES CPU_SECONDS`: JSON questions come in a line each, JSON
verdicts go out. The kernel ends the process when one answer has used its processor time, even inside one long C
computation; the parent kills it at its own deadline and starts another.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

Judge = Callable[..., dict[str, Any]]
"""(golds, answer), and `tolerance=` where the question has one -> `correct`, `status`, `normalised` and `rule` of the verdict;
`extracted` where only algebra finds it."""


def answered(judge: Judge, line: str) -> dict[str, Any]:
    """The verdict on one line's question; whatever algebra trips over is a verdict too."""
    question = json.loads(line)
    try:
        known = {"tolerance": question["tolerance"]} if question.get("tolerance") else {}
        return judge(question["golds"], question["answer"], **known)
    except (MemoryError, RecursionError) as error:
        return {"correct": False, "status": "limit", "normalised": None, "rule": type(error).__name__}
    except Exception as error:
        return {"correct": False, "status": "error", "normalised": None, "rule": f"algebra: {type(error).__name__}"}


def at_most(seconds: float) -> None:
    """From here on, this answer has no more processor time than that. Outside a worker nothing is limited."""
    left, _ = signal.getitimer(signal.ITIMER_PROF)
    if left:
        signal.setitimer(signal.ITIMER_PROF, min(left, seconds))


def main() -> None:
    """Answer questions until standard input ends."""
    module, _, function = sys.argv[1].partition(":")
    memory, seconds = int(sys.argv[2]), float(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints must not look like a verdict
    import math_verify  # the slow import comes before the clock starts

    judge: Judge = getattr(importlib.import_module(module), function)
    math_verify.parse(r"\boxed{x+1}", parsing_timeout=None)  # the parser's tables are built at the first use
    judge(["x+1"], "1+x")
    print("ready", file=out)
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        verdict = answered(judge, line)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(verdict), file=out)


if __name__ == "__main__":
    main()
