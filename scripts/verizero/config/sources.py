"""Where models come from, how their identity is established, and how they are evaluated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from verizero.config.model import Betas, Count, GraderName, Name, Positive, Section

UNPINNED = "unpinned"
MIRROR_ROOT = "VERIZERO_DATA"
"""The environment variable that names the folder of local sources."""


class Hub(Section):
    """A repository of a model hub. `scripts/pin.py` resolves its revision."""

    kind: Literal["hub"]
    repo: str
    """Owner and name, for example `Qwen/Qwen2.5-Math-1.5B`."""
    revision: str
    """40 hexadecimal digits of a commit, or `unpinned`: then every run on it records and reports that."""
    files: dict[str, str] = {}
    """SHA-256 of each file, as `scripts/pin.py` found it; a download that differs is refused."""
    subset: str | None = None
    """For a data set: its configuration name."""
    split: str | None = None
    """For a data set: the split."""

    @field_validator("revision")
    @classmethod
    def pinned_or_said(cls, revision: str) -> str:
        """A branch or tag moves: it is no identity."""
        if revision != UNPINNED and not (len(revision) == 40 and set(revision) <= set("0123456789abcdef")):
            raise ValueError(
                f"revision is {revision!r}; it must be 40 hexadecimal digits (`python scripts/pin.py` resolves them) or `unpinned`"
            )
        return revision


class Folder(Section):
    """A Hugging Face model folder on this machine, relative to the repository or absolute."""

    kind: Literal["folder"]
    path: str
    sha256: str | None = None
    """SHA-256 over the folder's listing, as `scripts/pin.py` computes it."""


class Gguf(Section):
    """A GGUF file inside an installed Python package, dequantised to a Hugging Face folder."""

    kind: Literal["gguf"]
    package: str
    """The distribution's name, which the environment locks."""
    file: str
    """The file's path inside the package's folder."""
    sha256: str
    """SHA-256 of the file; another one is refused."""


class Architecture(Section):
    """A Qwen2-style decoder small enough for a CPU."""

    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    kv_heads: Count
    max_positions: Count
    tie_embeddings: bool = True


class Scratch(Section):
    """A model with random weights and a character tokenizer: the start of the toy."""

    kind: Literal["scratch"]
    architecture: Architecture
    alphabet: str
    """Every character that the model can read or write, in the order of their ids."""
    seed: int = 0


class Pretrained(Section):
    """Language-model training of another model on a data set with solutions (the `pretrain` stage)."""

    kind: Literal["pretrain"]
    model: Name
    """The model to start from."""
    train_set: Name
    """Problems with a `solution` each; the loss is on the solution."""
    template: Name
    steps: Count
    batch_size: Count
    """Documents per optimizer step."""
    learning_rate: Positive
    """Peak; reached after `warmup_steps`, then falling linearly to 5 % of itself."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    adam_betas: Betas = [0.9, 0.98]
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_grad_norm: Positive = 1.0
    seed: int = 0


ModelSource = Annotated[Hub | Folder | Gguf | Scratch | Pretrained, Field(discriminator="kind")]


class Model(Section):
    """A base model. Its name is what a run id says."""

    source: ModelSource
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """How the prepared weights are stored."""
    max_model_len: Count | None = None
    """Longest prompt plus completion, in tokens; by default what the model's own configuration says."""
    licence: str | None = None
    note: str | None = None
    """For readers; not part of the identity."""


class Protocol(Section):
    """How completions are decoded."""

    temperature: Annotated[float, Field(ge=0)]
    """0 is greedy."""
    max_tokens: Count
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0


class Cut(Section):
    """A shorter limit read off the samples of a protocol, without sampling again.

    A response of more tokens is graded as its first `tokens` and counts as truncated: what the same limit would have given,
    because sampling doesn't know its limit.
    """

    of: Name
    """The protocol that samples."""
    tokens: Count
    """A multiple of 1,000 or of 1,024, below the protocol's `max_tokens`: at those the samples note where the text stands."""

    @field_validator("tokens")
    @classmethod
    def noted(cls, tokens: int) -> int:
        """Samples keep no token ids."""
        if tokens % 1000 and tokens % 1024:
            raise ValueError(
                f"tokens is {tokens}; samples note their text's place at multiples of 1000 and of 1024 only"
            )
        return tokens


class Member(Section):
    """One benchmark of a suite: which template, which protocol, how many samples."""

    benchmark: Name
    protocol: Name
    template: Name | None = None
    """By default the template that the run was trained with; for a base model, each template of the study."""
    samples: Count = 1
    """Completions for each problem (k)."""


class Suite(Section):
    """What one start of an engine serves."""

    members: Annotated[list[Member], Field(min_length=1)]
    engine: Literal["transformers", "vllm"] = "transformers"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """In what precision the engine computes; other precision, other samples."""
    grader: GraderName = "verizero"
    cuts: list[Name] = []
    """Shorter limits: each member of the protocol that the cut is of is graded under it too, as a row of its own."""
