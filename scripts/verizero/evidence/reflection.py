"""Words of self-reflection in a response, by the lists that three papers count."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "reflection_a": (
        *("recheck", "rethink", "reassess", "reevaluate", "re-evaluate", "reevaluation", "re-examine", "reexamine"),
        *("reconsider", "reanalyze", "double-check", "check again", "think again", "verify again", "go over the steps"),
    ),
    "reflection_b": ("rethink", "recheck", "recalculate"),
    "reflection_c": ("recheck", "rethink", "try again", "wait", "alternatively", "retry", "however"),
}
"""The lists by name. `reflection_a`: paper A (arXiv 2503.20783; understand-r1-zero, `analysis/keyword_count.py`), fifteen;
`reflection_b`: paper B (arXiv 2504.20571), three; `reflection_c`: paper C (arXiv 2503.18892; simpleRL-reason,
`sh/collect_results.py`), seven."""


def keyword_count(text: str, keywords: Sequence[str]) -> int:
    """How often keywords stand in a text: as paper A counts, in any case and inside longer words (`waiting` has `wait`).

    Where two keywords could be read from one place (`reevaluate`, `reevaluation`), the place counts once.
    """
    return len(_pattern(tuple(keywords)).findall(text))


def _pattern(keywords: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, sorted(keywords, key=len, reverse=True))), re.IGNORECASE)
