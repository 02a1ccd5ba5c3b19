"""Log-probabilities of given responses, without ever holding [batch, time, vocabulary]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from verizero.policy.packing import Packed

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

    class HasDecoder(Protocol):
        """A model whose hidden states can be asked for."""

        def get_decoder(self) -> Any:
            """The module that gives them."""


CHUNK_LOGITS = 1 << 24
"""Logits held at a time: 64 MiB in float32."""


def token_logprobs(
    model: PreTrainedModel, packed: Packed, temperature: float = 1.0
) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
    """Log p(token | tokens before it) and the entropy of that distribution, both in nats, of each response token.

    In the order of the responses, in float32, whatever the model computes in. Logits exist for at most
    `CHUNK_LOGITS / vocabulary` tokens at a time: each chunk is computed again in the backward pass.

    Args:
        model: a causal language model that reads packed rows; of a wrapped model, pass the inner one.
        temperature: the sampling temperature that logits are divided by; 0 (greedy) counts as 1.
    """
    states, targets = hidden_states(model, packed), packed.targets
    head = model.get_output_embeddings()
    scale = temperature if temperature > 0 else 1.0
    size = max(
        1, CHUNK_LOGITS // model.config.vocab_size
    )  # not the weight's shape: ZeRO 3 leaves it empty between uses
    if targets.numel() <= size:
        return _head_logprobs(head, states, targets, scale)
    pieces = [
        checkpoint(
            _head_logprobs,
            head,
            states[begin : begin + size],
            targets[begin : begin + size],
            scale,
            use_reentrant=False,
        )
        for begin in range(0, targets.numel(), size)
    ]
    logprobs, entropy = (torch.cat(piece) for piece in zip(*pieces, strict=True))
    return logprobs, entropy


def hidden_states(model: HasDecoder, packed: Packed) -> Float[Tensor, "token width"]:
    """The decoder's last hidden state before each response token."""
    found = model.get_decoder()(
        input_ids=packed.input_ids, position_ids=packed.position_ids, segments=packed.segments, use_cache=False
    )
    return found.last_hidden_state[0, packed.before]


def _head_logprobs(
    head: nn.Module, states: Float[Tensor, "token width"], targets: Int[Tensor, " token"], temperature: float
) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
    found: tuple[Tensor, Tensor] = LogprobAndEntropy.apply(head(states), targets, temperature)
    return found


class LogprobAndEntropy(torch.autograd.Function):
    """Log p(target) and entropy of the distributions that some logits give, divided by a temperature; in float32.

    With p = softmax(x) and H the entropy, the gradients are d log p_t / dx = 1_t - p and dH / dx = -p (log p + H). Each is written
    over p, so that a backward pass reads and writes the vocabulary twice; autograd's own, over a log-softmax, a gather, an exponential
    and a product, does so ten times, which took as long as a fifth of a small model's matrix products.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: Float[Tensor, "token vocabulary"], targets: Int[Tensor, " token"], temperature: float
    ) -> tuple[Float[Tensor, " token"], Float[Tensor, " token"]]:
        """Values of each token."""
        ctx.set_materialize_grads(False)
        scores = logits.float()
        largest, at = scores.max(dim=-1)
        probability = torch.softmax(scores if temperature == 1.0 else scores / temperature, dim=-1)
        norm = largest / temperature - probability.gather(-1, at[:, None]).squeeze(-1).log()
        logprob = scores.gather(-1, targets[:, None]).squeeze(-1) / temperature - norm
        entropy = norm - torch.linalg.vecdot(probability, scores) / temperature
        ctx.save_for_backward(probability, targets, entropy)
        ctx.dtype, ctx.temperature = logits.dtype, temperature
        return logprob, entropy

    @staticmethod
    def backward(
        ctx: Any, of_logprob: Float[Tensor, " token"] | None, of_entropy: Float[Tensor, " token"] | None
    ) -> tuple[Tensor, None, None]:
        """Gradient of the logits, in their precision."""
        probability, targets, entropy = ctx.saved_tensors
        factor: Tensor | float = 0.0
        if of_logprob is not None:
            factor = -of_logprob[:, None]
        if of_entropy is not None:
            factor = factor - of_entropy[:, None] * (probability.log().clamp_(min=-1e4) + entropy[:, None])
        gradient = probability * factor
        if of_logprob is not None:
            gradient.scatter_add_(-1, targets[:, None], of_logprob[:, None])
        if ctx.temperature != 1.0:
            gradient /= ctx.temperature
        return gradient.to(ctx.dtype), None, None
