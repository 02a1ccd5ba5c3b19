"""Some completions of training for the report, token by token: of the steps whose completions runs have kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from verizero.config.spec import StudySpec
from verizero.evidence.kept_completions import kept_completions
from verizero.report.browser import shortened

BUDGET = 1_200_000
"""Characters of all that is shown; each run and step has an equal share, and at least one completion."""
LONGEST = 600
"""Tokens shown of a completion; its beginning and its end are kept."""
COLUMNS = (
    "step",
    "place",
    "sample",
    "problem",
    "prompt",
    "finish",
    "status",
    "correct",
    "reward",
    "advantage",
    "entered",
    "tokens",
    "token_advantages",
    "engine_logprobs",
    "learner_logprobs",
)


def browse_rollouts(spec: StudySpec, results: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Completions to show of each run and kept step, and one sentence for what is not there.

    They are the first of the step in their order, group by group, whatever they earned: a step draws its prompts at random.
    Each entry is `{run, step, of, completions}`; `of` is how many the step has.
    """
    absent: list[str] = []
    files: list[tuple[str, int, Path]] = []
    for of in kept_completions(spec, results):
        if of.gone:
            absent.append(
                f"runs/{of.run.id}: {of.gone} of its {of.kept} files of kept completions are not on this machine"
            )
        files += [(of.run.id, step, file) for step, file in of.files.items()]
    shown, spent = [], 0
    for at, (run_id, step, file) in enumerate(files):
        if spent > BUDGET:
            absent.append(f"the report is full; {len(files) - at} files of kept completions lie under results/runs")
            break
        try:
            with pq.ParquetFile(file) as table:
                completions = list(_within(_entries(table), BUDGET // len(files)))
                shown.append({"run": run_id, "step": step, "of": table.metadata.num_rows, "completions": completions})
        except (pa.ArrowException, OSError, KeyError) as error:
            absent.append(f"runs/{run_id}: {file.name} cannot be read ({str(error).splitlines()[0]})")
            continue
        spent += sum(map(_size, completions))
    return shown, absent


def _within(entries: Iterator[dict[str, Any]], share: int) -> Iterator[dict[str, Any]]:
    """The first entries, as many as fit, and one at least."""
    spent = 0
    for number, entry in enumerate(entries):
        spent += _size(entry)
        if number and spent > share:
            return
        yield entry


def _size(entry: dict[str, Any]) -> int:
    return len(json.dumps(entry, ensure_ascii=False))


def _entries(table: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    """What the page needs of each completion, its numbers rounded."""
    for batch in table.iter_batches(batch_size=16, columns=list(COLUMNS)):
        for row in batch.to_pylist():
            shown = _ends(len(row["tokens"]))
            about = {
                name: row[name] for name in ("place", "sample", "problem", "finish", "status", "correct", "entered")
            }
            yield {
                **about,
                "prompt": shortened(row["prompt"]),
                "reward": _rounded(row["reward"], 3),
                "advantage": _rounded(row["advantage"], 3),
                "length": len(row["tokens"]),
                "tokens": [row["tokens"][i] for i in shown],
                "advantages": _alike([_rounded(row["token_advantages"][i], 3) for i in shown]),
                "engine": [_rounded(row["engine_logprobs"][i], 2) for i in shown],
                "learner": row["learner_logprobs"] and [_rounded(row["learner_logprobs"][i], 2) for i in shown],
            }


def _ends(tokens: int) -> Sequence[int]:
    """The places of the tokens that are shown."""
    half = LONGEST // 2
    return range(tokens) if tokens <= LONGEST else [*range(half), *range(tokens - half, tokens)]


def _alike(values: list[float | None]) -> list[float | None] | float | None:
    """One number where all are the same, which takes less room."""
    return values[0] if values and len(set(values)) == 1 else values


def _rounded(value: float, digits: int) -> float | None:
    """JSON has no infinity, and nobody wants to read -0.0."""
    return round(value, digits) + 0.0 if math.isfinite(value) else None
