"""A policy's decoder with a value head: what is still to be earned, before each token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from verizero.policy.logprobs import hidden_states
from verizero.policy.packing import Packed

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ValueHead(nn.Linear):
    """One number for each hidden state, 0 at the beginning; in float32, whatever the weights are in.

    In bfloat16 values near 1 would be a hundredth apart.
    """

    def __init__(self, width: int, like: Tensor) -> None:
        super().__init__(width, 1, device=like.device, dtype=like.dtype)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, states: Float[Tensor, "token width"]) -> Float[Tensor, "token one"]:
        """In units of the reward."""
        return nn.functional.linear(states.float(), self.weight.float(), self.bias.float())


class ValueModel(nn.Module):
    """A critic that begins as the policy: its decoder, and one output that is 0 everywhere.

    A head of 0 makes the first advantages plain returns, whatever the seed; its own gradient is not 0.

    Args:
        policy: a causal language model; its decoder is taken over, its output head is not used.
    """

    def __init__(self, policy: PreTrainedModel) -> None:
        super().__init__()
        self.decoder: Any = policy.get_decoder()
        self.head = ValueHead(policy.config.hidden_size, like=next(self.decoder.parameters()))

    def get_decoder(self) -> nn.Module:
        """As transformers' models have it."""
        return self.decoder

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """As transformers' models have it."""
        self.decoder.gradient_checkpointing_enable(**options)

    def forward(self, packed: Packed) -> Float[Tensor, " token"]:
        """The value before each response token, from the tokens before it. In float32, in units of the reward."""
        values: Tensor = self.head(hidden_states(self, packed)).squeeze(-1)
        return values
