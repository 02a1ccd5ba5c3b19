"""The critic's values and updates are those of plain autograd, at each ZeRO stage and micro-batch."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.deepspeed, pytest.mark.slow]

torch = pytest.importorskip("torch")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from policy_small import small_policy  # noqa: E402

from verizero.config.axes import Critic as Settings  # noqa: E402
from verizero.config.optimizers import Advantage, Optimizer, Rollout, Weight  # noqa: E402
from verizero.policy.packed_attention import reads_packed  # noqa: E402
from verizero.policy.packing import pack  # noqa: E402
from verizero.policy.value_model import ValueModel  # noqa: E402
from verizero.rollout.engine import Completion  # noqa: E402
from verizero.training.critic import Critic, ValueRow  # noqa: E402
from verizero.training.rollouts import Response  # noqa: E402

HOW = Settings(learning_rate=1e-3, value_clip=0.2, updates_per_rollout=2)


def settings(**changes):
    return Optimizer(
        advantage=Advantage(baseline="critic", shape="gae", gae_lambda=1.0),
        critic=HOW,
        weight=Weight(kind="sequence"),
        learning_rate=1e-3,
        rollout=Rollout(prompts=4, samples=2, max_tokens=8),
        steps=1,
        max_grad_norm=1e9,
        **changes,
    )


def policy():
    torch.manual_seed(0)
    return small_policy()[0]


def pairs():
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randint(3, 20, (2 + n % 3,), generator=generator).tolist(),
            torch.randint(3, 20, (3 + n,), generator=generator).tolist(),
        )
        for n in range(6)
    ]


def rows():
    found = []
    for number, (prompt, response) in enumerate(pairs()):
        before = torch.linspace(-0.3, 0.3, len(response))
        target = torch.full((len(response),), float(number % 2))
        found.append(ValueRow(prompt, response, before, target, 1 / (6 * len(response))))
    return found


def plain_loss(model):
    """The definition, row by row."""
    total = torch.zeros(())
    for row in rows():
        value = model(pack([(row.prompt, row.response)]))
        bounded = torch.clamp(value, row.before - 0.2, row.before + 0.2)
        total = total + row.weight * torch.maximum((value - row.target) ** 2, (bounded - row.target) ** 2).sum() / 2
    return total


def test_the_value_of_a_token_depends_on_the_tokens_before_it_alone():
    model = ValueModel(reads_packed(policy()))
    torch.nn.init.normal_(model.head.weight)
    prompt, response = [3, 4], [5, 6, 7, 8]
    with torch.no_grad():
        values = model(pack([(prompt, response), (prompt, [5, 6, 9, 8])])).view(2, 4)
    torch.testing.assert_close(values[0, :3], values[1, :3])
    assert abs(float(values[0, 3] - values[1, 3])) > 1e-3


def test_a_new_critic_expects_nothing_and_its_head_can_learn():
    model = ValueModel(reads_packed(policy()))
    values = model(pack([([3, 4], [5, 6])]))
    assert values.eq(0).all()
    (values - 1).pow(2).sum().backward()
    assert float(model.head.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("zero_stage", "micro_batch_tokens", "gradient_checkpointing"),
    [(1, 4096, False), (1, 1, False), (3, 4096, False), (3, 1, False), (1, 4096, True)],
)
def test_an_update_is_that_of_plain_autograd(world, zero_stage, micro_batch_tokens, gradient_checkpointing):
    plain = ValueModel(reads_packed(policy().float()))
    loss = plain_loss(plain)
    loss.backward()
    norm = float(torch.nn.utils.get_total_norm([p.grad for p in plain.parameters() if p.grad is not None]))
    how = settings(zero_stage=zero_stage, gradient_checkpointing=gradient_checkpointing)
    critic = Critic(policy(), how, HOW, world, micro_batch_tokens)
    for _ in range(2):  # nothing of the first update is left in the second
        update = critic.update(rows(), 0.0)
        assert update.loss == pytest.approx(loss.item(), rel=1e-5)
        assert update.grad_norm == pytest.approx(norm, rel=1e-5)
        assert update.tokens == sum(len(row.response) for row in rows())


def test_a_critic_that_learns_comes_near_its_targets(world):
    critic = Critic(policy(), settings(), HOW, world, 4096)
    responses = [Response(n, *_completed(*pair)) for n, pair in enumerate(pairs())]
    losses = [critic.update(_free_rows(), 3e-3).loss for _ in range(60)]
    assert losses[-1] < 0.05 * losses[0]
    for response, row in zip(responses, _free_rows(), strict=True):
        assert float((critic.values(responses)[response.number] - row.target).abs().mean()) < 0.2


def _free_rows():
    """Targets, with values before that the clip does not reach."""
    return [ValueRow(row.prompt, row.response, row.target.clone(), row.target, row.weight) for row in rows()]


def _completed(prompt, response):
    return prompt, Completion(response, [0.0] * len(response), "", "stop")
