"""Sets of problems: where they come from, how rows become problems, and which of them make the set."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from verizero.config.contamination import OverlapKind
from verizero.config.model import AnswerType, Count, Name, Probability, Section
from verizero.config.sources import Hub


class Local(Section):
    """A file under the mirror root that the environment variable VERIZERO_DATA names."""

    kind: Literal["local"]
    path: str
    format: Literal["jsonl", "json", "parquet", "arrow-stream"]
    sha256: str
    """SHA-256 of the file; another one is refused."""


class Sums(Section):
    """Generated arithmetic with worked steps: named quantities are added one by one.

    The problem `C3D18E5=` asks for C+D+E; a solution says each running total and ends in a box. With the
    probabilities below a solution may slip, notice and redo a step, look at the chain a second time, or say the total
    again, so that the length of a response is free to vary.
    """

    kind: Literal["sums"]
    problems: Count
    seed: int
    min_terms: Count
    max_terms: Count
    two_digit: Probability = 0.0
    """Probability that a term has two digits."""
    slip: Probability = 0.0
    """Probability that a step's total is off by 1, 2 or 10."""
    redo_after_slip: Probability = 0.0
    redo: Probability = 0.0
    """Probability that a right step is done again."""
    second_look: Probability = 0.0
    second_look_if_wrong: Probability = 0.0
    verbatim: Probability = 0.9
    """Probability that a second look copies the first chain."""
    repeat_total: Probability = 0.0
    repeat_total_if_wrong: Probability = 0.0


class Fields(Section):
    """Which columns of a source hold what. A dotted name reaches into a record, `prompt.0.content` into a list."""

    problem: str = "problem"
    answer: str = "answer"
    solution: str | None = None
    id: str | None = None
    choices: str | None = None
    """Multiple choice: a column with `text` and `label` of each option. The options are written behind the problem, one a
    line, as A, B, C ...; the answer column holds a label, the gold is its letter."""
    unit: str | None = None
    """The unit that the answer is meant in, where a row has one."""
    error: str | None = None
    """By how much an answer may differ, where a row says so."""
    problem_suffix: str | None = None
    """What ends the text of every problem and does not belong to it, an instruction for example; it is taken off."""
    level: str | None = None
    """How hard the source calls it; the first whole number in its text (`Level 3`) counts."""
    subject: str | None = None


class Sets(Section):
    """The problems of other sets of the registry, one after the other. Of several, an id is `<set>/<id>`."""

    kind: Literal["sets"]
    names: Annotated[list[Name], Field(min_length=1)]


class History(Section):
    """A JSON file under the mirror root: problem id -> accuracies, one for each epoch of a training. Its order decides ties."""

    path: str
    sha256: str


class PromptTokens(Section):
    """Keep problems whose prompt is short enough for a tokenizer."""

    most: Count
    """Tokens of the prompt."""
    model: Name
    """Whose tokenizer counts."""
    template: Name


class Graded(Section):
    """What a model was graded on the problems of this set: an edge of the workflow, made by `generate` and `grade`."""

    subject: str
    """As below `results/grades/`: `<model>`, `<model>.<template>`, `<run>@<step>`."""
    suite: Name
    """Its members sample a set whose problems have the same ids: this one's `sets`."""


class PassRate(Graded):
    """Keep problems that a model answers right in a share of its samples between two bounds, both included."""

    low: Probability = 0.0
    high: Probability = 1.0


class Filter(Section):
    """One filter; the number of problems before and after it is recorded. Several keys work in the order in which they stand here."""

    distinct: bool = False
    """Keep the first of problems with the same normalised text."""
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = None
    """Keep the first of problems whose sets of 5-word shingles have this Jaccard similarity or more; 0.7 is usual."""
    numeric_answer: bool = False
    """Keep problems whose answer is a plain number."""
    max_problem_characters: Count | None = None
    max_solution_characters: Count | None = None
    """Keep problems whose worked solution is short enough; one without a solution goes."""
    levels: list[int] = []
    """Keep problems of these levels; one without a level goes."""
    subjects: list[str] = []
    """Keep problems of these subjects."""
    answer_types: list[AnswerType] = []
    """Keep problems whose golds are of these kinds."""
    prompt_tokens: PromptTokens | None = None
    pass_rate: PassRate | None = None


