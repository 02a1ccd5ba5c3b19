"""The memory estimate against what a learner holds: counted bytes of its states, and what autograd saves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = [pytest.mark.deepspeed]

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from verizero.config.fit import memory_text  # noqa: E402
from verizero.config.memory import (  # noqa: E402
    BUCKET,
    EMBEDDED_CACHE,
    GIB,
    HEAD_COPIES,
    Placement,
    activation_bytes,
    cache_tokens,
    changes,
    memory_of,
)
from verizero.config.model_shape import shape_of  # noqa: E402
from verizero.config.optimizers import Advantage, Kl, Optimizer, Rollout, Weight  # noqa: E402
from verizero.objective.loss import Objective  # noqa: E402
from verizero.policy.logprobs import CHUNK_LOGITS, _head_logprobs, hidden_states  # noqa: E402
from verizero.policy.packed_attention import reads_packed  # noqa: E402
from verizero.policy.packing import pack  # noqa: E402
from verizero.rollout.start import CACHE_BYTES  # noqa: E402
from verizero.training.learner import Learner, TrainRow  # noqa: E402
from verizero.training.peak_memory import PeakMemory  # noqa: E402
from verizero.training.trained_module import engine_config  # noqa: E402

RECIPE = Optimizer(
    advantage=Advantage(baseline="group-mean"),
    weight=Weight(kind="sequence"),
    learning_rate=1e-3,
    rollout=Rollout(prompts=2, samples=2, max_tokens=16),
    steps=1,
)
OBJECTIVE = Objective(surrogate="clip", clip_low=0.2, clip_high=0.2)


def recipe(**changes) -> Optimizer:
    return Optimizer(**RECIPE.model_dump() | changes)


def small_model(width=64, layers=2, vocabulary=512, kind="qwen2"):
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
    )
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    return model.eval(), shape_of(config.to_dict())


def rows() -> list[TrainRow]:
    weight = torch.full((16,), 1 / 64)
    ids = torch.randint(3, 500, (4, 2, 16), generator=torch.Generator().manual_seed(1)).tolist()
    return [TrainRow(prompt, response, None, None, torch.full((16,), 1.0), weight) for prompt, response in ids]


def storages(*roots: object) -> int:
    """Bytes of every tensor that can be reached through containers and attributes of DeepSpeed's optimizer."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
            waiting += [getattr(one, name, None) for name in ("grad", "grad_accum", "ds_tensor")]
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple | set):
            waiting += one
        elif type(one).__name__.startswith("IPGBucket"):
            waiting += vars(one).values()
    found.pop(0, None)
    return sum(found.values())


