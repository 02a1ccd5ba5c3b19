"""Pretraining: the order of documents, where the loss is, the learning rate, and that it learns."""

from __future__ import annotations

import itertools

import pytest
import torch
from policy_small import small_policy

from verizero.config.sources import Pretrained
from verizero.training.pretraining import Document, batches, collate, pretrain, rate_at


def source(**changes):
    values = {"steps": 100, "batch_size": 4, "learning_rate": 1e-2, "warmup_steps": 10, **changes}
    return Pretrained(kind="pretrain", model="m", train_set="d", template="t", **values)


DOCUMENTS = [Document([number], [0] * (1 + number % 7)) for number in range(160)]


def test_every_document_comes_once_before_any_comes_twice():
    seen = [document.prompt[0] for batch in batches(DOCUMENTS, 4, 80, seed=1) for document in batch]
    assert sorted(seen[:160]) == sorted(seen[160:]) == list(range(160))


def test_the_order_is_a_function_of_the_seed():
    one, same, other = (list(batches(DOCUMENTS, 4, 40, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_lengths_in_a_batch_are_alike():
    spread = [
        max(len(d.solution) for d in batch) - min(len(d.solution) for d in batch)
        for batch in batches(DOCUMENTS, 4, 40, 1)
    ]
    assert sum(spread) / len(spread) < 2  # unsorted batches of 4 from lengths 1 to 7: about 4


def test_the_loss_is_on_the_solution_only():
    ids, labels = collate([Document([1, 2, 3], [4, 5]), Document([6], [7])], pad=9)
    assert ids.tolist() == [[1, 2, 3, 4, 5], [6, 7, 9, 9, 9]]
    assert labels.tolist() == [[-100, -100, -100, 4, 5], [-100, 7, -100, -100, -100]]


@pytest.mark.parametrize(("step", "share"), [(1, 0.1), (10, 1.0), (55, 0.525), (100, 0.05)])
def test_the_rate_rises_then_falls_to_a_twentieth(step, share):
    assert rate_at(step, source()) == pytest.approx(1e-2 * share)


def test_without_warm_up_the_rate_falls_from_the_first_step():
    rates = [rate_at(step, source(warmup_steps=0)) for step in range(1, 101)]
    assert all(one > other for one, other in itertools.pairwise(rates))


def test_a_small_model_learns_to_copy_a_letter_and_does_it_again_alike():
    def train():
        model, tokenizer = small_policy()
        documents = [
            Document(tokenizer(letter + "=")["input_ids"], [*tokenizer(letter)["input_ids"], tokenizer.eos_token_id])
            for letter in "ABCDEFGH"
        ]
        losses = []
        pretrain(model, documents, source(steps=60), tokenizer.pad_token_id, lambda step, loss: losses.append(loss))
        return model, losses

    torch.set_num_threads(1)
    (one, losses), (other, again) = train(), train()
    assert losses[-1] < 0.1 < losses[0]
    assert losses == again
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
