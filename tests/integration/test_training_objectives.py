"""Every axis of the objective in real runs of a few steps: DeepSpeed, the real engine and the real grader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = pytest.mark.deepspeed

torch = pytest.importorskip("torch")

import pyarrow.parquet as pq  # noqa: E402
from training_inputs import RECIPE, assert_alike, make_inputs, run_of  # noqa: E402

from verizero.artifacts.errors import UserError  # noqa: E402
from verizero.config.registry import load_registry  # noqa: E402
from verizero.config.spec import identity, spec_text  # noqa: E402
from verizero.training import loop  # noqa: E402

OPTIMIZERS = load_registry(Path(__file__).parents[2] / "config").optimizers
PRESETS = sorted(name for name, recipe in OPTIMIZERS.items() if recipe.source)
AXES = (
    "advantage",
    "critic",
    "surrogate",
    "weight",
    "kl",
    "entropy_coefficient",
    "imitation_coefficient",
    "weight_decay",
    "correction",
    "selection",
)


def shrunk(name):
    """A preset's objective at the size of the test: its axes, and none of its numbers of prompts and tokens."""
    plain = json.loads(spec_text(identity(OPTIMIZERS[name])))
    changes = {axis: plain[axis] for axis in AXES if axis in plain}
    if plain["weight"].get("length", 1) > 1:
        changes["weight"]["length"] = 24
    if "critic" in changes:
        changes["critic"] |= {"pretraining_steps": 1 if "pretraining_steps" in changes["critic"] else 0}
        changes["critic"] |= {"updates_per_rollout": 4 if "updates_per_rollout" in changes["critic"] else None}
    if "soft_overlong" in plain.get("reward", {}):
        changes["reward"] = {"truncated": "graded", "soft_overlong": 12}
    return changes | {"updates_per_rollout": min(2, plain.get("updates_per_rollout", 1))}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("inputs") / "results")


@pytest.fixture
def run(world, inputs, tmp_path):
    def train(name="run", **changes):
        train.folder = tmp_path / name
        return run_of(inputs, tmp_path / name, world, **{"steps": 3, "checkpoints": [], **changes})

    return train


def metrics(events, name):
    return [event["metrics"][name] for event in events]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_and_its_micro_batches_change_nothing(run, inputs, name):
    whole = run("whole", micro_batch_tokens=4096, **shrunk(name))
    assert_alike(whole, run("rows", micro_batch_tokens=1, **shrunk(name)))
    norms = metrics(whole[0], "grad_norm")
    assert all(norm > 0 for norm in norms if norm is not None)
    assert len([norm for norm in norms if norm is None]) == shrunk(name).get("critic", {}).get("pretraining_steps", 0)


def test_sharded_weights_train_an_objective_that_reads_every_token(run):
    changes = shrunk("reinforce-pp") | {"weight": {"kind": "token", "entropy_quantile": 0.5}}
    assert_alike(run("plain", **changes), run("sharded", zero_stage=3, **changes))


PPO = {
    "advantage": {"baseline": "critic", "shape": "gae", "gae_lambda": 0.95, "scale": "whiten"},
    "critic": {"learning_rate": 3e-3, "value_clip": 0.2, "target_lambda": 0.95, "updates_per_rollout": 4},
    "kl": {"coefficient": 0.01, "estimator": "k1", "where": "reward"},
}


def test_a_run_with_a_critic_resumes_bit_for_bit(run):
    whole, resumed = run("whole", **PPO), run("resumed", interrupted=True, **PPO)
    assert [event["metrics"] for event in resumed[0]] == [event["metrics"] for event in whole[0]]
    assert all(torch.equal(resumed[1][name], tensor) for name, tensor in whole[1].items())


def test_a_sharded_critic_trains_alike(run):
    assert_alike(run("plain", **PPO), run("sharded", zero_stage=3, **PPO))


def test_a_critic_learns_to_tell_what_will_be_cut_off(run):
    """A response earns 1 for a box within 12 tokens: half of them, and the tokens before say which."""
    alone = {"learning_rate": 5e-3, "updates_per_rollout": 4, "pretraining_steps": 24}
    short = {"reward": {"rule": "format"}, "rollout": {**RECIPE["rollout"], "max_tokens": 12}}
    events, _ = run(steps=25, **PPO | short | {"critic": alone})
    explained, loss = metrics(events, "explained_variance"), metrics(events, "value_loss")
    assert explained[0] == 0.0  # a new critic expects 0 everywhere
    assert sum(explained[-5:]) / 5 > 0.6
    assert sum(loss[-5:]) < 0.3 * sum(loss[:5])
    assert all(0 <= share <= 1 for share in metrics(events, "value_clip_fraction"))