@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("train_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_the_states_of_a_learner_are_those_that_are_counted(world, zero_stage, train_dtype, offload):
    how = recipe(zero_stage=zero_stage, train_dtype=train_dtype)
    model, shape = small_model()
    learner = Learner(model, how, world, 4096, offload_optimizer=offload)
    learner.update(rows(), OBJECTIVE, 1e-3)  # moments are made by the first
    engine, counted = learner.held.engine, []
    step = engine.step

    def counting() -> None:
        held = vars(engine.optimizer)
        counted.append(storages(held, held["optimizer"].state, list(engine.module.parameters())))
        step()

    engine.step = counting
    learner.update(rows(), OBJECTIVE, 1e-3)
    memory = memory_of(shape, how, Placement(offload_optimizer=offload, on_gpu=False), CHUNK_LOGITS)
    parts = memory.always | memory.host
    # what ends with the backward pass is not there any more at the step
    said = sum(parts.values()) + memory.training["gradients"]
    assert counted[0] == pytest.approx(said, rel=0.05)


def tensors_of(packed):
    """What a packed row holds, whatever reads it."""
    tables = [part for table in packed.segments.tables for part in vars(table).values()]
    tables.append(packed.segments.found_at)
    rest = [*vars(packed).values(), *vars(packed.segments).values()]
    return [one for one in (*rest, *tables) if isinstance(one, torch.Tensor)]


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
@pytest.mark.parametrize("train_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["qwen2", "llama", "qwen3"])
def test_activations_are_what_autograd_saves(kind, train_dtype, gradient_checkpointing):
    how = recipe(train_dtype=train_dtype, gradient_checkpointing=gradient_checkpointing)
    model, shape = small_model(layers=6, width=128, kind=kind)
    model = model.to(getattr(torch, train_dtype))
    if gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    packed = pack([([one] * 16, [5] * 49) for one in range(4)])  # 256 tokens, 320 keys, nothing padded
    own |= {tensor.untyped_storage().data_ptr() for tensor in tensors_of(packed)}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden_states(reads_packed(model), packed)
    own |= {bias.untyped_storage().data_ptr() for biases in packed.segments._biases.values() for bias in biases}
    counted = sum(t.untyped_storage().nbytes() for pointer, t in saved.items() if pointer not in own)

    def estimate(shape, how):
        return activation_bytes(shape, how, 256, keys=320 / 256, on_gpu=False)

    said = estimate(shape, how)
    if gradient_checkpointing:  # and one layer at a time is computed again
        one = how.model_copy(update={"gradient_checkpointing": False})
        said -= estimate(replace(shape, layers=2), one) - estimate(replace(shape, layers=1), one)
    assert counted == pytest.approx(said, rel=0.05)


def test_a_chunk_of_logits_takes_so_many_copies():
    vocabulary, tokens = 1 << 14, 512
    head = torch.nn.Linear(16, vocabulary, bias=False)
    states, targets = torch.randn(tokens, 16, requires_grad=True), torch.randint(0, vocabulary, (tokens,))
    peak = PeakMemory(torch.device("cpu"))
    peak.begin()
    before = peak.gib()
    logprobs, _ = _head_logprobs(head, states, targets, 0.9)
    logprobs.sum().backward()
    assert (peak.gib() - before) * GIB / (4 * vocabulary * tokens) == pytest.approx(HEAD_COPIES, rel=0.25)


def test_constants_are_those_of_the_code_that_they_speak_of(world):
    assert engine_config(RECIPE, 10**12, world)["zero_optimization"]["reduce_bucket_size"] == BUCKET
    assert EMBEDDED_CACHE == CACHE_BYTES


QWEN_7B = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}
SEVEN = shape_of(QWEN_7B)
EIGHT = Placement(processes=8, micro_batch_tokens=16384, gpu_gib=80)


def seven(**changes) -> Optimizer:
    rollout = Rollout(prompts=128, samples=8, max_tokens=3000, engine="vllm", dtype="bfloat16")
    usual = {"train_dtype": "bfloat16", "zero_stage": 2, "gradient_checkpointing": True, "rollout": rollout}
    return recipe(**usual | changes)


def test_sharing_out_halves_what_is_shared_and_nothing_else():
    eight, sixteen = (memory_of(SEVEN, seven(), replace(EIGHT, processes=n), CHUNK_LOGITS) for n in (8, 16))
    for part in ("master weights", "Adam's moments"):
        assert sixteen.always[part] == eight.always[part] / 2
    assert sixteen.always["weights"] == eight.always["weights"] == 2 * SEVEN.parameters
    assert sixteen.training["gradients"] == eight.training["gradients"] / 2


def test_each_change_makes_a_run_smaller_and_the_first_ones_cost_least():
    how = seven(gradient_checkpointing=False, zero_stage=1, kl=Kl(coefficient=0.01))
    where = replace(EIGHT, processes=2)
    sizes = [memory_of(SEVEN, how, where, CHUNK_LOGITS).peaks["training"]]
    steps = changes(SEVEN, how, where)
    sizes += [memory_of(SEVEN, step.recipe, step.where, CHUNK_LOGITS).peaks["training"] for step in steps]
    assert sizes == sorted(sizes, reverse=True)
    assert [step.words.split(":")[0] for step in steps[:6]] == [
        "runtime.vllm_train_memory_percent",
        "runtime.micro_batch_tokens",
        "gradient_checkpointing",
        "zero_stage",
        "zero_stage",
        "runtime.offload_optimizer",
    ]


def test_a_reference_policy_and_a_critic_are_held_as_well():
    plain = memory_of(SEVEN, seven(), EIGHT, CHUNK_LOGITS).always
    referred = memory_of(SEVEN, seven(kl=Kl(coefficient=0.01)), EIGHT, CHUNK_LOGITS).always
    assert sum(referred.values()) - sum(plain.values()) == 2 * SEVEN.parameters


def test_what_vllm_has_beside_its_weights_is_cache():
    tokens = cache_tokens(SEVEN, seven(), EIGHT)
    assert tokens == int((40 * GIB - 2 * SEVEN.parameters) / 57_344)
    assert memory_of(SEVEN, seven(), EIGHT, CHUNK_LOGITS).rollout == {"vLLM": 40 * GIB}


def test_processes_that_share_a_vllm_hold_a_part_of_its_weights_and_of_each_token():
    tokens = cache_tokens(SEVEN, seven(), replace(EIGHT, tensor_parallel=4, engine_share=0.3))
    assert tokens == int((24 * GIB - 2 * SEVEN.parameters / 4) * 4 / 57_344)


def test_the_machine_must_hold_a_model_for_each_process_while_they_load():
    said = memory_text(SEVEN, seven(), EIGHT, CHUNK_LOGITS)
    assert "runtime.mem_mb must be 20000 at least" in said


def test_where_vllm_takes_too_much_a_smaller_share_is_what_costs_least():
    said = memory_text(SEVEN, seven(), replace(EIGHT, engine_share=0.9), CHUNK_LOGITS)
    assert said.split("before it:\n")[1].split()[1:3] == ["runtime.vllm_train_memory_percent:", "32"]


def test_a_run_that_does_not_fit_is_told_what_to_change_until_it_does():
    said = memory_text(SEVEN, seven(zero_stage=1), replace(EIGHT, processes=4), CHUNK_LOGITS)
    assert "It does not fit. What would make it smaller" in said
    offered = said.split("before it:\n")[1].splitlines()
    assert all(float(line.split()[0]) > 80 for line in offered[:-1])
    assert float(offered[-1].split()[0]) <= 80 and offered[-1].endswith(": it fits")


def test_parts_add_up_to_what_is_said_of_a_phase():
    said = memory_text(SEVEN, seven(zero_stage=3), EIGHT, CHUNK_LOGITS)
    parts = {
        line[:32].strip(): float(line[32:].split()[0])
        for line in said.splitlines()[1:]
        if line.startswith("  ") and "cache" not in line and "mem_mb" not in line
    }
    assert parts["training phase, at most"] == pytest.approx(
        parts["held all the time"] + parts["and while it trains"], abs=0.02
    )
    assert "It fits, with " in said


def test_where_vllm_has_no_room_for_one_sequence_that_is_said():
    said = memory_text(SEVEN, seven(zero_stage=3), replace(EIGHT, gpu_gib=24), CHUNK_LOGITS)
    assert "It does not fit: vLLM's 50% of the GPU must hold 14.2 GiB of weights" in said


def test_a_dry_run_estimates_from_a_config_json_alone(tmp_path):
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    python = [sys.executable, str(root / "scripts" / "spec.py"), "train", "tiny.sums.plain.grpo.s1"]
    spec = subprocess.run(python, capture_output=True, text=True, check=True, cwd=root).stdout
    program = [sys.executable, str(root / "scripts" / "train.py"), "--dry", "--spec", spec, "--model", str(tmp_path)]
    gpus = ["--processes", "8", "--gpu-memory", "80"]
    done = subprocess.run([*program, *gpus], capture_output=True, text=True, check=True)
    assert "memory of each of 8 processes on a GPU, in GiB: 7.62 billion parameters, ZeRO 2, bfloat16" in done.stdout
    assert "master weights" in done.stdout
    (tmp_path / "config.json").unlink()
    wrong = subprocess.run(program, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "has no config.json" in wrong.stderr
