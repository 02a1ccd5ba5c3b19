"""vLLM beside a learner on a GPU: what is woken when, and what happens where a sleep loses more than an update brings back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from policy_small import small_policy

pytest.importorskip("vllm", reason="vLLM is an extra of the CPU environment")

from verizero.artifacts.errors import UserError
from verizero.policy.load import load_policy
from verizero.policy.logprobs import token_logprobs
from verizero.policy.packed_attention import reads_packed
from verizero.policy.packing import pack
from verizero.policy.save import save_policy
from verizero.rollout import vllm_engine
from verizero.rollout.engine import Asleep, Sampling, VllmRuntime
from verizero.rollout.start import start_engine
from verizero.rollout.vllm_engine import VllmEngine
from verizero.training.first_sleep import prove_sleep, with_known_level
from verizero.training.learner import Score
from verizero.training.world import World

pytestmark = pytest.mark.vllm
SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=6)
PROMPTS = [[3, 4, 5], [6, 7]]


class FakeLLM:
    """What vLLM does with memory, around a real policy: weights, a cache, and a buffer that is made when a model is loaded.

    `memory` is what is there of each; asking for what is not there is an error, as on a GPU. `buffer_survives` says whether
    level 2 keeps the buffer, and without it log-probabilities are nonsense.
    """

    calls: list[object]
    buffer_survives: bool
    policy: torch.nn.Module

    def __init__(self, **options):
        FakeLLM.calls.append(("start", options["gpu_memory_utilization"], options["enable_sleep_mode"]))
        self.weights: object = FakeLLM.policy
        self.memory, self.buffer, self.level, self.open = {"weights", "kv_cache"}, True, 0, True
        core = SimpleNamespace(shutdown=self.shutdown)
        config = SimpleNamespace(hf_config=SimpleNamespace(tie_word_embeddings=False))
        self.llm_engine = SimpleNamespace(engine_core=core, model_config=config)

    def shutdown(self):
        FakeLLM.calls.append("shutdown")
        self.memory, self.open = set(), False

    def sleep(self, level):
        FakeLLM.calls.append(("sleep", level))
        assert self.memory == {"weights", "kv_cache"}
        self.memory, self.level = set(), level
        if level == 2:
            self.weights, self.buffer = None, FakeLLM.buffer_survives and self.buffer

    def wake_up(self, tags):
        FakeLLM.calls.append(("wake", *tags))
        assert not self.memory & set(tags)
        self.memory |= set(tags)

    def collective_rpc(self, name, kwargs):
        assert name == "reload_weights" and "weights" in self.memory
        # a cache that is there while weights are loaded is memory that the learner needs
        FakeLLM.calls.append(("load", "cache there" if "kv_cache" in self.memory else "no cache"))
        assert dict(kwargs["weights_iterator"])
        self.weights = FakeLLM.policy

    def reset_prefix_cache(self):
        FakeLLM.calls.append("reset")

    def generate(self, requests, parameters, use_tqdm):
        assert self.open and self.memory == {"weights", "kv_cache"} and self.weights is not None
        FakeLLM.calls.append("generate")
        outputs = []
        for place, request in enumerate(requests):
            ids = [(place + 3 * step) % 11 + 2 for step in range(parameters[0].max_tokens)]
            logprobs = scored(request["prompt_token_ids"], ids)
            steps = [
                {token: SimpleNamespace(logprob=float(value) - (0.0 if self.buffer else 7.0))}
                for token, value in zip(ids, logprobs, strict=True)
            ]
            output = SimpleNamespace(token_ids=ids, logprobs=steps, text="", finish_reason="length")
            outputs.append(SimpleNamespace(outputs=[output]))
        return outputs


def scored(prompt, response):
    """Log-probabilities of a response under the policy."""
    with torch.no_grad():
        return token_logprobs(FakeLLM.policy, pack([(prompt, response)]))[0]


class Learner:
    """As far as an engine is compared with one."""

    world = World(0, 1, torch.device("cpu"))
    settings = SimpleNamespace(rollout=SimpleNamespace(max_logprob_gap=0.05))

    def named_weights(self):
        return FakeLLM.policy.named_parameters()

    def score(self, pairs):
        return [Score(scored(*pair), torch.zeros(len(pair[1]))) for pair in pairs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    save_policy(*small_policy(layers=1), folder, "float32")
    FakeLLM.policy = reads_packed(load_policy(folder, "float32")[0])
    return folder


@pytest.fixture()
def engine(folder, monkeypatch):
    """An engine that believes to be on a GPU beside a learner."""
    FakeLLM.calls, FakeLLM.buffer_survives = [], True
    monkeypatch.setattr(vllm_engine, "LLM", FakeLLM)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    threads = torch.get_num_threads()
    return VllmEngine(folder, "float32", 64, threads, 0, VllmRuntime(memory_percent=40), beside_learner=True)


def test_the_share_of_the_memory_is_what_was_said(engine):
    assert FakeLLM.calls == [("start", 0.4, True)]


def test_the_cache_comes_back_when_the_new_weights_are_in(engine):
    engine.sleep()
    engine.update(Learner().named_weights())
    engine.generate(PROMPTS, 1, SAMPLING, [1, 2])
    woken = [("sleep", 2), ("wake", "weights"), ("load", "no cache"), ("wake", "kv_cache"), "reset", "generate"]
    assert FakeLLM.calls[1:] == woken


def test_an_engine_that_was_not_asleep_is_not_woken(engine):
    engine.update(Learner().named_weights())
    assert FakeLLM.calls[1:] == [("load", "cache there"), "reset"]


def test_no_rollout_comes_between_a_sleep_and_an_update(engine):
    for _ in range(2):  # twice asleep is asleep
        engine.sleep()
        with pytest.raises(Asleep, match="only after an update"):
            engine.generate(PROMPTS, 1, SAMPLING, [1, 2])
    assert FakeLLM.calls[1:] == [("sleep", 2)]


def test_an_update_that_fails_leaves_the_engine_asleep(engine):
    def cut_off():
        yield from list(Learner().named_weights())[:1]
        raise RuntimeError("a rank is gone")

    engine.sleep()
    with pytest.raises(RuntimeError, match="a rank is gone"):
        engine.update(cut_off())
    with pytest.raises(Asleep):
        engine.generate(PROMPTS, 1, SAMPLING, [1, 2])


def asked(engine, folder, said, step=1):
    return prove_sleep(engine, Learner(), PROMPTS, SAMPLING, step, folder, said.append)


def test_where_a_sleep_loses_nothing_its_level_stays_and_nobody_is_warned(engine, tmp_path):
    said = []
    assert asked(engine, tmp_path, said)
    assert said == [] and engine.sleep_level == 2
    assert FakeLLM.calls.count("generate") == 1
    assert with_known_level(VllmRuntime(), tmp_path, Learner.world).sleep_level == 2


def test_where_a_sleep_loses_a_buffer_the_run_begins_anew_and_keeps_its_weights(folder, engine, tmp_path):
    FakeLLM.buffer_survives, said = False, []
    assert not asked(engine, tmp_path, said)
    [sentence] = said
    assert "differ from the learner's by 7.0000 nats on average, so this run begins anew with level 1" in sentence
    # vLLM must not end inside a process whose learner lives: it takes the process group with it
    assert "shutdown" not in FakeLLM.calls
    runtime = with_known_level(VllmRuntime(memory_percent=40), tmp_path, Learner.world)
    FakeLLM.calls = []
    lighter = VllmEngine(folder, "float32", 64, 1, 0, runtime, beside_learner=True)
    assert asked(lighter, tmp_path, said) and len(said) == 1
    assert [call for call in FakeLLM.calls if call[0] == "sleep"] == [("sleep", 1), ("sleep", 1)]
    lighter.update(Learner().named_weights())
    [[completion], _] = lighter.generate(PROMPTS, 1, SAMPLING, [1, 2])
    assert completion.logprobs == pytest.approx(scored(PROMPTS[0], completion.token_ids).tolist(), abs=1e-5)


def test_where_the_lighter_sleep_does_not_help_the_run_stops(folder, engine, tmp_path):
    lighter = VllmEngine(folder, "float32", 64, 1, 0, VllmRuntime(sleep_level=1), beside_learner=True)
    lighter.llm.buffer = False
    with pytest.raises(UserError, match="step 7: the engine's log-probabilities differ"):
        asked(lighter, tmp_path, [], step=7)


def test_without_a_learner_nothing_sleeps(folder, engine, tmp_path):
    alone = VllmEngine(folder, "float32", 64, 1, 0, VllmRuntime(), beside_learner=False)
    assert asked(alone, tmp_path, [])
    alone.sleep()
    assert FakeLLM.calls[1:] == [("start", 0.9, False)]


def test_the_embedded_engine_too_samples_only_after_an_update(folder):
    embedded = start_engine("transformers", folder, "float32")
    before = embedded.generate(PROMPTS, 2, SAMPLING, [1, 2])
    embedded.sleep()
    with pytest.raises(Asleep):
        embedded.generate(PROMPTS, 2, SAMPLING, [1, 2])
    embedded.update(embedded.model.named_parameters())
    assert embedded.generate(PROMPTS, 2, SAMPLING, [1, 2]) == before


@pytest.mark.parametrize(
    ("vllm_says", "advice"),
    [
        ("Free memory on device cuda:0 (20/80 GiB) on startup is less than desired GPU memory utilization (0.5, 40 GiB).", "lower"),
        ("To serve at least one request, 9 GiB KV cache is needed, which is larger than the available KV cache memory (1 GiB).", "raise"),
        ("Total number of attention heads (14) must be divisible by tensor parallel size (4).", "divides the model's attention heads"),
    ],
)  # fmt: skip
def test_what_vllm_cannot_start_with_is_one_sentence(folder, engine, monkeypatch, vllm_says, advice):
    def refuse(**options):
        raise ValueError(vllm_says)

    monkeypatch.setattr(vllm_engine, "LLM", refuse)
    with pytest.raises(UserError, match=f"vLLM does not start: .*; .*{advice}"):
        VllmEngine(folder, "float32", 64, 1, 0, VllmRuntime(), beside_learner=True)


def test_processes_that_would_belong_to_no_engine_are_refused(folder, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(UserError, match="--vllm-tensor-parallel is 3, but there are 4 processes on this node"):
        start_engine("vllm", folder, "float32", vllm=VllmRuntime(tensor_parallel=3))
