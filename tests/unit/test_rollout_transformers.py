"""The transformers engine: what it samples is what the model says, whatever else is in the batch."""

from __future__ import annotations

import copy

import pytest
import torch
from policy_small import small_policy

from verizero.artifacts.errors import UserError
from verizero.policy.logprobs import token_logprobs
from verizero.policy.packed_attention import reads_packed
from verizero.policy.packing import pack
from verizero.policy.save import save_policy
from verizero.rollout.engine import Sampling
from verizero.rollout.start import start_engine
from verizero.rollout.transformers_engine import TransformersEngine

TEXTS = ["C3D18E5=", "A1B2=", "G75H5I6J4=", "D4E2F4=", "B=", "L9A8C7D6="]
SEEDS = [11, 12, 13, 14, 15, 16]
SAMPLED = Sampling(temperature=0.9, top_p=1.0, max_tokens=40)


def engine_of(model, tokenizer, seats=256, ends=None):
    ends = [tokenizer.eos_token_id] if ends is None else ends
    return TransformersEngine(model, tokenizer, ends, 256, seats)


@pytest.fixture(scope="module")
def policy():
    return small_policy()


@pytest.fixture(scope="module")
def prompts(policy):
    return [policy[1](text)["input_ids"] for text in TEXTS]


def tokens(groups):
    return [[completion.token_ids for completion in group] for group in groups]


def test_log_probabilities_are_the_models_at_the_sampling_temperature(policy, prompts):
    model = reads_packed(copy.deepcopy(policy[0]))
    for prompt, group in zip(prompts, engine_of(*policy).generate(prompts, 3, SAMPLED, SEEDS), strict=True):
        for completion in group:
            expected, _ = token_logprobs(model, pack([(prompt, completion.token_ids)]), SAMPLED.temperature)
            assert expected.tolist() == pytest.approx(completion.logprobs, abs=2e-5)


@pytest.mark.parametrize("seats", [1, 2, 5, 18])
def test_tokens_do_not_depend_on_how_many_sit_together(policy, prompts, seats):
    everything = engine_of(*policy).generate(prompts, 3, SAMPLED, SEEDS)
    assert tokens(engine_of(*policy, seats=seats).generate(prompts, 3, SAMPLED, SEEDS)) == tokens(everything)


def test_tokens_do_not_depend_on_order_or_on_the_other_prompts(policy, prompts):
    engine = engine_of(*policy)
    everything = tokens(engine.generate(prompts, 3, SAMPLED, SEEDS))
    assert tokens(engine.generate(prompts[::-1], 3, SAMPLED, SEEDS[::-1])) == everything[::-1]
    assert tokens(engine.generate(prompts[2:3], 3, SAMPLED, SEEDS[2:3])) == everything[2:3]
    assert [group[:2] for group in everything] == tokens(engine.generate(prompts, 2, SAMPLED, SEEDS))


def test_samples_and_seeds_differ(policy, prompts):
    engine = engine_of(*policy)
    group = tokens(engine.generate(prompts[:1], 8, SAMPLED, [1]))[0]
    assert len(set(map(tuple, group))) == 8
    assert tokens(engine.generate(prompts[:1], 8, SAMPLED, [2]))[0] != group


def test_a_shorter_limit_gives_the_beginning_of_the_same_completions(policy, prompts):
    engine = engine_of(*policy)
    short = Sampling(SAMPLED.temperature, 1.0, 7)
    for long, cut in zip(
        engine.generate(prompts, 2, SAMPLED, SEEDS), engine.generate(prompts, 2, short, SEEDS), strict=True
    ):
        for one, other in zip(long, cut, strict=True):
            assert other.token_ids == one.token_ids[:7]
            assert other.finish == ("length" if len(one.token_ids) > 7 or one.finish == "length" else "stop")


def test_greedy_is_what_transformers_own_generate_says(policy, prompts):
    model, _tokenizer = policy
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=30)
    for prompt, group in zip(prompts, engine_of(*policy).generate(prompts, 1, greedy, SEEDS), strict=True):
        output = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), do_sample=False, max_new_tokens=30
        )
        assert group[0].token_ids == output[0, len(prompt) :].tolist()


def test_an_end_token_ends_a_completion_and_is_part_of_it(policy, prompts):
    _, _tokenizer = policy
    every = engine_of(*policy, ends=[]).generate(prompts, 4, SAMPLED, SEEDS)
    end = every[0][0].token_ids[5]
    for before, after in zip(every, engine_of(*policy, ends=[end]).generate(prompts, 4, SAMPLED, SEEDS), strict=True):
        for one, other in zip(before, after, strict=True):
            cut = one.token_ids.index(end) + 1 if end in one.token_ids else len(one.token_ids)
            assert other.token_ids == one.token_ids[:cut]
            assert other.finish == ("stop" if end in one.token_ids else "length")
            assert len(other.logprobs) == len(other.token_ids)


