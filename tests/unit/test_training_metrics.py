"""What is logged about a step, on batches small enough to count by hand."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch

from verizero.artifacts.errors import UserError
from verizero.config.optimizers import Advantage, Critic, Optimizer, Reward, Rollout, Weight
from verizero.reward.verdict import Verdict
from verizero.rollout.engine import Completion
from verizero.training.learner import Score, Update
from verizero.training.logprob_check import LogprobGap, logprob_gap, require_close, to_check
from verizero.training.metrics import rollout_metrics, update_metrics
from verizero.training.rollouts import Outcome, Outcomes, Response, numbered, outcomes
from verizero.training.schedule import critic_learning_rate_at, learning_rate_at
from verizero.training.signal_watch import PATIENCE, SignalWatch
from verizero.training.trained_module import engine_config
from verizero.training.walltime import SPARE_SECONDS, StopRequest
from verizero.training.world import World

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
RULE = Reward()


def outcome(number, length, reward, *, correct=None, truncated=False, status="wrong"):
    return Outcome(number, length, reward, bool(reward) if correct is None else correct, truncated, True, status)


STEP = Outcomes(
    [
        outcome(0, 10, 1.0, status="correct"),
        outcome(1, 20, 0.0, truncated=True),
        outcome(2, 30, 0.0, status="timeout"),
        outcome(3, 40, 0.0),
        outcome(4, 6, 1.0, status="correct"),
        outcome(5, 8, 1.0, status="correct"),
    ],
    samples=2,
)


def test_rollout_metrics_of_a_small_step():
    found = rollout_metrics(STEP, RULE)
    assert found["reward_mean"] == found["pass_rate"] == 0.5
    assert found["reward_std"] == pytest.approx(0.3**0.5)
    assert (found["length_mean"], found["length_correct_mean"], found["length_incorrect_mean"]) == (19.0, 8.0, 30.0)
    assert found["truncated_share"] == pytest.approx(1 / 6)
    assert (found["zero_variance_all_wrong"], found["zero_variance_all_right"]) == (
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
    )
    assert (found["tokens"], found["verdict_timeout"], found["verdict_error"]) == (114, 1, 0)


def test_a_mean_over_nothing_is_none():
    found = rollout_metrics(Outcomes([outcome(0, 3, 0.0)], samples=1), RULE)
    assert (found["length_correct_mean"], found["reward_std"]) == (None, None)
    assert found["length_incorrect_mean"] == 3.0


def test_a_truncated_right_answer_is_right_but_earns_nothing():
    completion = Completion([1, 2], [-0.1, -0.1], "\\boxed{4}", "length")
    [found] = outcomes([Response(0, [5], completion)], ["p"], [Verdict(True, "correct")], [0.5], RULE, 2)
    assert (found.correct, found.reward, found.truncated, found.boxed) == (True, 0.0, True, True)
    graded_rule = Reward(truncated="graded")
    [graded] = outcomes([Response(0, [5], completion)], ["p"], [Verdict(True, "correct")], [0.5], graded_rule, 2)
    assert graded.reward == 1.0


def test_clip_fraction_is_of_all_tokens_and_divergence_of_those_seen():
    updates = [Update(0.1, 1.0, 1e-4, 3.0, 0.5, 0.0, 5.0, 40.0), Update(0.3, 3.0, 2e-4, 1.0, 0.5, 0.0, 5.0, 10.0)]
    found = update_metrics(updates, tokens=200, with_reference=False)
    assert found["clip_fraction"] == pytest.approx(4 / 200)
    assert found["kl_old"] == pytest.approx(1 / 50)
    assert found["kl_reference"] is None
    assert (found["loss"], found["grad_norm"], found["learning_rate"]) == (pytest.approx(0.2), 2.0, 2e-4)


def test_a_step_that_trains_on_nothing_has_no_divergence():
    assert update_metrics([Update(0.0, 0.0, 1e-4, 0.0, 0.0, 0.0, 0.0, 0.0)], 10, True)["kl_old"] is None


def test_completions_are_numbered_by_place_and_sample():
    one = Completion([1], [-0.5], "", "stop")
    found = numbered([6, 7], [[1], [2]], [[one, one], [one, one]])
    assert [(response.number, response.prompt) for response in found] == [(12, [1]), (13, [1]), (14, [2]), (15, [2])]


def responses(*logprobs):
    return [
        Response(number, [1], Completion([1] * len(row), list(row), "", "stop")) for number, row in enumerate(logprobs)
    ]


def test_the_gap_is_the_mean_over_tokens():
    scores = [
        Score(torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([0.1, 0.2, 0.3])),
        Score(torch.tensor([-1.0]), torch.tensor([0.8])),
    ]
    found = logprob_gap(responses([-1.0, -2.5, -3.0], [-0.5]), scores, ALONE)
    assert (found.mean, found.max, found.entropy) == (pytest.approx(0.25), pytest.approx(0.5), pytest.approx(0.35))


@pytest.mark.parametrize("mean", [0.0501, float("nan"), float("inf")])
def test_an_engine_with_stale_weights_stops_the_run(mean):
    with pytest.raises(UserError, match=r"step 12: .*does not sample from the weights"):
        require_close(LogprobGap(mean, 3.0, 0.1), 0.05, 12)


def test_a_small_gap_is_no_reason_to_stop():
    require_close(LogprobGap(0.05, 3.0, 0.1), 0.05, 12)


def test_the_first_response_to_each_prompt_is_checked_until_there_are_enough_tokens():
    rows = responses(*[[-1.0] * 1500] * 12)
    assert [response.number for response in to_check(rows, samples=2)] == [0, 2, 4]
    assert len(to_check(responses([-1.0] * 9000), samples=1)) == 1


def rates(**changes):
    values = {"steps": 3, "updates_per_rollout": 2, "learning_rate": 1.0, **changes}
    recipe = Optimizer(
        advantage=Advantage(baseline="group-mean"),
        weight=Weight(kind="sequence"),
        rollout=Rollout(prompts=2, samples=2, max_tokens=8),
        **values,
    )
    return [learning_rate_at(update, recipe) for update in range(6)]


def test_the_learning_rate_rises_linearly_then_stays():
    assert rates(warmup_steps=4) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert rates(learning_rate=3e-6) == [3e-6] * 6


def test_a_linear_schedule_falls_to_its_end_and_a_cosine_is_half_way_in_the_middle():
    assert rates(warmup_steps=2, schedule="linear") == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.5, 0.25])
    assert rates(schedule="linear", schedule_end=0.5) == pytest.approx([1 - n / 12 for n in range(6)])
    cosine = rates(schedule="cosine", schedule_end=0.1)
    assert (cosine[0], cosine[3]) == pytest.approx((1.0, 0.55))
    assert cosine == sorted(cosine, reverse=True)


def test_a_critic_has_a_schedule_of_its_own_and_the_policys_begins_when_it_is_trained():
    recipe = Optimizer(
        advantage=Advantage(baseline="critic", shape="gae", gae_lambda=1.0),
        weight=Weight(kind="sequence"),
        rollout=Rollout(prompts=2, samples=2, max_tokens=8),
        critic=Critic(learning_rate=2.0, warmup_steps=1, updates_per_rollout=4, pretraining_steps=1),
        **{"steps": 3, "updates_per_rollout": 2, "learning_rate": 1.0, "schedule": "linear"},
    )
    assert recipe.updates == 4
    assert [learning_rate_at(update, recipe) for update in range(4)] == pytest.approx([1.0, 0.75, 0.5, 0.25])
    critic = [critic_learning_rate_at(update, recipe, recipe.critic) for update in range(12)]
    assert critic == pytest.approx([2.0] + [2.0 * (1 - n / 11) for n in range(11)])


def test_a_signal_is_a_reason_to_stop():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        stop = StopRequest().listen()
        assert not stop.due("update")
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.due("update")
        assert stop.reason == "SIGUSR1"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_time_is_up_when_the_way_to_the_next_chance_to_save_would_not_fit():
    stop = StopRequest(minutes=(SPARE_SECONDS + 0.7) / 60)
    assert not stop.due("update")
    assert not stop.due("step")
    time.sleep(0.3)
    assert not stop.due("update"), "an update took no time"
    assert stop.due("step"), "a step took 0.3 s, so that one more and half as much again would be too late"


def test_a_run_that_goes_on_knows_how_long_its_stretches_took():
    stop = StopRequest(minutes=(SPARE_SECONDS + 60) / 60)
    stop.remember({"start": 50.0, "step": 50.0, "update": 10.0})
    assert not stop.due("update")
    assert stop.due("step")


def test_a_save_needs_its_time_too_and_is_no_part_of_a_stretch():
    stop = StopRequest(minutes=(SPARE_SECONDS + 1.0) / 60)
    assert not stop.due("update")
    stop.saved(0.2)
    assert stop.stretches["save"] == 0.2
    assert not stop.due("update")
    assert stop.stretches["update"] < 0.1
    stop.saved(0.7)
    assert stop.due("update"), "1.5 times 0.7 s would be too late"


def test_gradients_are_added_in_float32_and_every_step_is_a_boundary(grpo):
    config = engine_config(grpo, parameters=1000, world=ALONE)
    assert config["managed_gradient_accumulation"] is False
    assert config["data_types"]["grad_accum_dtype"] == "fp32"
    assert config["zero_optimization"]["stage"] == 2
    assert config["bf16"]["enabled"] is True
    assert config["gradient_clipping"] == 1.0


@pytest.fixture
def grpo():
    from pathlib import Path

    from verizero.config.registry import load_registry

    return load_registry(Path(__file__).parents[2] / "config").optimizers["grpo"]


def silent(right=0.0, wrong=0.0):
    return {"zero_variance_all_right": right, "zero_variance_all_wrong": wrong}


def test_rewards_that_are_equal_for_many_steps_are_said_once_with_what_to_try():
    said = []
    watch = SignalWatch(said.append)
    for step in range(1, PATIENCE):
        watch.see(step, silent(wrong=1.0))
    watch.see(PATIENCE, silent(wrong=0.9))  # a signal: counting begins anew
    for step in range(PATIENCE + 1, 2 * PATIENCE):
        watch.see(step, silent(wrong=1.0))
    assert said == []
    for step in range(2 * PATIENCE, 4 * PATIENCE):
        watch.see(step, silent(wrong=1.0))
    [sentence] = said
    assert f"until step {2 * PATIENCE}" in sentence
    assert "try easier problems" in sentence


def test_where_no_group_is_compared_only_equal_rewards_of_a_whole_step_are_silent():
    said = []
    watch = SignalWatch(said.append, grouped=False)
    for step in range(3 * PATIENCE):  # one sample a prompt: each group is equal, the step is not
        watch.see(step, silent(wrong=1.0) | {"reward_std": 0.5})
    assert said == []
    for step in range(3 * PATIENCE, 4 * PATIENCE):
        watch.see(step, silent(wrong=1.0) | {"reward_std": 0.0})
    assert "all rewards of each step were equal" in said[0]


def test_problems_that_are_all_solved_ask_for_harder_ones():
    said = []
    watch = SignalWatch(said.append)
    for step in range(PATIENCE):
        watch.see(step, silent(right=0.75, wrong=0.25))
    assert "harder" in said[0]
