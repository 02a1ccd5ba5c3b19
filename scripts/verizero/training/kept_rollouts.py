"""The completions of a step as a table, one row each; a run keeps the steps that `kept_rollouts` names."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool
from torch import Tensor

from verizero.policy.token_texts import token_texts
from verizero.training.advantages import StepAdvantages
from verizero.training.learner import Score
from verizero.training.refill import Round

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SCHEMA = pa.schema(
    {
        "step": pa.int32(),
        "place": pa.int32(),  # of the prompt in the step; a problem that occurs twice in a step has two places
        "sample": pa.int32(),  # place in the group
        "problem": pa.string(),
        "prompt": pa.string(),
        "completion": pa.string(),
        "finish": pa.string(),
        "status": pa.string(),
        "correct": pa.bool_(),
        "reward": pa.float64(),
        "advantage": pa.float64(),
        "entered": pa.bool_(),
        "prompt_token_ids": pa.list_(pa.int32()),
        "token_ids": pa.list_(pa.int32()),
        "tokens": pa.list_(pa.string()),
        "token_advantages": pa.list_(pa.float64()),
        "engine_logprobs": pa.list_(pa.float32()),  # nats
        "learner_logprobs": pa.list_(pa.float32()),  # before the updates; null where nothing asked for them
    }
)
ROW_GROUP = 64
"""Rows that a reader of a few has to unpack."""


def rollout_table(
    step: int,
    kept: Round,
    advantage: StepAdvantages,
    entering: Bool[Tensor, " response"],
    scores: Mapping[int, Score],
    tokenizer: PreTrainedTokenizerBase,
) -> pa.Table:
    """What a step trains on, as far as this rank sampled it.

    Args:
        entering: whether each response of all ranks has a part in the loss.
        scores: the learner's before the step's updates, by a response's number, as far as they were needed.
    """
    outcomes = {row.number: row for row in kept.known.rows}
    texts = token_texts(tokenizer, [one.tokens for one in kept.responses])
    rows = []
    for response, tokens in zip(kept.responses, texts, strict=True):
        number, completion = response.number, response.completion
        place, sample = divmod(number, kept.known.samples)
        outcome, score = outcomes[number], scores.get(number)
        rows.append(
            {
                "step": step,
                "place": place,
                "sample": sample,
                "problem": outcome.problem,
                "prompt": tokenizer.decode(response.prompt, clean_up_tokenization_spaces=False),
                "completion": completion.text,
                "finish": completion.finish,
                "status": outcome.status,
                "correct": outcome.correct,
                "reward": outcome.reward,
                "advantage": float(advantage.response[number]),
                "entered": bool(entering[number]),
                "prompt_token_ids": response.prompt,
                "token_ids": response.tokens,
                "tokens": tokens,
                "token_advantages": advantage.token[number].tolist(),
                "engine_logprobs": completion.logprobs,
                "learner_logprobs": None if score is None else score.logprobs.tolist(),
            }
        )
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def parquet_bytes(parts: Sequence[pa.Table]) -> bytes:
    """The tables of all ranks as one Parquet file, in the order of the responses; equal tables give equal bytes."""
    whole = pa.concat_tables(parts).sort_by([("place", "ascending"), ("sample", "ascending")]).combine_chunks()
    stream = io.BytesIO()
    pq.write_table(whole, stream, row_group_size=ROW_GROUP, version="2.6", compression="zstd", compression_level=3)
    return stream.getvalue()
