"""Grading many responses: quick rules here, algebra in worker processes of our own, which may hang, grow or die.

A worker is a clean interpreter, started when first needed: it inherits no threads, no locks and no GPU from a trainer. Each
has a memory limit and, for each answer, a limit of processor time (kept by the kernel) and a deadline (kept here, SIGKILL).
A worker that ends takes the one answer with it that it had; another takes its place.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from verizero.reward import worker as worker_program
from verizero.reward.graders import Grader, grader
from verizero.reward.verdict import Accepted, Question, Verdict
from verizero.reward.worker import Judge

CPU_SECONDS = 3.0
"""Processor time for one answer, where the grader does not set its own; honest answers take less than a tenth of it."""
WALL_SECONDS = 30.0
"""Deadline for one answer, for a machine that is busy with other things."""
START_SECONDS = 180.0
MEMORY_BYTES = 2 << 30


def grade_one(rule: Grader, accepted: Accepted | Sequence[str], response: str) -> Verdict:
    """One verdict. Starts a worker for it when algebra is needed; for many responses use a `GradingPool`."""
    with GradingPool(rule.name, 1) as pool:
        return pool.grade_all([(accepted, response)])[0]


class GradingPool:
    """Workers behind one grader. Use as a context manager; nothing is started before an answer needs algebra.

    Args:
        grader_name: a name of `graders.GRADERS`.
        workers: how many processes at most.
        cpu_seconds: processor time for one answer; the grader's own by default.
    """

    def __init__(
        self,
        grader_name: str,
        workers: int = 1,
        cpu_seconds: float | None = None,
        wall_seconds: float = WALL_SECONDS,
    ) -> None:
        self.grader: Grader = grader(grader_name)
        self.cpu_seconds = cpu_seconds or self.grader.cpu_seconds or CPU_SECONDS
        self.wall_seconds = wall_seconds
        self._size = max(workers, 1)
        self._workers: list[Worker] = []

    def grade_all(self, pairs: Sequence[tuple[Accepted | Sequence[str], str]]) -> list[Verdict]:
        """The verdicts on (golds, response) pairs, in their order; equal questions are asked once.

        Args:
            pairs: the golds as texts, or with what a problem says about them.
        """
        verdicts: list[Verdict | None] = []
        places: dict[Question, list[int]] = {}
        taken = []
        for place, (golds, response) in enumerate(pairs):
            begin = time.perf_counter()
            accepted = golds if isinstance(golds, Accepted) else Accepted(tuple(golds))
            decided = self.grader.decide(accepted, response)
            taken.append(time.perf_counter() - begin)
            verdicts.append(replace(decided, seconds=taken[-1]) if isinstance(decided, Verdict) else None)
            if isinstance(decided, Question):
                places.setdefault(decided, []).append(place)
        for question, verdict in self._answer(list(places)).items():
            for place in places[question]:
                verdicts[place] = replace(verdict, seconds=verdict.seconds + taken[place])
        return [verdict for verdict in verdicts if verdict is not None]

    def _answer(self, questions: list[Question]) -> dict[Question, Verdict]:
        waiting = deque(questions)
        answered: dict[Question, Verdict] = {}
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            worker.kill()
            self._workers.remove(worker)
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                selector.register(worker.out, selectors.EVENT_READ, worker)
            while len(answered) < len(questions):
                busy = sum(worker.question is not None for worker in self._workers)
                while len(self._workers) < min(self._size, busy + len(waiting)):
                    self._start(selector)
                for worker in self._workers:
                    if worker.ready and worker.question is None and waiting:
                        worker.ask(waiting.popleft(), self.wall_seconds)
                for key, _ in selector.select(
                    timeout=max(min(worker.deadline for worker in self._workers) - time.monotonic(), 0.0)
                ):
                    worker = key.data
                    question = worker.question
                    alive, verdict = worker.read()
                    if question is not None and verdict is not None:
                        answered[question] = verdict
                    if not alive:
                        self._drop(worker, selector, answered, None)
                for worker in [worker for worker in self._workers if time.monotonic() >= worker.deadline]:
                    self._drop(worker, selector, answered, "timeout")
        return answered

    def _start(self, selector: selectors.BaseSelector) -> None:
        worker = Worker(self.grader.judge, self.cpu_seconds)
        self._workers.append(worker)
        selector.register(worker.out, selectors.EVENT_READ, worker)

    def _drop(
        self, worker: Worker, selector: selectors.BaseSelector, answered: dict[Question, Verdict], reason: str | None
    ) -> None:
        selector.unregister(worker.out)
        self._workers.remove(worker)
        code = worker.kill()
        if not worker.ready:
            raise RuntimeError(f"a grading worker did not start (exit code {code}):\n{worker.errors()}")
        if worker.question is not None:
            timeout = reason == "timeout" or code == -signal.SIGPROF
            rule = ("deadline" if reason else "processor-time") if timeout else f"worker died ({code})"
            answered[worker.question] = Verdict(
                False,
                "timeout" if timeout else "error",
                worker.question.extracted,
                worker.question.answer,
                rule,
                time.monotonic() - worker.asked_at,
            )

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def __enter__(self) -> GradingPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Worker:
    """One process and the question that it has."""

    def __init__(self, judge: Judge, cpu_seconds: float) -> None:
        root = Path(__file__).resolve().parents[2]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH")))),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONHASHSEED": "0",
        }
        function = f"{judge.__module__}:{judge.__qualname__}"
        command = [sys.executable, "-m", worker_program.__name__, function, str(MEMORY_BYTES), str(cpu_seconds)]
        self.process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.out = self.process.stdout
        os.set_blocking(self.out.fileno(), False)
        os.set_blocking(self.process.stderr.fileno(), False)
        self.ready = False
        self.question: Question | None = None
        self.asked_at = 0.0
        self.deadline = time.monotonic() + START_SECONDS
        self._received = b""

    def ask(self, question: Question, wall_seconds: float) -> None:
        """Hand over one question; the answer's clock starts."""
        self.question, self.asked_at = question, time.monotonic()
        self.deadline = self.asked_at + wall_seconds
        asked = {"golds": question.golds, "answer": question.answer, "tolerance": question.tolerance}
        try:
            self.process.stdin.write((json.dumps(asked) + "\n").encode())  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:  # it died while idle; reading finds out
            pass

    def read(self) -> tuple[bool, Verdict | None]:
        """What came: whether the process still speaks, and the verdict if a whole one came."""
        chunk = self.out.read(1 << 16)
        if chunk == b"":
            return False, None
        self._received += chunk or b""
        line, found, rest = self._received.partition(b"\n")
        if not found:
            return True, None
        self._received = rest
        self.errors()  # an unread pipe would fill and block the worker
        self.deadline = float("inf")
        if not self.ready:
            self.ready = True
            return True, None
        question, self.question = self.question, None
        verdict = json.loads(line)
        assert question is not None
        extracted = verdict.get("extracted", question.extracted)
        said = (verdict["correct"], verdict["status"], extracted, verdict["normalised"], verdict["rule"])
        return True, Verdict(*said, seconds=time.monotonic() - self.asked_at)

    def kill(self) -> int:
        """End the process, whatever it does; its exit code."""
        self.process.kill()
        code = self.process.wait()
        self.process.stdin.close()  # type: ignore[union-attr]
        return code

    def errors(self) -> str:
        """What the process has said on standard error since the last time."""
        stream = self.process.stderr
        return (stream.read() or b"").decode(errors="replace") if stream and not stream.closed else ""
