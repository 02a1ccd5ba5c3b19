"""What is measured on each response of a graded member, beyond right or wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from verizero.artifacts.manifest import payload_folder, read_manifest
from verizero.artifacts.rows import read_rows
from verizero.evidence.answering import answering
from verizero.evidence.code_use import uses_code
from verizero.evidence.languages import mixes_languages, script_shares
from verizero.evidence.reading import MemberGrades, samples_of
from verizero.evidence.reflection import KEYWORDS, keyword_count
from verizero.evidence.repetition import repetitive
from verizero.reward.cut import cut_row

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MemberResponses:
    """The measures of one graded member's responses: N problems, K samples each.

    Attributes:
        grades: the verdicts, and what they carry of the response.
        measured: measure -> [problem, sample], in the verdicts' order; none where the samples are not on this machine, and no
            `answer_rate` where the problems are not.
    """

    grades: MemberGrades
    measured: Mapping[str, Array]

    @property
    def lacks(self) -> str | None:
        """What is not on this machine and would be read; None when all is."""
        if not self.measured:
            return "its samples are not on this machine, or are not those that were graded"
        return (
            None
            if "answer_rate" in self.measured
            else "its problems are not on this machine, which its answer rate needs"
        )


def measures(response: str, question: str | None) -> dict[str, float]:
    """Every measure of one text: 0 or 1 for yes or no, a count for the keywords, a share in 0..1 for the scripts.

    Without its question there is no `answer_rate`.
    """
    scripts = script_shares(response)
    latin, han = scripts.get("LATIN", 0.0), scripts.get("CJK", 0.0)
    return {
        **({} if question is None else {"answer_rate": answering(response, question).attempts}),
        **{name: keyword_count(response, keywords) for name, keywords in KEYWORDS.items()},
        "mixed_language": mixes_languages(response),
        "han_share": han,
        "other_script_share": 1 - latin - han if scripts else 0.0,
        "repetitive": repetitive(response),
        "code": uses_code(response),
    }


def read_responses(grades: MemberGrades, benchmark: str, results: Path) -> MemberResponses:
    """Measure the responses of a graded member, as far as they and the problems of its benchmark are here."""
    samples, questions = samples_of(grades.path), questions_of(benchmark, results)
    if samples is None:
        return MemberResponses(grades, {})
    rows = sorted(
        read_rows(payload_folder(samples, "samples") / "samples.jsonl.gz"),
        key=lambda row: (str(row["problem"]), row["sample"]),
    )
    limit = read_manifest(grades.path).spec.get("cut_tokens")
    asked = [None if questions is None else questions.get(str(row["problem"]), "") for row in rows]
    pairs = [(str(cut_row(row, limit)["text"]), question) for row, question in zip(rows, asked, strict=True)]
    return MemberResponses(grades, measured(pairs, grades.correct.shape))


def measured(pairs: Sequence[tuple[str, str | None]], shape: tuple[int, ...]) -> dict[str, Array]:
    """Every measure of (response, question) pairs, each in the given shape."""
    found = [measures(response, question) for response, question in pairs]
    return {name: np.array([one[name] for one in found], dtype=np.float64).reshape(shape) for name in found[0]}


def questions_of(benchmark: str, results: Path) -> dict[str, str] | None:
    """The problems' texts by id; None where they are not on this machine."""
    path = results / "datasets" / benchmark / "payload" / "problems.jsonl"
    return {str(row["id"]): str(row["problem"]) for row in read_rows(path)} if path.is_file() else None