def test_a_critic_that_is_trained_alone_leaves_the_policy_as_it_is(run, inputs):
    from safetensors.torch import load_file

    critic = {"learning_rate": 3e-3, "pretraining_steps": 2}
    events, final = run(steps=3, checkpoints_every=2, **PPO | {"critic": critic})
    base = load_file(inputs[0].parent / "payload" / "model.safetensors")
    assert metrics(events, "loss")[:2] == [None, None]
    assert metrics(events, "trained_tokens")[:2] == [0, 0]
    assert metrics(events, "loss")[2] is not None
    assert any(not torch.equal(final[name], tensor) for name, tensor in base.items())
    kept = load_file(run.folder / "kept" / "step-2" / "model.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in base.items())


def test_a_step_without_a_response_that_enters_stops_no_run_with_a_critic(run):
    everything_earns_one = {"rule": "random", "probability": 1.0, "truncated": "graded"}
    events, _ = run(reward=everything_earns_one, selection={"zero_variance": "skipped"}, steps=2, **PPO)
    assert metrics(events, "grad_norm") == [0.0, 0.0]
    assert metrics(events, "explained_variance") == [None, None]


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_a_critic_that_is_trained_alone_goes_on_with_another_number_of_processes(run, zero_stage):
    changes = PPO | {"critic": {"learning_rate": 3e-3, "pretraining_steps": 2}, "zero_stage": zero_stage, "steps": 3}
    whole = run("whole", checkpoints=[], **changes)
    resumed = run("resumed", interrupted="of two processes", checkpoints=[], **changes)
    assert_alike(whole, resumed)


def test_imitation_alone_makes_right_responses_likelier(run):
    alone = {"surrogate": {"kind": "none"}, "advantage": {"baseline": "none"}, "steps": 10, "learning_rate": 3e-3}
    events, _ = run(imitation_coefficient=1.0, **alone)
    rewards = metrics(events, "reward_mean")
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.1


def test_a_divergence_in_the_reward_holds_the_policy_back(run):
    changes = {"steps": 12, "learning_rate": 3e-3, "advantage": {"baseline": "group-mean"}}
    found = []
    for coefficient in (1e-6, 2.0):
        kl = {"coefficient": coefficient, "estimator": "k1", "where": "reward"}
        events, _ = run(f"{coefficient}", kl=kl, **changes)
        found.append(sum(abs(value) for value in metrics(events, "kl_reference")[6:]))
    assert found[0] > 0.1
    assert found[1] < 0.5 * found[0]


def test_entropy_alone_raises_or_lowers_entropy_whatever_is_right(run):
    alone = {"surrogate": {"kind": "none"}, "advantage": {"baseline": "none"}, "steps": 8, "learning_rate": 3e-3}
    up, _ = run("up", entropy_coefficient=1.0, **alone)
    down, _ = run("down", entropy_coefficient=-1.0, **alone)
    assert metrics(up, "entropy")[0] == metrics(down, "entropy")[0]
    assert metrics(up, "entropy")[-1] > metrics(up, "entropy")[0] > metrics(down, "entropy")[-1]


def test_a_second_epoch_goes_through_the_rollout_again(run):
    once, _ = run("once", steps=1)
    twice, _ = run("twice", steps=1, epochs_per_rollout=2)
    assert metrics(twice, "trained_tokens")[0] == 2 * metrics(once, "trained_tokens")[0]
    assert metrics(twice, "kl_old")[0] > metrics(once, "kl_old")[0] > 0


def test_one_update_in_each_of_two_epochs_leaves_the_policy_that_sampled(run):
    events, _ = run(steps=1, updates_per_rollout=1, epochs_per_rollout=2)
    assert metrics(events, "kl_old")[0] > 0


def test_responses_that_were_cut_off_have_no_part_in_the_loss(run):
    short = {"rollout": {**RECIPE["rollout"], "max_tokens": 12}, "entropy_coefficient": 1e-30, "steps": 1}
    kept, _ = run("kept", **short)
    masked, _ = run("masked", selection={"truncated": "masked"}, **short)
    cut = metrics(kept, "truncated_share")[0]
    assert 0 < cut < 1
    assert metrics(kept, "trained_tokens")[0] == metrics(kept, "tokens")[0]
    assert metrics(masked, "trained_tokens")[0] == metrics(kept, "tokens")[0] - 12 * round(cut * 20)


def test_skipped_groups_make_the_others_weigh_more(run):
    kept, _ = run("kept", steps=1, updates_per_rollout=1, weight={"kind": "constant"})
    skipped, _ = run(
        "skipped", steps=1, updates_per_rollout=1, weight={"kind": "constant"}, selection={"zero_variance": "skipped"}
    )
    silent = metrics(kept, "zero_variance_all_right")[0] + metrics(kept, "zero_variance_all_wrong")[0]
    assert 0 < silent < 1
    norms = [metrics(events, "grad_norm")[0] for events in (kept, skipped)]
    assert norms[1] * (1 - silent) == pytest.approx(norms[0], rel=1e-4)


def test_a_step_without_any_signal_is_a_step_without_a_gradient(run):
    everything_earns_one = {"rule": "random", "probability": 1.0, "truncated": "graded"}
    events, _ = run(reward=everything_earns_one, selection={"zero_variance": "skipped"}, steps=2)
    assert metrics(events, "grad_norm") == [0.0, 0.0]
    assert metrics(events, "trained_tokens") == [0, 0]


def test_a_correction_is_about_one_where_engine_and_learner_agree(run):
    plain = run("plain")
    corrected = run("corrected", correction={"kind": "truncated", "high": 2.0})
    assert metrics(corrected[0], "correction_mean") == pytest.approx([1.0] * 3, abs=1e-4)
    for event in corrected[0]:
        del event["metrics"]["correction_mean"]
    assert_alike(plain, corrected)


def test_a_schedule_reaches_the_optimizer(run):
    events, _ = run(schedule="linear", learning_rate=1e-3)
    assert metrics(events, "learning_rate") == pytest.approx([1e-3 * (1 - n / 6) for n in (1, 3, 5)])


def poisoned(monkeypatch):
    """The second row of the run has an advantage that is no number."""
    make, seen = loop.train_row, []

    def spoiled(response, *others):
        seen.append(response)
        row = make(response, *others)
        bad = torch.full_like(row.advantage, float("nan"))
        return replace(row, advantage=bad) if len(seen) == 2 else row

    monkeypatch.setattr(loop, "train_row", spoiled)
    return seen


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_prompt(run, tmp_path, monkeypatch):
    seen = poisoned(monkeypatch)
    with pytest.raises(UserError, match=r"step 1, update 1 of it: the loss is no number; .*no-number-step-1\.json"):
        run("spoiled")
    found = json.loads((tmp_path / "spoiled" / "no-number-step-1.json").read_text(encoding="utf-8"))
    [offending] = found["offending"]
    assert offending["response"].startswith(seen[1].completion.text)
    assert offending["advantage"] == "nan to nan"
    assert 1 < len(found["batch"]) <= 20
    assert not list((tmp_path / "spoiled").glob("state/step-*"))


def test_a_gradient_that_is_no_number_stops_the_run(run, tmp_path, monkeypatch):
    load = loop.load_policy

    def explosive(*arguments):
        model, tokenizer = load(*arguments)
        next(model.parameters()).register_hook(lambda gradient: gradient * float("nan"))
        return model, tokenizer

    monkeypatch.setattr(loop, "load_policy", explosive)
    with pytest.raises(UserError, match="the gradient is no number"):
        run("spoiled")
    assert json.loads((tmp_path / "spoiled" / "no-number-step-1.json").read_text(encoding="utf-8"))["offending"] == []


def test_groups_without_signal_are_replaced_and_the_extra_samples_counted(run):
    events, _ = run(steps=2, selection={"zero_variance": "refilled", "max_rounds": 4})
    for event in events:
        found = event["metrics"]
        assert found["extra_completions"] == 20 * (found["rounds"] - 1)
        assert found["tokens"] == round(found["length_mean"] * 20 * found["rounds"])
    assert metrics(events, "rounds")[0] > 1
    assert metrics(events, "groups_with_signal") == [5, 5]


def test_a_run_without_any_signal_gives_up_refilling_at_its_cap(run):
    everything_earns_one = {"rule": "random", "probability": 1.0, "truncated": "graded"}
    events, _ = run(reward=everything_earns_one, steps=1, selection={"zero_variance": "refilled", "max_rounds": 3})
    assert (metrics(events, "rounds"), metrics(events, "groups_with_signal")) == ([3], [0])
    assert metrics(events, "grad_norm") == [0.0]


def test_a_greedy_baseline_is_sampled_besides_and_is_no_sample(run):
    plain, _ = run("plain", steps=1)
    events, _ = run("greedy", steps=1, advantage={"baseline": "greedy"})
    found = events[0]["metrics"]
    assert found["reward_mean"] == plain[0]["metrics"]["reward_mean"]
    assert found["tokens"] == plain[0]["metrics"]["tokens"]
    assert found["greedy_completions"] == 5
    assert found["greedy_reward_mean"] * 5 == pytest.approx(round(found["greedy_reward_mean"] * 5))


def test_a_run_that_refills_and_goes_twice_through_its_rollout_resumes_bit_for_bit(run):
    changes = {
        "advantage": {"baseline": "greedy", "scale": "whiten"},
        "selection": {"zero_variance": "refilled", "max_rounds": 3},
        "weight": {"kind": "token", "entropy_quantile": 0.5},
        "epochs_per_rollout": 2,
        "schedule": "cosine",
        "warmup_steps": 3,
    }
    whole, resumed = run("whole", **changes), run("resumed", interrupted=True, **changes)
    assert [event["metrics"] for event in resumed[0]] == [event["metrics"] for event in whole[0]]
    assert all(torch.equal(resumed[1][name], tensor) for name, tensor in whole[1].items())


def kept(folder, step):
    return pq.read_table(folder / "kept" / "rollouts" / f"step-{step}.parquet").to_pylist()


RICH = {
    "advantage": {"baseline": "greedy", "scale": "whiten", "shape": "returns", "discount": 0.9},
    "kl": {"coefficient": 0.01, "estimator": "k1", "where": "reward"},
    "selection": {"zero_variance": "refilled", "max_rounds": 3, "truncated": "masked"},
}
"""What has a value a token, greedy completions besides, scores of the learner and more than one round."""


@pytest.mark.parametrize("changes", [{}, RICH, shrunk("ppo")], ids=["grpo", "rich", "ppo"])
def test_keeping_completions_changes_no_weight_and_a_resumed_run_keeps_the_same_bytes(run, tmp_path, changes):
    silent = run("silent", **changes)
    runs = {"once": {}, "twice": {}, "resumed": {"interrupted": True}}
    for name, how in runs.items():
        events, weights = run(name, kept_rollouts=[1, 3], **how, **changes)
        assert [event["metrics"] for event in events] == [event["metrics"] for event in silent[0]]
        assert all(torch.equal(weights[tensor], value) for tensor, value in silent[1].items())
    for step in (1, 3):
        files = {(tmp_path / name / "kept" / "rollouts" / f"step-{step}.parquet").read_bytes() for name in runs}
        assert len(files) == 1
    assert not list((tmp_path / "silent").rglob("*.parquet"))
    assert {path.name for path in (tmp_path / "once").rglob("*.parquet")} == {"step-1.parquet", "step-3.parquet"}


def test_kept_completions_are_those_that_the_curves_speak_of(run, tmp_path):
    events, _ = run(kept_rollouts=[1, 3], updates_per_rollout=2)
    for step in (1, 3):
        found, rows = events[step - 1]["metrics"], kept(tmp_path / "run", step)
        assert [(row["step"], row["place"], row["sample"]) for row in rows] == [
            (step, n // 4, n % 4) for n in range(20)
        ]
        assert sum(row["reward"] for row in rows) / 20 == pytest.approx(found["reward_mean"])
        assert sum(row["correct"] for row in rows) / 20 == pytest.approx(found["pass_rate"])
        assert sum(len(row["token_ids"]) for row in rows) == found["tokens"]
        for row in rows:
            assert row["prompt"] == f"A{row['problem'].removeprefix('p')}="
            assert "".join(row["tokens"]).removesuffix("<eos>") == row["completion"]
            assert row["token_advantages"] == [row["advantage"]] * len(row["tokens"])
            assert len(row["engine_logprobs"]) == len(row["tokens"])
            assert row["entered"]
        # the first of the two updates is on the policy that sampled, so that only responses of the second were scored
        scored = [row for row in rows if row["learner_logprobs"]]
        assert 0 < len(scored) <= 10
        for row in scored:
            assert row["learner_logprobs"] == pytest.approx(row["engine_logprobs"], abs=1e-4)


def test_a_step_that_was_refilled_keeps_the_groups_that_it_trains_on(run, tmp_path):
    events, _ = run(steps=1, kept_rollouts=[1], **RICH)
    assert metrics(events, "rounds")[0] > 1
    rows = kept(tmp_path / "run", 1)
    groups = [rows[begin : begin + 4] for begin in range(0, 20, 4)]
    with_signal = sum(len({row["reward"] for row in group}) > 1 for group in groups)
    assert with_signal == metrics(events, "groups_with_signal")[0]
    for group in groups:
        assert len({row["problem"] for row in group}) == 1
        assert len({row["reward"] for row in group}) > 1 or not any(row["entered"] for row in group)
    for row in rows:
        assert row["prompt"] == f"A{row['problem'].removeprefix('p')}="
        assert row["entered"] <= (row["finish"] == "stop")
    assert any(len(set(row["token_advantages"])) > 1 for row in rows)
