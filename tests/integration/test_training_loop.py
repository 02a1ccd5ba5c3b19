"""The loop on a policy of a few thousand weights: DeepSpeed, the real engine and the real grader, in this process."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.deepspeed

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from training_inputs import assert_alike, make_inputs, run_of, typed_recipe  # noqa: E402

from verizero.artifacts.errors import UserError  # noqa: E402
from verizero.policy import logprobs  # noqa: E402
from verizero.problems.problem import read_problems  # noqa: E402
from verizero.training import loop  # noqa: E402
from verizero.training.learner import Learner  # noqa: E402
from verizero.training.prompts import readable_prompts  # noqa: E402


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs") / "results")


@pytest.fixture
def run(world, inputs, tmp_path):
    """Train in this process: events, the kept weights of the last step, and where the run's state lies."""

    def train(name="run", micro_batch_tokens=512, **changes):
        return run_of(inputs, tmp_path / name, world, micro_batch_tokens, **changes)

    return train


def test_reward_rises_and_wrong_answers_become_rare(run):
    events, _ = run(steps=30, learning_rate=3e-3, checkpoints=[])
    rewards = [event["metrics"]["reward_mean"] for event in events]
    assert sum(rewards[:5]) / 5 < 0.65
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2


def test_every_measurement_of_a_step_is_there(run):
    events, _ = run(steps=2, checkpoints=[])
    metrics, timing = events[0]["metrics"], events[0]["timing"]
    assert all(value is None or isinstance(value, int | float) for value in metrics.values())
    assert metrics["logprob_gap_max"] < 1e-4
    assert 0 < metrics["entropy"] < 1.5
    assert metrics["tokens"] == round(metrics["length_mean"] * 20)
    assert 0 < metrics["trained_tokens"] <= metrics["tokens"]
    assert metrics["grad_norm"] > 0
    assert metrics["kl_old"] > 0, "the second update of a step sees another policy than the one that sampled"
    assert metrics["kl_reference"] is None
    phases = {"sync", "generate", "check", "grade", "advantage", "score", "train", "save"}
    assert {f"seconds_{phase}" for phase in phases} <= set(timing)
    assert sum(timing[f"seconds_{phase}"] for phase in phases) == pytest.approx(
        timing["seconds_step"], rel=0.1, abs=0.01
    )
    assert 0 < timing["peak_gib_train"] < 10
    assert {f"peak_gib_{phase}" for phase in phases} <= set(timing)
    assert not any("peak" in name for name in metrics), "memory differs from one time to the next"


def test_micro_batches_change_a_run_within_float_tolerance_only(run):
    one, whole = run("rows", micro_batch_tokens=1, steps=3), run("batch", micro_batch_tokens=4096, steps=3)
    assert_alike(one, whole)


def test_skipping_responses_without_advantage_changes_nothing(run):
    # an entropy bonus of 1e-30 is no bonus, but it makes every token count
    skipped, all_tokens = run("skipped", steps=3), run("all", steps=3, entropy_coefficient=1e-30)
    assert sum(event["metrics"]["trained_tokens"] for event in skipped[0]) < sum(
        event["metrics"]["tokens"] for event in skipped[0]
    )
    assert [event["metrics"]["trained_tokens"] for event in all_tokens[0]] == [
        event["metrics"]["tokens"] for event in all_tokens[0]
    ]
    for events in (skipped[0], all_tokens[0]):
        for event in events:
            for seen in ("trained_tokens", "kl_old"):  # these are of the tokens that were seen
                event["metrics"].pop(seen)
    assert_alike(skipped, all_tokens)


def test_a_divergence_from_the_base_model_starts_at_zero_and_is_held_down(run):
    free, _ = run("free", steps=12, learning_rate=3e-3, kl={"coefficient": 1e-6})
    held, _ = run("held", steps=12, learning_rate=3e-3, kl={"coefficient": 1.0})
    found = [[event["metrics"]["kl_reference"] for event in events] for events in (free, held)]
    assert found[0][0] < 0.01
    assert sum(found[0][6:]) > 0.1
    assert sum(found[1][6:]) < 0.5 * sum(found[0][6:])


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_the_learning_rate_of_the_warm_up_is_the_one_that_is_applied(run, inputs, zero_stage):
    events, weights = run(steps=2, warmup_steps=10**6, zero_stage=zero_stage, checkpoints=[])
    assert [event["metrics"]["learning_rate"] for event in events] == pytest.approx([2e-9, 4e-9])
    before = load_file(inputs[0].parent / "payload" / "model.safetensors")
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, before[name], atol=2e-8, rtol=0.0)


