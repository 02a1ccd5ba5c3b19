r"""Paper B: Reinforcement Learning for Reasoning in LLMs with One Training Example, Wang et al. 2025, arXiv 2504.20571;
github.com/ypwang61/One-Shot-RLVR (`deepscaler.py`).

Known to differ: the original decodes prompt and response together, so that a prompt's own box or tags count; here the
response alone is graded, of which one without a box earns 0 either way. Unknown: where a response is cut that closes its
thoughts twice. It cuts only if told to (`use_think`) and then asks for both tags; the first may stand in the prompt, so that
here `</think>` is enough, and a response without it is graded whole. There is no time limit in the original.
"""

from __future__ import annotations

from collections.abc import Sequence

from verizero.reward.papers import paper_a
from verizero.reward.papers.common import refused
from verizero.reward.verdict import Question, Verdict

judge = paper_a.judge_fast
"""The same two tiers as paper A's reward."""


def decide(golds: Sequence[str], response: str) -> Verdict | Question:
    """The last box behind the first `</think>`, by the two texts; algebra is left open."""
    return refused(response) or paper_a.decide_fast(golds, _answer_part(response))


def _answer_part(response: str) -> str:
    _, thought, rest = response.partition("</think>")
    return rest if thought else response
