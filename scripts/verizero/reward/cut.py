"""What a shorter limit would have left of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verizero.artifacts.errors import UserError


def graded_spec(grader: str, cut: tuple[str, int] | None = None) -> dict[str, Any]:
    """What identifies a graded member of a suite beside its inputs.

    Args:
        cut: the member that was sampled, and the limit in tokens; None where it is graded as it was sampled.
    """
    return {"grader": grader} | ({"member": cut[0], "cut_tokens": cut[1]} if cut else {})


def cut_row(row: Mapping[str, Any], tokens: int | None) -> dict[str, Any]:
    """A row of samples as a limit of so many tokens would have ended it; None is no limit.

    A response of no more tokens stays as it is. A longer one is cut at the place that sampling noted, and counts as truncated.

    Raises:
        UserError: the sample notes no place for this number of tokens.
    """
    if tokens is None or row["tokens"] <= tokens:
        return dict(row)
    place = row.get("places", {}).get(str(tokens))
    if place is None:
        raise UserError(
            f"sample {row['sample']} of problem {row['problem']} has {row['tokens']} tokens and doesn't say where its text stands "
            f"after {tokens}; samples made before that was noted must be made again"
        )
    return {**row, "text": row["text"][:place], "tokens": tokens, "finish": "length"}