def test_a_stop_string_ends_the_completion_and_stays_in_its_text(policy, prompts):
    free = engine_of(*policy, ends=[]).generate(prompts, 4, SAMPLED, SEEDS)
    stop = free[0][0].text[4:7]
    limited = Sampling(SAMPLED.temperature, 1.0, SAMPLED.max_tokens, stop=("no such text", stop))
    stopped = 0
    for before, after in zip(free, engine_of(*policy, ends=[]).generate(prompts, 4, limited, SEEDS), strict=True):
        for one, other in zip(before, after, strict=True):
            found = one.text.find(stop)
            assert other.text == (one.text if found < 0 else one.text[: found + len(stop)])
            assert other.finish == ("length" if found < 0 else "stop")
            stopped += found >= 0
    assert stopped


def test_the_text_leaves_special_tokens_out(policy, prompts):
    _, tokenizer = policy
    loose = engine_of(*policy, ends=[]).generate(prompts, 2, SAMPLED, SEEDS)[0][0]
    end = loose.token_ids[3]
    completion = engine_of(*policy, ends=[end]).generate(prompts, 2, SAMPLED, SEEDS)[0][0]
    assert completion.text == tokenizer.decode(completion.token_ids, skip_special_tokens=True)


def test_top_p_samples_only_from_the_nucleus(policy, prompts):
    narrow = Sampling(temperature=1.0, top_p=1e-6, max_tokens=20)
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=20)
    engine = engine_of(*policy)
    one, other = engine.generate(prompts, 1, narrow, SEEDS), engine.generate(prompts, 1, greedy, SEEDS)
    assert tokens(one) == tokens(other)
    assert one[0][0].logprobs == pytest.approx([0.0] * 20, abs=1e-6)


def test_a_prompt_that_does_not_fit_is_refused(policy, prompts):
    with pytest.raises(UserError, match="more than the model's max_model_len 256"):
        engine_of(*policy).generate(prompts, 1, Sampling(1.0, 1.0, 250), SEEDS)


def test_the_learner_finds_the_model_as_it_left_it(prompts):
    model, tokenizer = small_policy()
    model.train()
    attention = model.config._attn_implementation
    engine_of(model, tokenizer).generate(prompts, 1, SAMPLED, SEEDS)
    assert model.training and model.config._attn_implementation == attention
    loss = model(input_ids=torch.tensor([prompts[0]])).logits.sum()
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_live_model_is_shared_and_its_new_weights_are_sampled_from_at_once(tmp_path, prompts):
    model, tokenizer = small_policy()
    save_policy(model, tokenizer, tmp_path, "float32")
    engine = start_engine("transformers", tmp_path, "float32", model=model)
    before = tokens(engine.generate(prompts, 1, SAMPLED, SEEDS))
    with torch.no_grad():
        model.get_input_embeddings().weight.neg_()
    engine.update(model.named_parameters())
    assert tokens(engine.generate(prompts, 1, SAMPLED, SEEDS)) != before


def test_an_engine_of_its_own_samples_from_the_old_weights_until_updated(tmp_path, prompts):
    model, tokenizer = small_policy()
    save_policy(model, tokenizer, tmp_path, "float32")
    engine = start_engine("transformers", tmp_path, "float32")
    before = tokens(engine.generate(prompts, 1, SAMPLED, SEEDS))
    with torch.no_grad():
        model.get_input_embeddings().weight.neg_()
    assert tokens(engine.generate(prompts, 1, SAMPLED, SEEDS)) == before
    engine.update(model.named_parameters(remove_duplicate=False))
    expected = engine_of(model, tokenizer).generate(prompts, 1, SAMPLED, SEEDS)
    assert tokens(engine.generate(prompts, 1, SAMPLED, SEEDS)) == tokens(expected)


def test_an_incomplete_or_foreign_update_is_an_error(tmp_path):
    model, tokenizer = small_policy()
    save_policy(model, tokenizer, tmp_path, "float32")
    engine = start_engine("transformers", tmp_path, "float32")
    weights = dict(model.named_parameters())
    with pytest.raises(ValueError, match=r"the weight elsewhere\.weight is not"):
        engine.update(iter([("elsewhere.weight", torch.zeros(1))]))
    weights.pop("model.norm.weight")
    with pytest.raises(ValueError, match=r"no new values came for 1 weights .* model\.norm\.weight"):
        engine.update(iter(weights.items()))


def test_progress_counts_every_completion(policy, prompts):
    engine, counted = engine_of(*policy, seats=4), [0, 0]

    def count(completions, tokens):
        counted[0] += completions
        counted[1] += tokens

    engine.progress = count
    groups = engine.generate(prompts, 3, SAMPLED, SEEDS)
    assert counted == [18, sum(len(c.token_ids) for group in groups for c in group)]


def test_sliding_window_models_are_refused(policy):
    model, tokenizer = small_policy()
    model.config.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(UserError, match="sliding_attention"):
        engine_of(model, tokenizer)


def test_a_bfloat16_model_samples(prompts):
    model, tokenizer = small_policy()
    groups = engine_of(model.to(torch.bfloat16), tokenizer).generate(prompts, 2, SAMPLED, SEEDS)
    assert all(len(c.logprobs) == len(c.token_ids) > 0 for group in groups for c in group)