def test_the_gradient_norm_is_logged_before_it_is_clipped(run):
    [[free], _], [[clipped], _] = (
        run(f"{limit}", steps=1, updates_per_rollout=1, max_grad_norm=limit, checkpoints=[]) for limit in (1e3, 1e-3)
    )
    assert free["metrics"]["grad_norm"] == clipped["metrics"]["grad_norm"] > 1e-3


def test_one_update_on_policy_has_ratio_one(run):
    events, _ = run(steps=2, updates_per_rollout=1, surrogate={"kind": "clip", "clip_low": 0.0, "clip_high": 0.0})
    assert [event["metrics"]["kl_old"] for event in events] == [0.0, 0.0]
    assert [event["metrics"]["clip_fraction"] for event in events] == [0.0, 0.0]


@pytest.mark.parametrize("changes", [{"zero_stage": 2}, {"zero_stage": 3}, {"gradient_checkpointing": True}])
def test_sharding_and_recomputation_change_a_run_within_float_tolerance_only(run, changes):
    assert_alike(run("plain", steps=3), run("changed", steps=3, **changes))


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_logits_in_pieces_change_a_run_within_float_tolerance_only(run, monkeypatch, zero_stage):
    plain = run("plain", steps=3)
    monkeypatch.setattr(logprobs, "CHUNK_LOGITS", 24 * 7)  # seven tokens at a time
    assert_alike(plain, run("pieces", steps=3, zero_stage=zero_stage))


def test_bfloat16_weights_with_float32_masters_still_learn_small_steps(run):
    rollout = {
        "prompts": 5,
        "samples": 4,
        "max_tokens": 24,
        "max_prompt_tokens": 8,
        "dtype": "bfloat16",
        "max_logprob_gap": 0.2,
    }
    events, weights = run(steps=2, train_dtype="bfloat16", rollout=rollout, checkpoints=[])
    assert all(tensor.dtype == torch.bfloat16 for tensor in weights.values())
    assert all(event["metrics"]["grad_norm"] > 0 for event in events)


def test_an_engine_that_keeps_stale_weights_stops_the_run(run, monkeypatch):
    start = loop.start_engine

    def start_stale(*arguments, **options):
        engine = start(*arguments[:-1], None, **options)  # a model of its own ...
        engine.update = lambda weights: setattr(engine, "outdated", False)  # ... that never hears of new weights
        return engine

    monkeypatch.setattr(loop, "start_engine", start_stale)
    with pytest.raises(UserError, match="does not sample from the weights that are trained"):
        run(steps=10, learning_rate=2e-2)


def test_the_check_of_the_engine_costs_nothing_where_everything_is_scored_anyway(run, monkeypatch):
    scored, score = [], Learner.score

    def counted(learner, pairs, model=None):
        scored.extend(pairs if model is None else [])
        return score(learner, pairs, model)

    monkeypatch.setattr(Learner, "score", counted)
    kl = {"coefficient": 0.01, "estimator": "k1", "where": "reward"}
    refilled = {"zero_variance": "refilled", "max_rounds": 2}
    run("one round", steps=2, kl=kl)
    assert len(scored) == 2 * 20
    scored.clear()
    run("no reward in need of it", steps=2, updates_per_rollout=1)
    assert len(scored) == 2 * 5, "one response to each prompt"
    scored.clear()
    events, _ = run("two rounds", steps=2, kl=kl, selection=refilled)
    rounds = sum(event["metrics"]["rounds"] for event in events)
    assert rounds == 4 and len(scored) < 2 * 20 + 5 * rounds, "what was checked and kept is not scored again"


def test_an_engine_with_weights_of_its_own_gets_the_new_ones(run, monkeypatch):
    start = loop.start_engine
    shared = run("shared", steps=3)
    monkeypatch.setattr(loop, "start_engine", lambda *arguments, **options: start(*arguments[:-1], None, **options))
    assert_alike(shared, run("own", steps=3))


def test_prompts_that_are_too_long_are_left_out_and_counted(inputs):
    problems = read_problems(inputs[1].parent / "payload" / "problems.jsonl")
    spec, folder = typed_recipe(), inputs[0].parent / "payload"
    found = readable_prompts(problems, spec.template, folder, spec.optimizer)
    assert (len(found.problems), found.too_long, found.longest) == (10, 1, 3)


def test_a_model_that_cannot_read_prompt_and_completion_is_refused(inputs):
    problems = read_problems(inputs[1].parent / "payload" / "problems.jsonl")
    spec = typed_recipe(rollout={"prompts": 5, "samples": 4, "max_tokens": 62, "max_prompt_tokens": 8})
    with pytest.raises(UserError, match="the model reads 64 in all"):
        readable_prompts(problems, spec.template, inputs[0].parent / "payload", spec.optimizer)
