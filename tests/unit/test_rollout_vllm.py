"""The vLLM engine: the same policy as the learner's, the same tokens whatever the batch."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from policy_small import small_policy

pytest.importorskip("vllm", reason="vLLM is an extra of the CPU environment")

from verizero.policy.load import load_policy
from verizero.policy.logprobs import token_logprobs
from verizero.policy.packed_attention import reads_packed
from verizero.policy.packing import pack
from verizero.policy.save import save_policy
from verizero.rollout.engine import Asleep, Sampling
from verizero.rollout.start import start_engine
from verizero.rollout.vllm_engine import CPU_STEP_TOKENS

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

TEXTS = ["C3D18E5=", "A1B2=", "G75H5I6J4=", "D4E2F4="]
SEEDS = [11, 12, 13, 14]
SAMPLED = Sampling(temperature=0.8, top_p=1.0, max_tokens=24)
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_tokens=24)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A live model, an engine over its folder and the prompts. vLLM's CPU attention wants heads of width 32 or more."""
    folder = tmp_path_factory.mktemp("policy")
    save_policy(*small_policy(heads=2, kv_heads=2, head_width=32), folder, "float32")
    model, tokenizer = load_policy(folder, "float32")
    reads_packed(model)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    engine = start_engine("vllm", folder, "float32", max_model_len=128, threads=1, seed=5)
    kept = states[0] == random.getstate() and states[1] == np.random.get_state()[1].tolist()
    yield (
        model,
        engine,
        [tokenizer(text)["input_ids"] for text in TEXTS],
        folder,
        kept and torch.equal(states[2], torch.get_rng_state()),
    )
    engine.close()


def tokens(groups):
    return [[completion.token_ids for completion in group] for group in groups]


def gap(model, engine, prompts):
    """Largest difference between the engine's and the model's log-probabilities of sampled tokens, in nats."""
    largest = 0.0
    for prompt, group in zip(prompts, engine.generate(prompts, 3, SAMPLED, SEEDS), strict=True):
        for completion in group:
            with torch.no_grad():
                expected, _ = token_logprobs(model, pack([(prompt, completion.token_ids)]), SAMPLED.temperature)
            difference = expected - torch.tensor(completion.logprobs)
            largest = max(largest, float(difference.abs().max()))
    return largest


def disturb(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.add_(0.3 * parameter.std() * torch.randn(parameter.shape, generator=generator))


def test_starting_leaves_the_global_random_states_alone(live):
    assert live[4]


def test_tokens_do_not_depend_on_the_batch(live):
    _, engine, prompts, *_ = live
    everything = tokens(engine.generate(prompts, 3, SAMPLED, SEEDS))
    assert tokens(engine.generate(prompts[::-1], 3, SAMPLED, SEEDS[::-1])) == everything[::-1]
    assert tokens(engine.generate(prompts[2:3], 3, SAMPLED, SEEDS[2:3])) == everything[2:3]
    assert len(set(map(tuple, everything[0]))) == 3


def test_more_prompts_than_one_step_reads_get_the_same_tokens(live):
    _, engine, prompts, *_ = live
    many = [[*prompts[0], *(prompts[1][k % len(prompts[1])] for k in range(60 + n % 30))] for n in range(120)]
    sampling = Sampling(temperature=0.8, top_p=1.0, max_tokens=4)
    assert sum(map(len, many)) > 2 * CPU_STEP_TOKENS
    everything = tokens(engine.generate(many, 1, sampling, list(range(120))))
    assert tokens(engine.generate(many[60:], 1, sampling, list(range(60, 120)))) == everything[60:]


def test_greedy_tokens_are_those_of_the_transformers_engine(live):
    model, engine, prompts, folder, _ = live
    other = start_engine("transformers", folder, "float32", max_model_len=128, model=model)
    ours, theirs = engine.generate(prompts, 1, GREEDY, SEEDS), other.generate(prompts, 1, GREEDY, SEEDS)
    assert tokens(ours) == tokens(theirs)
    assert [(group[0].text, group[0].finish) for group in ours] == [
        (group[0].text, group[0].finish) for group in theirs
    ]
    assert ours[0][0].logprobs == pytest.approx(theirs[0][0].logprobs, abs=1e-4)


def test_a_stop_string_stays_in_the_text(live):
    _, engine, prompts, *_ = live
    stop = engine.generate(prompts, 1, GREEDY, SEEDS)[0][0].text[2:4]
    completion = engine.generate(prompts, 1, Sampling(0.0, 1.0, 24, (stop,)), SEEDS)[0][0]
    assert completion.text.endswith(stop) and completion.finish == "stop"


def test_after_an_update_log_probabilities_are_the_learners_and_before_they_are_not(live):
    model, engine, prompts, *_ = live
    disturb(model, 1)
    assert gap(model, engine, prompts) > 0.1
    engine.update(model.named_parameters(remove_duplicate=False))
    assert gap(model, engine, prompts) < 1e-4


def test_an_update_without_the_name_of_the_tied_head_reaches_the_head_too(live):
    model, engine, prompts, *_ = live
    disturb(model, 2)
    engine.update(model.named_parameters())
    assert gap(model, engine, prompts) < 1e-4


def test_the_engine_keeps_its_own_copy_of_the_weights(live):
    model, engine, prompts, *_ = live
    engine.update(model.named_parameters())
    before = tokens(engine.generate(prompts, 1, GREEDY, SEEDS))
    disturb(model, 3)
    assert tokens(engine.generate(prompts, 1, GREEDY, SEEDS)) == before
    engine.update(model.named_parameters())


def test_only_an_update_ends_a_sleep(live):
    model, engine, prompts, *_ = live
    engine.sleep()
    with pytest.raises(Asleep):
        engine.generate(prompts, 1, GREEDY, SEEDS)
    engine.update(model.named_parameters())
    assert gap(model, engine, prompts) < 1e-4


def test_two_processes_that_share_an_engine_get_what_each_asked_for(live, tmp_path):
    program = Path(__file__).parents[1] / "integration" / "shared_engine.py"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--"]
    done = subprocess.run(
        [sys.executable, *launcher, str(program), str(live[3]), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    embedded = start_engine("transformers", live[3], "float32", max_model_len=64)
    asked = [[3, 14, 5], [6, 7, 8, 15], [9, 10]]
    expected = tokens(embedded.generate(asked, 2, Sampling(0.0, 1.0, 8), [0, 1, 2]))
    assert first["said"][0] == expected and second["said"][0] == []
    assert first["said"][1] == [] and second["said"][1] == second["expected"] != expected
    assert first["finished"] == 2 * 3 * 2, "each completion is counted once"


def test_nothing_to_sample_is_no_call(live):
    assert live[1].generate([], 3, SAMPLED, []) == []
