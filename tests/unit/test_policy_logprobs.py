"""Log-probabilities from packed rows and by chunks equal the naive computation, in value and in gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_small import small_policy

from verizero.artifacts.errors import UserError
from verizero.policy import logprobs as module
from verizero.policy.logprobs import LogprobAndEntropy, token_logprobs
from verizero.policy.packed_attention import PACKED, reads_packed
from verizero.policy.packing import FILLER, pack, places_of

VOCABULARY = 34


def tokens(count, seed):
    return torch.randint(0, VOCABULARY, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def batch():
    """Two prompts with several responses of different lengths, their rows mixed, and one alone."""
    first, second, third = tokens(9, 1), tokens(4, 2), tokens(1, 3)
    lengths = [(first, 7), (second, 1), (first, 16), (third, 3), (second, 12), (first, 7), (first, 2)]
    return [(prompt, tokens(length, 10 + number)) for number, (prompt, length) in enumerate(lengths)]


def naive(model, pairs, temperature, window=None):
    """Each row alone, through all logits."""
    found = []
    for prompt, response in pairs:
        ids = torch.tensor([prompt + response])
        seen = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
        if window:
            seen &= ~torch.ones_like(seen).tril(-window)
        logits = model(input_ids=ids, attention_mask=seen[None, None]).logits[0, len(prompt) - 1 : -1] / temperature
        everything = logits.float().log_softmax(-1)
        taken = everything.gather(-1, torch.tensor(response)[:, None]).squeeze(-1)
        found.append((taken, -(everything.exp() * everything).sum(-1)))
    return tuple(torch.cat(part) for part in zip(*found, strict=True))


def gradients(model, values):
    weight = torch.rand(len(values[0]), generator=torch.Generator().manual_seed(0))
    model.zero_grad()
    (values[0] * weight + 0.1 * values[1]).sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_packed_rows_by_chunks_equal_the_naive_computation_in_value_and_gradient(monkeypatch, chunk, temperature):
    pairs, model = batch(), small_policy()[0]
    theirs = naive(model, pairs, temperature)
    their_gradients = gradients(model, theirs)
    monkeypatch.setattr(module, "CHUNK_LOGITS", chunk * model.config.vocab_size)
    ours = token_logprobs(reads_packed(model), pack(pairs), temperature)
    our_gradients = gradients(model, ours)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)
    for mine, other in zip(our_gradients, their_gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=2e-4, rtol=1e-4)


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), min_size=1, max_size=12),
    lengths=st.tuples(st.integers(1, 30), st.integers(1, 5), st.integers(1, 60)),
)
@settings(max_examples=25, deadline=None)
def test_what_shares_a_row_does_not_matter(rows, lengths):
    model = small_policy(layers=1)[0]
    prompts = [tokens(length, 90 + place) for place, length in enumerate(lengths)]
    pairs = [(prompts[prompt], tokens(length, number)) for number, (prompt, length) in enumerate(rows)]
    with torch.no_grad():
        alone = naive(model, pairs, 1.0)
        together = token_logprobs(reads_packed(model), pack(pairs))
    for mine, other in zip(together, alone, strict=True):
        torch.testing.assert_close(mine, other, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("window", [1, 5, 100])
def test_a_sliding_window_reaches_over_prompt_and_response(window):
    pairs, model = batch(), small_policy()[0]
    with torch.no_grad():
        alone = naive(model, pairs, 1.0, window)
        reads_packed(model)
        for layer in model.get_decoder().layers:
            layer.self_attn.sliding_window = window
        together = token_logprobs(model, pack(pairs))
    for mine, other in zip(together, alone, strict=True):
        torch.testing.assert_close(mine, other, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradient_checkpointing_reads_the_same_row_again(checkpointing):
    pairs, model = batch(), small_policy()[0]
    expected = gradients(model, naive(model, pairs, 1.0))
    reads_packed(model)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    for mine, other in zip(gradients(model, token_logprobs(model, pack(pairs))), expected, strict=True):
        torch.testing.assert_close(mine, other, atol=2e-4, rtol=1e-4)


def test_a_prompt_is_read_once_and_the_last_token_of_a_response_never():
    pairs = batch()
    assert places_of(pairs) == 9 + 4 + 1 + sum(len(response) - 1 for _, response in pairs)
    packed = pack(pairs)
    assert packed.places == FILLER * -(-places_of(pairs) // FILLER)
    assert packed.targets.tolist() == [token for _, response in pairs for token in response]
    assert packed.mask.sum(1).tolist() == [len(response) for _, response in pairs]


def test_a_model_that_reads_packed_rows_refuses_others():
    model = reads_packed(small_policy()[0])
    assert model.config._attn_implementation == PACKED
    with pytest.raises(ValueError, match="packed rows only"):
        model(input_ids=torch.zeros((1, 4), dtype=torch.long))


def test_no_tensor_of_all_tokens_and_the_vocabulary_is_made(monkeypatch):
    model = reads_packed(small_policy()[0])
    monkeypatch.setattr(module, "CHUNK_LOGITS", 8 * model.config.vocab_size)
    largest = 0

    def watch(_module, _inputs, output):
        nonlocal largest
        largest = max(largest, output.numel())

    model.get_output_embeddings().register_forward_hook(watch)
    token_logprobs(model, pack(batch()))[0].sum().backward()
    assert largest == 8 * model.config.vocab_size


def test_entropy_of_a_uniform_policy_is_the_log_of_the_vocabulary():
    model = reads_packed(small_policy()[0])
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    taken, entropy = token_logprobs(model, pack(batch()))
    expected = torch.log(torch.tensor(float(model.config.vocab_size))).expand(len(taken))
    torch.testing.assert_close(entropy, expected)
    torch.testing.assert_close(taken, -expected)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("spread", [0.1, 3.0, 60.0])
def test_the_gradients_of_logprob_and_entropy_are_those_of_autograd(spread, temperature):
    generator = torch.Generator().manual_seed(0)
    logits = (spread * torch.randn(5, 11, generator=generator)).requires_grad_()
    targets, weight = torch.tensor([0, 10, 3, 3, 7]), torch.randn(2, 5, generator=generator)
    everything = (logits / temperature).log_softmax(-1)
    plain = everything.gather(-1, targets[:, None]).squeeze(-1), -(everything.exp() * everything).sum(-1)
    ours = LogprobAndEntropy.apply(logits, targets, temperature)
    for some in ((0,), (1,), (0, 1)):
        sums = [sum((weight[one] * values[one]).sum() for one in some) for values in (ours, plain)]
        mine, theirs = (torch.autograd.grad(total, logits, retain_graph=True)[0] for total in sums)
        torch.testing.assert_close(mine, theirs, atol=1e-5 * max(1.0, spread), rtol=1e-4)
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5 * max(1.0, spread), rtol=1e-5)


def test_logits_in_bfloat16_are_divided_by_the_temperature_in_float32():
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(50, 200, generator=generator)).bfloat16()
    targets = torch.randint(0, 200, (50,), generator=generator)
    expected = (logits.float() / 0.7).log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)
    torch.testing.assert_close(LogprobAndEntropy.apply(logits, targets, 0.7)[0], expected, atol=2e-5, rtol=1e-5)


def test_layers_that_packing_would_compute_wrong_are_refused():
    model = small_policy()[0]
    model.config.layer_types = ["full_attention", "conv"]
    with pytest.raises(UserError, match="has layers of kind conv"):
        reads_packed(model)
    model = reads_packed(small_policy()[0])
    with pytest.raises(UserError, match="attention has `softcap`"):
        packed = pack(batch())
        model.get_decoder()(packed.input_ids, position_ids=packed.position_ids, segments=packed.segments, softcap=5.0)
