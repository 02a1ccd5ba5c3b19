"""Log-probabilities by chunks equal the naive computation, in value and in gradient."""

from __future__ import annotations

import pytest
import torch
from policy_small import small_policy

from verizero.policy import logprobs as module
from verizero.policy.logprobs import token_logprobs


def batch(side, rows=5, width=24):
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, 34, (rows, width), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(rows):
        if side == "left":
            mask[row, :row] = 0
        else:
            mask[row, width - row :] = 0
    response = mask.bool() & (torch.arange(width) >= 9)[None]
    return ids, mask, response


def naive(model, ids, mask, response, temperature):
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, :-1] / temperature
    everything = logits.log_softmax(-1)
    taken = everything.gather(-1, ids[:, 1:, None]).squeeze(-1)
    entropy = -(everything.exp() * everything).sum(-1)
    pad = torch.nn.functional.pad
    return pad(taken, (1, 0)) * response, pad(entropy, (1, 0)) * response


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_chunks_equal_the_naive_computation_in_value_and_gradient(monkeypatch, side, chunk, temperature):
    model, _ = small_policy()
    ids, mask, response = batch(side)
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk * model.config.vocab_size)
    weight = torch.rand(ids.shape, generator=torch.Generator().manual_seed(0))

    def gradient(function):
        model.zero_grad()
        taken, entropy = function(model, ids, mask, response, temperature)
        (taken * weight + 0.1 * entropy).sum().backward()
        return taken.detach(), entropy.detach(), [parameter.grad.clone() for parameter in model.parameters()]

    ours, theirs = gradient(token_logprobs), gradient(naive)
    assert torch.allclose(ours[0], theirs[0], atol=1e-5)
    assert torch.allclose(ours[1], theirs[1], atol=1e-5)
    for mine, other in zip(ours[2], theirs[2], strict=True):
        assert torch.allclose(mine, other, atol=2e-4, rtol=1e-4)


def test_no_tensor_of_all_positions_and_the_vocabulary_is_made(monkeypatch):
    model, _ = small_policy()
    ids, mask, response = batch("right", rows=6)
    monkeypatch.setattr(module, "CHUNK_LOGITS", 8 * model.config.vocab_size)
    largest = 0

    def watch(_module, _inputs, output):
        nonlocal largest
        largest = max(largest, output.numel())

    model.get_output_embeddings().register_forward_hook(watch)
    token_logprobs(model, ids, mask, response)[0].sum().backward()
    assert largest == 8 * model.config.vocab_size


def test_entropy_of_a_uniform_policy_is_the_log_of_the_vocabulary():
    model, _ = small_policy()
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    ids, mask, response = batch("right")
    taken, entropy = token_logprobs(model, ids, mask, response)
    expected = torch.log(torch.tensor(float(model.config.vocab_size)))
    assert torch.allclose(entropy[response], expected.expand(int(response.sum())))
    assert torch.allclose(taken[response], -expected.expand(int(response.sum())))
    assert not entropy[~response].any()


def test_a_batch_without_responses_gives_zeros():
    model, _ = small_policy()
    ids, mask, response = batch("right")
    taken, entropy = token_logprobs(model, ids, mask, torch.zeros_like(response))
    assert not taken.any() and not entropy.any()
