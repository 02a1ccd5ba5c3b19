"""Rows of a source become problems, by the field mapping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from verizero.artifacts.canonical import sha256_text
from verizero.artifacts.errors import UserError
from verizero.config.problem_sets import ProblemSet
from verizero.problems.golds import NoGold, answer_type, golds
from verizero.problems.problem import Problem
from verizero.problems.text import normalised

_ABSENT = object()
_LETTERS = "ABCDEFGHIJ"
_CALCULATOR = re.compile(r"<<[^<>]*>>")


def problems_of(
    rows: Iterable[dict[str, Any]], entry: ProblemSet, where: Sequence[str] | None = None
) -> tuple[list[Problem], int]:
    """Map every row: the problems, and how many rows were left out because their answer is empty or in no readable form.

    An id is what `fields.id` names, or the first 16 hex digits of the SHA-256 of the normalised text; a text that is there
    again gets `-2`, `-3`.

    Args:
        where: the place of each row, for messages; by default its number.

    Raises:
        UserError: a field is missing in a row, a text is none, no row has an answer, or two rows have one id.
    """
    found: list[Problem] = []
    times: Counter[str] = Counter()
    place, without, reason = "", 0, ""
    for number, row in enumerate(rows):
        place = where[number] if where else f"row {number + 1} of the source"
        text = _text(row, entry.fields.problem, "problem", place)
        if (suffix := entry.fields.problem_suffix) is not None:
            text = _without_suffix(text, suffix, place)
        answer = _value(row, entry.fields.answer, "answer", place)
        if entry.fields.choices:
            options = _options(row, entry.fields.choices, place)
            text, answer = options.behind(text), options.letter(answer, entry.fields.answer, place)
        try:
            answers = golds(answer, entry.answer_from)
        except NoGold as error:
            without += 1
            reason = (
                reason
                or f"{place}: `{entry.fields.answer}` (fields.answer) holds {error}; "
                f"answer_from is `{entry.answer_from}`"
            )
            continue
        solution = _text(row, entry.fields.solution, "solution", place) if entry.fields.solution else None
        if solution and entry.solutions == "boxed":
            solution = _boxed(solution, answers[0], place)
        if entry.fields.id:
            identity = str(_value(row, entry.fields.id, "id", place))
            times[identity] += 1
            if times[identity] > 1:
                raise UserError(
                    f"{place}: the id {identity} (`{entry.fields.id}`, fields.id) is there twice; "
                    "name another field, or leave fields.id out"
                )
        else:
            identity = sha256_text(normalised(text))[:16]
            times[identity] += 1
            identity += f"-{times[identity]}" if times[identity] > 1 else ""
        kind = answer_type(answers)
        found.append(
            Problem(
                id=identity,
                problem=text,
                answers=answers,
                solution=solution,
                answer_type=kind,
                tolerance=_error(row, entry.fields.error, answers, place)
                or (entry.tolerance if kind == "decimal" else None),
                unit=_unit(row, entry.fields.unit, place),
                level=_level(row, entry.fields.level, place),
                subject=_subject(row, entry.fields.subject, place),
            )
        )
    if not found:
        raise UserError(f"no row has an answer: {reason}" if place else "the source has no rows")
    return found, without


def _without_suffix(text: str, suffix: str, place: str) -> str:
    if not text.endswith(suffix):
        raise UserError(f"{place}: the problem ends in {text[-40:]!r}, not in fields.problem_suffix, {suffix!r}")
    if not (left := text.removesuffix(suffix).rstrip()):
        raise UserError(f"{place}: the problem is nothing but fields.problem_suffix, {suffix!r}")
    return left


def _boxed(solution: str, answer: str, place: str) -> str:
    steps, marked, _ = _CALCULATOR.sub("", solution).rpartition("####")
    if not marked:
        raise UserError(
            f"{place}: the solution has no `####` (it ends in {solution[-40:]!r}); leave out `solutions: boxed`"
        )
    return f"{steps.rstrip()}\nThe answer is $\\boxed{{{answer}}}$."


class _Options(NamedTuple):
    texts: list[str]
    labels: list[str]

    def behind(self, problem: str) -> str:
        """The problem with its options below it."""
        return "\n".join([problem, *(f"{_LETTERS[place]}. {text}" for place, text in enumerate(self.texts))])

    def letter(self, label: Any, column: str, place: str) -> str:
        """Sources label options A, B, C or 1, 2, 3; a response always says a letter."""
        if str(label) not in self.labels:
            raise UserError(
                f"{place}: `{column}` (fields.answer) is {label!r}, which is no option's label; "
                f"the labels are {', '.join(self.labels)}"
            )
        return _LETTERS[self.labels.index(str(label))]


def _options(row: dict[str, Any], name: str, place: str) -> _Options:
    value = _value(row, name, "choices", place)
    texts, labels = ([*value.get(key, ())] if isinstance(value, dict) else [] for key in ("text", "label"))
    if not 2 <= len(texts) == len(labels) <= len(_LETTERS):
        raise UserError(
            f"{place}: `{name}` (fields.choices) holds {str(value)[:60]!r}; "
            f"it must have `text` and `label`, 2 to {len(_LETTERS)} of each"
        )
    return _Options([str(text).strip() for text in texts], [str(label) for label in labels])


def _unit(row: dict[str, Any], name: str | None, place: str) -> str | None:
    value = _value(row, name, "unit", place) if name else None
    return str(value).strip() or None if value is not None else None


def _level(row: dict[str, Any], name: str | None, place: str) -> int | None:
    """The first whole number of a level's text (`Level 3`); None where it has none (`Level ?`)."""
    value = _value(row, name, "level", place) if name else None
    found = re.search(r"\d+", str(value)) if value is not None else None
    return int(found[0]) if found else None


def _subject(row: dict[str, Any], name: str | None, place: str) -> str | None:
    value = _value(row, name, "subject", place) if name else None
    return str(value).strip() or None if value is not None else None


def _error(row: dict[str, Any], name: str | None, answers: list[str], place: str) -> float | None:
    """A row's permitted error as a share of its gold."""
    value = _value(row, name, "error", place) if name else None
    if value in (None, ""):
        return None
    try:
        return float(value) / abs(float(answers[0]))
    except (ValueError, ZeroDivisionError):
        raise UserError(
            f"{place}: `{name}` (fields.error) is {value!r} and the answer is {answers[0]!r}; "
            "a permitted error needs a number on both sides"
        ) from None


def _text(row: dict[str, Any], name: str, what: str, place: str) -> str:
    value = _value(row, name, what, place)
    if not isinstance(value, str) or not value.strip():
        raise UserError(
            f"{place}: `{name}` (fields.{what}) holds {str(value)[:40]!r} "
            f"(type {type(value).__name__}); it must be a text"
        )
    return value


def _value(row: dict[str, Any], name: str, what: str, place: str) -> Any:
    """`name` in a row: a column of that very name, else a path into records and lists."""
    if name in row:
        return row[name]
    here: Any = row
    for part in name.split("."):
        if isinstance(here, dict):
            here = here.get(part, _ABSENT)
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            here = _ABSENT
        if here is _ABSENT:
            raise UserError(f"{place}: there is no `{name}` (fields.{what}); its columns: {', '.join(sorted(row))}")
    return here