class Selection(Section):
    """Which of the filtered problems make the set, by a named, seeded rule.

    `all`: every one. `random`: the `n` problems that come first in the order of SHA-256(seed, problem). `share`: the
    problems whose SHA-256(seed, problem), read as a fraction of 1, lies in [low, high): two disjoint shares of a source
    never meet, whatever is filtered. `historical-variance`: those whose accuracy varied most while a model was trained on them, by the
    population standard deviation over its history, ties in the history's order (arXiv 2504.20571, section 2). `ids`: those that are named.
    """

    rule: Literal["all", "random", "share", "historical-variance", "ids"] = "all"
    n: Count | None = None
    seed: int = 0
    low: Probability = 0.0
    high: Probability = 1.0
    run: str | None = None
    """Whose history counts: a run on the problems of this set, `<model>.<dataset>.<template>.<optimizer>.s<seed>`."""
    history: History | None = None
    """A history that others have published, in place of `run`."""
    ranks: list[Count] = []
    """In place of `n`: which places of the ranking, from 1."""
    ids: list[str] = []

    @model_validator(mode="after")
    def complete(self) -> Selection:
        """A rule has what it reads, and nothing else."""
        ranked = self.rule == "historical-variance"
        if ranked and (self.run is None) == (self.history is None):
            raise ValueError("the rule `historical-variance` needs either `run` or `history`, and not both")
        if ranked and (self.n is None) == (not self.ranks):
            raise ValueError("the rule `historical-variance` needs either `n` or `ranks`, and not both")
        if (self.rule == "ids") != bool(self.ids):
            raise ValueError("`ids` and the rule `ids` belong together: write both or neither")
        for name in ("run", "history", "ranks"):
            if not ranked and getattr(self, name):
                raise ValueError(f"`{name}` is given, but only the rule `historical-variance` reads it")
        return self


class Labels(Section):
    """Wrong labels on purpose, to see what training makes of them (arXiv 2504.20571, appendix C)."""

    wrong_share: Probability
    """Share of the problems that get the label of another problem of the set."""
    seed: int = 0


class Replacement(Section):
    """Another text or another label for one problem."""

    problem: str | None = None
    answers: list[str] | None = None


class Difficulty(Section):
    """What makes a problem hard: its level, or how seldom it was answered right."""

    by: Literal["level", "pass-rate", "history"]
    graded: Graded | None = None
    """For `pass-rate`: 1 minus the share of right samples."""
    run: str | None = None
    """For `history`: 1 minus the mean accuracy over this run."""
    history: History | None = None
    """A published history, in place of `run`."""

    @model_validator(mode="after")
    def complete(self) -> Difficulty:
        """What it is taken from is there, and nothing else."""
        if (self.by == "pass-rate") != (self.graded is not None):
            raise ValueError("`by: pass-rate` and `graded` belong together: write both or neither")
        if (self.by == "history") != ((self.run is None) != (self.history is None)):
            raise ValueError("`by: history` needs either `run` or `history`, and nothing else reads them")
        return self


ProblemSource = Annotated[Hub | Local | Sums | Sets, Field(discriminator="kind")]


class ProblemSet(Section):
    """A set of problems: a training set or a benchmark."""

    source: ProblemSource
    fields: Fields = Fields()
    answer_from: Literal["field", "after-hashes", "last-box"] = "field"
    """`after-hashes`: behind the last `####` of the answer column; `last-box`: in its last `\\boxed{}`."""
    solutions: Literal["as-is", "boxed"] = "as-is"
    """`boxed`, for GSM8K: what its calculator marks `<<48/2=24>>` say twice goes, and the last line `#### 72` becomes a box."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] | None = None
    """How far an answer may be from a gold that is a rounded decimal, as a share of the gold. Whole numbers, fractions and
    expressions are exact whatever it says."""
    filters: list[Filter] = []
    exclude: list[Name] = []
    """Benchmarks whose problems are kept out; how many there were is recorded."""
    exclude_by: OverlapKind = "exact"
    """Which problems are taken for a benchmark's: those with its normalised text, those too that contain half of its n-grams, or
    near-duplicates too (docs/contamination.md)."""
    select: Selection = Selection()
    replace: dict[str, Replacement] = {}
    """Problem id -> another text or label; how many is recorded, and the source's answers stay in the set."""
    labels: Labels | None = None
    difficulty: Difficulty | None = None
    """What a curriculum orders by; the set is then in this order, easy problems first."""
    licence: str | None = None
    note: str | None = None
    """For readers; not part of the identity."""

    @model_validator(mode="after")
    def mapped_once(self) -> ProblemSet:
        """Problems of other sets are problems already."""
        if isinstance(self.source, Sets) and (self.fields != Fields() or self.answer_from != "field" or self.tolerance):
            raise ValueError(
                "`fields`, `answer_from` and `tolerance` say how rows are read; a source of kind `sets` has none"
            )
        return self


class Benchmark(ProblemSet):
    """Problems that are only ever evaluated on."""

    hub: Hub | None = None
    """Beside a `local` source: where the same rows are when VERIZERO_DATA is not set. `sha256` proves that they are."""
    n: Count | None = None
    """The number of problems that there must be."""
    sha256: str | None = None
    """SHA-256 of the normalised (id, problem, gold) rows that must result."""

    @model_validator(mode="after")
    def one_identity(self) -> Benchmark:
        """Two places of one benchmark are told to be the same by its digest only."""
        if self.hub and (self.source.kind != "local" or self.sha256 is None):
            raise ValueError("`hub` stands beside a source of kind `local`, in an entry that has a `sha256`")
        return self
