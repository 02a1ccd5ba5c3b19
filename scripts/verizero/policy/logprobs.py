"""Log-probabilities of given responses, without ever holding [batch, time, vocabulary]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

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
    model: PreTrainedModel,
    input_ids: Int[Tensor, "batch time"],
    attention_mask: Int[Tensor, "batch time"],
    response_mask: Bool[Tensor, "batch time"] | Int[Tensor, "batch time"],
    temperature: float = 1.0,
) -> tuple[Float[Tensor, "batch time"], Float[Tensor, "batch time"]]:
    """Log p(token t | tokens before t) and the entropy of that distribution, both in nats, at response positions.

    Position [b, t] belongs to token input_ids[b, t]; elsewhere both are 0. Float32, whatever the model computes in.
    Logits exist for response positions only, and for at most `CHUNK_LOGITS / vocabulary` of them at a time: each chunk
    is computed again in the backward pass.

    Args:
        model: a causal language model with a decoder and an output head; of a wrapped model, pass the inner one.
        attention_mask: 1 for real tokens; padding may be on either side.
        response_mask: 1 where a token was sampled; never at t = 0.
        temperature: the sampling temperature that logits are divided by; 0 (greedy) counts as 1.
    """
    hidden = hidden_states(model, input_ids, attention_mask)
    head = model.get_output_embeddings()
    positions = response_mask[:, 1:].bool()
    states, targets = hidden[:, :-1][positions], input_ids[:, 1:][positions]
    scale = temperature if temperature > 0 else 1.0
    size = max(
        1, CHUNK_LOGITS // model.config.vocab_size
    )  # not the weight's shape: ZeRO 3 leaves it empty between uses
    if targets.numel() <= size:
        logprobs, entropy = _head_logprobs(head, states, targets, scale)
    else:
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
    empty = torch.zeros(input_ids.shape, dtype=torch.float32, device=input_ids.device)
    where = torch.nn.functional.pad(positions, (1, 0))
    return empty.masked_scatter(where, logprobs), empty.masked_scatter(where, entropy)


def hidden_states(
    model: HasDecoder, input_ids: Int[Tensor, "batch time"], attention_mask: Int[Tensor, "batch time"]
) -> Float[Tensor, "batch time width"]:
    """The decoder's last hidden states.

    With padding on the right only, the causal mask already hides it: without a mask, attention takes its fast path.
    """
    decoder = model.get_decoder()
    if bool((attention_mask[:, 1:] <= attention_mask[:, :-1]).all()):
        return decoder(input_ids=input_ids, use_cache=False).last_hidden_state
    positions = (attention_mask.long().cumsum(dim=-1) - 1).clamp_(min=0)
    return decoder(
        input_ids=input_ids, attention_mask=attention_mask, position_ids=positions, use_cache=False
    ).last_hidden_state


def _head_logprobs(
    head: nn.Module, states: Float[Tensor, "token width"], targets: Int[Tensor, "token"], temperature: float
) -> tuple[Float[Tensor, "token"], Float[Tensor, "token"]]:
    logits = head(states).float()
    if temperature != 1.0:
        logits = logits / temperature
    logprobs = torch.log_softmax(logits, dim=-1)
    taken = logprobs.gather(-1, targets[:, None]).squeeze(-1)
    return taken, -(logprobs.exp() * logprobs).sum(dim=-1)
