"""Models with random weights and made-up responses, in two sizes: for a GPU, and for a CPU in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from verizero.training.learner import TrainRow

RECIPE: dict[str, Any] = {
    "advantage": {"baseline": "group-mean"},
    "weight": {"kind": "sequence"},
    "learning_rate": 1e-3,
    "rollout": {"prompts": 128, "samples": 8, "max_tokens": 3000},
    "steps": 1,
}


@dataclass(frozen=True)
class Sizes:
    """What is computed."""

    small: dict[str, int]
    """Of the model that is compared with plain autograd."""
    large: dict[str, int]
    """Of the model whose training is timed."""
    responses: int
    prompt: int
    response: int
    micro_batch_tokens: int
    """Without gradient checkpointing; with it, four times as many."""
    sampled: tuple[int, int]
    """Sequences that are sampled, and tokens of each."""
    gemm: int
    """Side of the square matrices whose product is timed."""


GPU = Sizes(
    small={"width": 256, "mlp": 1024, "layers": 4, "heads": 8, "kv_heads": 2, "vocabulary": 4096},
    large={"width": 1536, "mlp": 8960, "layers": 28, "heads": 12, "kv_heads": 2, "vocabulary": 151936},
    responses=1024,
    prompt=128,
    response=1022,
    micro_batch_tokens=8192,
    sampled=(256, 128),
    gemm=8192,
)
"""The large one has the architecture of Qwen2.5-1.5B."""
SMALL = Sizes(
    small={"width": 32, "mlp": 64, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": 128},
    large={"width": 64, "mlp": 128, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": 512},
    responses=16,
    prompt=8,
    response=56,
    micro_batch_tokens=256,
    sampled=(8, 16),
    gemm=512,
)


def config_of(shape: dict[str, int]) -> Qwen2Config:
    """As its config.json would have it."""
    return Qwen2Config(
        vocab_size=shape["vocabulary"],
        hidden_size=shape["width"],
        intermediate_size=shape["mlp"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"],
        tie_word_embeddings=True,
        max_position_embeddings=4096,
        attn_implementation="sdpa",
    )


def policy(sizes: Sizes) -> PreTrainedModel:
    """The small model, the same each time; its weights are large enough for a distribution that is not uniform."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config_of(sizes.small))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2.0)
    return model.eval()


def large_policy(sizes: Sizes, device: torch.device) -> PreTrainedModel:
    """The large one, made on its device in bfloat16."""
    torch.manual_seed(0)
    with device:
        torch.set_default_dtype(torch.bfloat16)
        try:
            return Qwen2ForCausalLM(config_of(sizes.large)).eval()
        finally:
            torch.set_default_dtype(torch.float32)


def rows_of(
    sizes: Sizes, count: int, prompt: int, response: int, mixed: bool = False, vocabulary: int | None = None
) -> list[TrainRow]:
    """Made-up responses with advantages of both signs, eight to a prompt.

    Args:
        mixed: of lengths from a tenth to twice `response`, whose mean is about `response`.
    """
    generator = torch.Generator().manual_seed(1)
    top = vocabulary or sizes.small["vocabulary"]
    lengths = [response] * count
    if mixed:
        lengths = torch.randint(max(1, response // 10), 2 * response, (count,), generator=generator).tolist()
    rows = []
    for number, length in enumerate(lengths):
        if number % 8 == 0:
            asked = torch.randint(0, top, (prompt,), generator=generator).tolist()
        said = torch.randint(0, top, (length,), generator=generator).tolist()
        advantage = torch.full((length,), 1.0 if number % 2 else -0.5)
        rows.append(TrainRow(asked, said, None, None, advantage, torch.full((length,), 1 / (length * count))))
    return rows
