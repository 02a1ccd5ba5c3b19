"""Bring absent payloads back before the first job of a call: pull them, or let their own jobs make them again.

These jobs run in a Snakemake of their own, with the caller's profile and resources, so that they get what their rules ask for.
They are not part of the caller's plan: there, every job behind one that runs would run too, although its manifest stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from verizero.artifacts.errors import UserError
from verizero.artifacts.expected import all_expected, expect, forget, put_back
from verizero.config.plan import Plan
from verizero.tracking.absence import Absence, absence
from verizero.tracking.remote import bring

INSIDE = "VERIZERO_BRINGS_BACK"
"""Set for the Snakemake that only brings payloads back: it looks for no others."""
FLAGS = ("-n", "--dry-run", "--dryrun", "-F", "--forceall", "-f", "--force", "--nolock", "--")
LISTS = ("-R", "--forcerun", "-U", "--until", "-O", "--omit-from", "--rerun-triggers", "--allowed-rules")


def look_for_absent(plan: Plan, results: Path) -> Absence:
    """What this call has to bring back; nothing in a call that is part of another."""
    if os.environ.get(INSIDE):
        return Absence()
    if not any((plan.root / ".snakemake" / "locks").glob("*")):  # else another call is at work
        _after_a_kill(plan, results)
    return absence(plan, results)


def bring_back(absent: Absence, plan: Plan, results: Path, arguments: Sequence[str], targets: Sequence[str]) -> None:
    """Before the first job: pull what can be pulled, then let the jobs of the rest run.

    Args:
        arguments: of the caller's `snakemake`.
        targets: those of them that are targets.

    Raises:
        UserError: weights are needed that may not be trained again, DVC did not bring all that it said it could, or a job
            failed or came to another result.
    """
    if absent.refusal:
        raise UserError(absent.refusal)
    if absent.pulled:
        bring(sorted(absent.pulled), {file: absent.files(file) for file in absent.pulled})
    if not absent.again:
        return
    for output, wanted in absent.again.items():
        for manifest in dict.fromkeys([*(need.manifest for need in wanted), output]):
            if manifest.is_file():
                expect(results, manifest)
    try:
        for outputs in absent.levels():
            command = [sys.executable, "-m", "snakemake", *_same_call(arguments, targets), "--nolock", "--force", "--"]
            done = subprocess.run([*command, *map(str, outputs)], env=_inside(), stdin=subprocess.DEVNULL, check=False)
            if done.returncode:
                more = f" and {len(outputs) - 1} more" if len(outputs) > 1 else ""
                raise UserError(
                    f"the payload of {outputs[0].parent}{more} was not made again (its job's own words are above); "
                    "nothing else was begun"
                )
    finally:
        _undo(plan, results)


def _same_call(arguments: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The caller's profile, resources and config, without its targets and what it forces."""
    kept: list[str] = []
    skipping = False
    for word in arguments:
        if word.startswith("-"):
            skipping = word.split("=")[0] in LISTS
        if not skipping and word not in FLAGS and word not in targets:
            kept.append(word)
    return kept


def _after_a_kill(plan: Plan, results: Path) -> None:
    if left := all_expected(results):
        print(
            f"{left[0].out.parent}: a call ended while its payload was being made again; its manifest is put back",
            file=sys.stderr,
        )
        _undo(plan, results)


def _undo(plan: Plan, results: Path) -> None:
    """Keep nothing aside any more. A manifest that a job took away and did not give back is put back, and Snakemake
    remembers its artifact as done: to it, the job has failed.
    """
    gone = [one.out for one in all_expected(results) if not one.out.is_file()]
    put_back(results)
    forget(results)
    if gone:
        restore = [sys.executable, str(plan.root / "scripts" / "restore.py"), "--study", plan.name, "--quiet"]
        subprocess.run(restore, cwd=plan.root, env=_inside(), capture_output=True, check=False)


def _inside() -> dict[str, str]:
    return {**os.environ, INSIDE: "1"}
