"""What a judge model is asked about a response, and how its reply is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_COUNTED = (
    "Below are a problem and a response to it.\n\nProblem:\n{question}\n\nResponse:\n{response}\n\n"
    "How many times does the response do the following: {what} Say briefly where, and end with the number as "
    "<count>n</count>; <count>0</count> if it never does."
)
_ANSWERS = (
    "Below are a question and a response to it. Decide whether the response tries to answer the question. Whether the answer is right does "
    "not matter.\n\nQuestion:\n{question}\n\nResponse:\n{response}\n\n"
    "Reply with 0 if the response does not try to answer the question (it is empty, asks or answers something else, or goes on with the "
    "text), or with 1 if it does. Begin with the digit, then explain in one sentence."
)
_REFLECTION = (
    "Below are a question and a response to it.\n\nQuestion:\n{question}\n\nResponse:\n{response}\n\n"
    "Put the response into one category. 0: it is not about the question. 1: it answers the question without looking back at its own "
    "steps. 2: it reflects on itself: it checks, doubts or corrects a step it has made. 3: it only writes a program. "
    "Explain in one sentence and end with the digit of the category alone."
)


@dataclass(frozen=True)
class Question:
    """One thing that a judge is asked.

    Attributes:
        text: with `{question}` and `{response}`.
        max_tokens: of its reply.
        read: the reply's verdict; None where it has none.
    """

    text: str
    max_tokens: int
    read: Callable[[str], int | None]

    def prompt(self, question: str, response: str) -> str:
        """The text for one response; braces in it stay as they are."""
        before, rest = self.text.split("{question}")
        between, after = rest.split("{response}")
        return "".join((before, question, between, response, after))


def leading_digit(reply: str) -> int | None:
    """0 or 1 where a reply begins with it: as paper A reads its judge."""
    found = re.match(r"\W*([01])(?!\d)", reply)
    return int(found[1]) if found else None


def closing_category(reply: str) -> int | None:
    """The last digit from 0 to 3 that stands alone among a reply's last characters."""
    found = re.findall(r"(?<![\d.])([0-3])(?!\d)", reply.strip()[-12:])
    return int(found[-1]) if found else None


def closing_count(reply: str) -> int | None:
    """The number of a reply's last `<count>n</count>`."""
    found = re.findall(r"<count>\s*(\d+)\s*</count>", reply)
    return int(found[-1]) if found else None


def _counted(what: str) -> Question:
    return Question(_COUNTED.replace("{what}", what), 300, closing_count)


QUESTIONS: dict[str, Question] = {
    "answers": Question(_ANSWERS, 100, leading_digit),
    "reflection": Question(_REFLECTION, 300, closing_category),
    "verification": _counted(
        "it checks a result or a step of its own, for instance by computing it again or putting it into the problem."
    ),
    "backtracking": _counted("it gives up a way that does not work and takes another one, and says so."),
    "subgoals": _counted("it names an intermediate goal on the way to the answer and works on it."),
    "enumeration": _counted("it goes through several cases or candidates one after the other to find the answer."),
    "backward-chaining": _counted("it starts from the result that is wanted and works back to what is given."),
}
"""`answers` and `reflection` after paper A's two judges (arXiv 2503.20783; `answering_ability.py` and `sr_detection.py`, the wording is ours). The others
are the cognitive behaviours of paper C (arXiv 2503.18892) and of arXiv 2503.01307, whose prompts end in the same `<count>`."""
