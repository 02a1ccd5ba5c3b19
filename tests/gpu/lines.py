"""What a check prints: one JSON object a line, with the card's name, as soon as something is known."""

from __future__ import annotations

import json
import platform
import time
from typing import Any

import torch


def card() -> str:
    """The GPU's name, or the processor's."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return platform.processor() or platform.machine()


class Lines:
    """Prints measurements and knows how much time is left.

    Args:
        seconds: for everything.
    """

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.failed: list[str] = []

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def say(self, part: str, passed: bool | None = None, **found: Any) -> None:
        """Print what a part found; one that did not pass is a failure of the whole check."""
        if passed is not None:
            found["passed"] = passed
        if passed is False:
            self.failed.append(part)
        line = {"part": part, "device": card(), "torch": torch.__version__, "seconds_left": round(self.left), **found}
        print(json.dumps(line), flush=True)
