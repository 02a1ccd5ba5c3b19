"""What every engine offers: prompts in, completions with their log-probabilities out, new weights at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How completions are decoded. Temperature 0 is greedy; `stop` strings end a completion and stay in its text."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """One sampled completion.

    Attributes:
        token_ids: the response, with the end-of-sequence token or the whole last token of a stop string that ended it.
        logprobs: of each token under the distribution it was drawn from (temperature and top-p applied), in nats;
            greedy: under the model at temperature 1.
        text: the response without special tokens, cut behind a stop string.
        finish: `length` when `max_tokens` ended it.
    """

    token_ids: list[int]
    logprobs: list[float]
    text: str
    finish: Literal["stop", "length"]


@dataclass(frozen=True)
class VllmRuntime:
    """What vLLM may take; nothing of it changes a completion but through float noise in the logits.

    Attributes:
        memory_percent: of a GPU's memory, weights and cache together.
        tensor_parallel: processes, and so GPUs, that share one vLLM; it divides the number of processes of a node.
        eager: vLLM without compilation and CUDA graphs. The CPU build always is.
        cpu_cache_gib: for keys and values in the CPU build, in GiB.
        sleep_level: how deeply it sleeps beside a learner on a GPU, see `Engine.sleep_level`.
    """

    memory_percent: int = 90
    tensor_parallel: int = 1
    eager: bool = False
    cpu_cache_gib: int = 2
    sleep_level: int = 2


class Asleep(RuntimeError):
    """An engine was asked to sample between `sleep` and `update`: what it would sample from is stale, or gone."""

    def __init__(self) -> None:
        super().__init__("the engine sleeps, and samples only after an update with new weights")


class Engine(Protocol):
    """A policy that samples.

    Attributes:
        progress: `progress(completions, tokens)` is called now and then while `generate` runs, with what was finished since.
        sleep_level: what `sleep` gives to the learner. 0: nothing. 1: the GPU's memory; the weights are kept in the host's.
            2: the weights too, with whatever was computed when they were loaded.
    """

    progress: Callable[[int, int], None]
    sleep_level: int

    def generate(
        self, prompts: list[list[int]], samples: int, sampling: Sampling, seeds: list[int]
    ) -> list[list[Completion]]:
        """`samples` completions for each prompt, in order.

        Sample k of a prompt is drawn with `derive_seed(seed, k)`: its tokens depend on the prompt, the seed and the
        weights, and not on what else is in the batch (up to float noise in the logits).

        Args:
            prompts: token ids of each prompt.
            seeds: one for each prompt.

        Raises:
            UserError: a prompt is empty, or does not fit into the context together with `max_tokens`.
            Asleep: there was no `update` since the last `sleep`.
        """
        ...

    def update(self, named_weights: Iterator[tuple[str, Tensor]]) -> None:
        """Take over weights under their Hugging Face names. Nothing else ends a sleep, so no stale weight is ever sampled from."""
        ...

    def sleep(self) -> None:
        """Give GPU memory to the learner until the next `update`."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def check_request(
    prompts: Sequence[Sequence[int]], samples: int, sampling: Sampling, seeds: Sequence[int], max_model_len: int
) -> None:
    """Refuse what could only end in a cut prompt or a silent default, before anything runs.

    Raises:
        UserError: a prompt is empty, or prompt plus completion exceed the context.
        ValueError: seeds and prompts do not match, or a number is out of its range.
    """
    if len(seeds) != len(prompts):
        raise ValueError(f"{len(prompts)} prompts came with {len(seeds)} seeds")
    if samples < 1 or sampling.max_tokens < 1 or sampling.temperature < 0 or not 0 < sampling.top_p <= 1:
        raise ValueError(f"samples={samples} and {sampling} are out of range")
    longest = max((len(prompt) for prompt in prompts), default=0)
    if any(not prompt for prompt in prompts):
        raise UserError("a prompt has no tokens; the template or the tokenizer gives an empty text")
    if longest + sampling.max_tokens > max_model_len:
        raise UserError(
            f"the longest prompt has {longest} tokens and max_tokens is {sampling.max_tokens}: together {longest + sampling.max_tokens}, "
            f"more than the model's max_model_len {max_model_len}; lower max_tokens or raise max_model_len of the model"
        )
