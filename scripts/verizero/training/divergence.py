"""A loss or gradient that is no number stops the run, before it reaches a state that is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import write_atomic
from verizero.training.critic import ValueRow, ValueUpdate
from verizero.training.learner import TrainRow, Update
from verizero.training.world import World


def require_finite(
    update: Update | ValueUpdate,
    rows: Sequence[TrainRow] | Sequence[ValueRow],
    step: int,
    part: int,
    world: World,
    folder: Path,
    text: Callable[[list[int]], str],
) -> None:
    """Go on where loss and gradient are numbers; else write down what they came from and stop. All ranks alike.

    Args:
        rows: of this rank, as the update took them.
        part: which update of the step, from 0.
        folder: where the file goes.
        text: of token ids.

    Raises:
        UserError: loss or gradient is no number; it names the file.
    """
    what = "loss" if not math.isfinite(update.loss) else "gradient"
    if math.isfinite(update.loss) and math.isfinite(update.grad_norm):
        return
    whose, key = (" of the critic", "critic.") if isinstance(update, ValueUpdate) else ("", "")
    suspects = [rows[number] for number in update.broken]
    found = {
        "step": step,
        "update": part,
        "of": "critic" if isinstance(update, ValueUpdate) else "policy",
        "loss": str(update.loss),
        "grad_norm": str(update.grad_norm),
        "offending": world.gather([_described(row, text) for row in suspects]),
        "batch": world.gather([_described(row, text) for row in rows]),
    }
    path = folder / f"no-number-step-{step}.json"
    if world.first:
        write_atomic(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    raise UserError(
        f"step {step}, update {part + 1} of it: the {what}{whose} is no number; {path} has the batch and, where they are known, the offending "
        f"prompts. The weights saved last are sound. Try a lower {key}learning_rate, a smaller max_grad_norm or train_dtype float32"
    )


def _described(row: TrainRow | ValueRow, text: Callable[[list[int]], str]) -> dict[str, Any]:
    """A row as a reader needs it; numbers as text, because JSON has none that is no number."""
    numbers = {
        field.name: getattr(row, field.name) for field in fields(row) if field.name not in ("prompt", "response")
    }
    return {
        "prompt": text(row.prompt),
        "response": text(row.response),
        "tokens": len(row.response),
        **{name: _range(value) for name, value in numbers.items()},
    }


def _range(values: Tensor | float | None) -> str | None:
    if isinstance(values, Tensor):
        return f"{float(values.min()):g} to {float(values.max()):g}"
    return None if values is None else f"{values:g}"
