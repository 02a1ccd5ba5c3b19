"""A few completions of each benchmark for the report: right ones and wrong ones, with their verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from verizero.artifacts.canonical import sha256_text
from verizero.artifacts.manifest import payload_folder, read_manifest
from verizero.artifacts.rows import read_rows
from verizero.config.expansion import time_of
from verizero.evidence.reading import Group, samples_of
from verizero.reward.cut import cut_row

PROBLEMS = 6
"""Problems shown of each member; the same for every subject, so that their completions can be compared."""
OF_EACH_VERDICT = 2
"""Right and wrong completions shown besides, where there are so many."""
LONGEST = 1600
"""Characters shown of a completion; its end is kept, where the answer is."""
BUDGET = 1_500_000
"""Characters of all completions together."""


def browse(groups: Sequence[Group], results: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Samples to show, and one sentence for each member whose samples are not there.

    Problems are chosen by the hash of their id, not by how they were answered. A group is shown by its lowest seed.
    """
    shown: list[dict[str, Any]] = []
    absent: list[str] = []
    golds: dict[str, dict[str, dict[str, Any]]] = {}
    spent = 0
    for group in _last(groups):
        if not group.paths:
            continue
        seed, grades = min(group.paths.items(), key=lambda pair: pair[0] or 0)
        samples = samples_of(grades)
        if samples is None:
            absent.append(
                f"{grades.parent.relative_to(results / 'grades')}: its samples are not on this machine or are not those that were graded"
            )
            continue
        benchmark = group.key.benchmark
        golds.setdefault(benchmark, _problems(results, benchmark))
        for entry in _entries(grades, samples):
            spent += len(entry["text"])
            if spent > BUDGET:
                absent.append("the report is full; further samples lie under results/samples")
                return shown, absent
            gold = golds[benchmark].get(entry["problem"], {})
            label = f"{group.key.optimizer or 'base'} @ {group.key.checkpoint}" + (
                "" if seed is None else f", seed {seed}"
            )
            about = {"subject": label, "optimizer": group.key.optimizer or "base", "member": group.member}
            shown.append(
                {
                    **about,
                    "question": str(gold.get("problem", "")),
                    "gold": " | ".join(map(str, gold.get("answers", []))),
                    **entry,
                }
            )
    return shown, absent


def _last(groups: Sequence[Group]) -> list[Group]:
    """Base models and last checkpoints; one group a model, training set, optimizer and member."""
    best: dict[tuple[str, str, str, str, str], Group] = {}
    for group in groups:
        key = group.key
        place = (key.model, key.train_set, key.template, key.optimizer, group.member)
        if place not in best or time_of(key.checkpoint) > time_of(best[place].key.checkpoint):
            best[place] = group
    return sorted(
        best.values(),
        key=lambda group: (
            group.member,
            group.key.model,
            group.key.optimizer != "",
            group.key.optimizer,
            group.key.train_set,
        ),
    )


def _problems(results: Path, benchmark: str) -> dict[str, dict[str, Any]]:
    path = results / "datasets" / benchmark / "payload" / "problems.jsonl"
    return {str(row["id"]): row for row in read_rows(path)} if path.is_file() else {}


def _entries(grades: Path, samples: Path) -> Iterator[dict[str, Any]]:
    verdicts = sorted(
        read_rows(payload_folder(grades, "grades") / "grades.jsonl.gz"),
        key=lambda row: (sha256_text(str(row["problem"])), row["sample"]),
    )
    chosen = _chosen(verdicts)
    limit = read_manifest(grades).spec.get("cut_tokens")
    texts = {
        (row["problem"], row["sample"]): cut_row(row, limit)["text"]
        for row in read_rows(payload_folder(samples, "samples") / "samples.jsonl.gz")
        if (row["problem"], row["sample"]) in chosen
    }
    for key, verdict in chosen.items():
        kept = {
            name: verdict[name]
            for name in ("problem", "sample", "correct", "status", "extracted", "rule", "tokens", "finish")
        }
        yield {**kept, "problem": str(verdict["problem"]), "text": shortened(str(texts.get(key, "")))}


def _chosen(verdicts: Sequence[dict[str, Any]]) -> dict[tuple[Any, Any], dict[str, Any]]:
    firsts: dict[Any, dict[str, Any]] = {}
    for row in verdicts:
        firsts.setdefault(row["problem"], row)
    chosen = list(firsts.values())[:PROBLEMS]
    for verdict in (True, False):
        chosen += [row for row in verdicts if bool(row["correct"]) is verdict and row not in chosen][
            : max(0, OF_EACH_VERDICT - sum(bool(row["correct"]) is verdict for row in chosen))
        ]
    return {(row["problem"], row["sample"]): row for row in chosen}


def shortened(text: str) -> str:
    """A text without its middle, where it is long."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[... {len(text) - LONGEST} characters left out ...]\n{text[-half:]}"
