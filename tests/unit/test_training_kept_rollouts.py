"""Completions of a step as Parquet: a row for each, whoever sampled it, and the same bytes for the same rows."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from policy_small import small_policy

from verizero.rollout.engine import Completion
from verizero.training.advantages import StepAdvantages
from verizero.training.checkpoint import Checkpoints
from verizero.training.kept_rollouts import parquet_bytes, rollout_table
from verizero.training.learner import Score
from verizero.training.refill import Round
from verizero.training.rollouts import Outcome, Outcomes, Response
from verizero.training.world import World

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
OTHER = World(rank=1, size=2, device=torch.device("cpu"))
_, TOKENIZER = small_policy()
SAMPLES = 2
TEXTS = ("1=2", "\\boxed{3}", "", "A1", "9", "0,0")


def outcome(number, text):
    return Outcome(number, len(text), float(number % 2), bool(number % 2), False, True, "correct", None, f"p{number}")


RESPONSES = [
    Response(n, [1, 2], Completion(TOKENIZER(text)["input_ids"], [-0.5] * len(text), text, "stop"))
    for n, text in enumerate(TEXTS)
]
KNOWN = Outcomes([outcome(n, text) for n, text in enumerate(TEXTS)], SAMPLES)
ADVANTAGE = torch.linspace(-1, 1, len(TEXTS), dtype=torch.float64)
ENTERS = torch.tensor([True, True, False, False, True, True])
SCORES = {1: Score(torch.full((len(TEXTS[1]),), -0.25), torch.zeros(len(TEXTS[1])))}


def part(responses):
    """What the rank that sampled these responses knows."""
    own = {one.number: ADVANTAGE[one.number].expand(len(one.tokens)) for one in responses}
    scores = {number: score for number, score in SCORES.items() if number in own}
    return rollout_table(3, Round(responses, KNOWN), StepAdvantages(ADVANTAGE, own), ENTERS, scores, TOKENIZER)


WHOLE = parquet_bytes([part(RESPONSES)])


def test_each_completion_has_a_row_with_what_was_made_of_it():
    rows = pq.read_table(io.BytesIO(WHOLE)).to_pylist()
    assert [(row["place"], row["sample"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert [row["completion"] for row in rows] == list(TEXTS)
    assert [row["entered"] for row in rows] == ENTERS.tolist()
    second = rows[1]
    assert second.pop("advantage") == pytest.approx(-0.6)
    assert second.pop("token_advantages") == pytest.approx([-0.6] * 9)
    assert second == {
        "step": 3,
        "place": 0,
        "sample": 1,
        "problem": "p1",
        "prompt": "12",
        "completion": "\\boxed{3}",
        "finish": "stop",
        "status": "correct",
        "correct": True,
        "reward": 1.0,
        "entered": True,
        "prompt_token_ids": [1, 2],
        "token_ids": TOKENIZER("\\boxed{3}")["input_ids"],
        "tokens": list("\\boxed{3}"),
        "engine_logprobs": [-0.5] * 9,
        "learner_logprobs": [-0.25] * 9,
    }


def test_what_the_learner_did_not_score_is_null_and_an_empty_completion_is_not():
    first, _, empty, *_ = pq.read_table(io.BytesIO(WHOLE)).to_pylist()
    assert first["learner_logprobs"] is None
    assert (empty["tokens"], empty["token_advantages"], empty["engine_logprobs"]) == ([], [], [])


@given(st.lists(st.integers(0, 2), min_size=len(TEXTS), max_size=len(TEXTS)))
def test_the_bytes_do_not_depend_on_who_sampled_what(ranks):
    parts = [part([one for one, owner in zip(RESPONSES, ranks, strict=True) if owner == rank]) for rank in range(3)]
    assert parquet_bytes(parts) == WHOLE


def test_kept_completions_are_written_by_the_first_rank_and_put_into_the_payload(tmp_path):
    Checkpoints(tmp_path / "other", OTHER).keep_rollouts(3, [part(RESPONSES)])
    assert not (tmp_path / "other").exists()
    kept = Checkpoints(tmp_path / "scratch", ALONE)
    kept.keep_rollouts(3, [part(RESPONSES)])
    (tmp_path / "payload").mkdir()
    kept.place_rollouts(3, tmp_path / "payload")
    assert (tmp_path / "payload" / "rollouts" / "step-3.parquet").read_bytes() == WHOLE


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_killed_while_completions_are_written_there_is_no_half_file(tmp_path, monkeypatch, place):
    class Killed(BaseException):
        """The end of the process."""

    def dies(*_):
        raise Killed

    kept, payload = Checkpoints(tmp_path / "scratch", ALONE), tmp_path / "payload"
    payload.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(f"verizero.artifacts.files.os.{place}", dies)
        with pytest.raises(Killed):
            kept.keep_rollouts(3, [part(RESPONSES)])
    with pytest.raises(FileNotFoundError):
        kept.place_rollouts(3, payload)
    kept.keep_rollouts(3, [part(RESPONSES)])
    kept.place_rollouts(3, payload)
    assert [file.read_bytes() for file in payload.rglob("*.parquet")] == [WHOLE]
