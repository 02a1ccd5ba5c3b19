"""What a model costs, from its config.json alone: against transformers' own models, and torch's own count of operations."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from verizero.artifacts.errors import UserError  # noqa: E402
from verizero.config.flops import Row, decode_seconds, forward_flops, training_flops  # noqa: E402
from verizero.config.model_shape import read_shape, shape_of  # noqa: E402
from verizero.policy import packed_attention  # noqa: E402
from verizero.policy.logprobs import token_logprobs  # noqa: E402
from verizero.policy.packed_attention import reads_packed  # noqa: E402
from verizero.policy.packing import pack  # noqa: E402

SIZES = {
    "vocab_size": 500,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
QWEN_1_5B = {
    "model_type": "qwen2",
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
QWEN_7B = QWEN_1_5B | {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}


def model_of(kind: str, **changes):
    config = transformers.AutoConfig.for_model(kind, **SIZES | changes)
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("llama", {}),
        ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 24}),
        ("mistral", {}),
        ("qwen2", {}),
        ("qwen3", {}),
        ("qwen3", {"attention_bias": True, "head_dim": 16}),
        ("smollm3", {}),
    ],
)
def test_parameters_are_those_of_the_model_part_by_part(kind, changes, tied):
    model = model_of(kind, tie_word_embeddings=tied, **changes)
    shape = shape_of(json.loads(model.config.to_json_string(use_diff=False)))
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    decoder = sum(p.numel() for name, p in model.model.named_parameters() if "embed_tokens" not in name)
    assert shape.decoder == decoder
    assert shape.embedding == model.get_input_embeddings().weight.numel()
    assert shape.tied == tied


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "smollm3"])
def test_what_config_json_leaves_out_is_what_transformers_takes(kind, tmp_path):
    model = model_of(kind)
    said = json.loads(model.config.to_json_string(use_diff=True))
    (tmp_path / "config.json").write_text(json.dumps(said))
    assert read_shape(tmp_path).parameters == sum(parameter.numel() for parameter in model.parameters())


def test_known_models_have_the_sizes_that_their_cards_say():
    assert shape_of(QWEN_1_5B).parameters == 1_543_714_304
    assert shape_of(QWEN_7B).parameters == 7_615_616_512
    assert shape_of(QWEN_1_5B).kv_bytes(2) == 28_672
    assert shape_of(QWEN_7B).kv_bytes(2) == 57_344


def test_a_mixture_of_experts_and_a_folder_without_config_are_sentences(tmp_path):
    with pytest.raises(UserError, match="model_type is qwen3_moe; costs are known of dense decoders only: llama"):
        shape_of({"model_type": "qwen3_moe"})
    with pytest.raises(UserError, match="does not say hidden_size, intermediate_size"):
        shape_of({name: size for name, size in QWEN_7B.items() if name not in ("hidden_size", "intermediate_size")})
    with pytest.raises(UserError, match=r"has no config\.json"):
        read_shape(tmp_path)


def test_flops_are_those_that_torch_counts(monkeypatch):
    def no_products(query, key, value, **_):
        """All three have a part, and nothing to count: torch's counter does not know the CPU's attention."""
        return query + key.mean() + value.mean()

    monkeypatch.setattr(packed_attention, "scaled_dot_product_attention", no_products)
    torch.manual_seed(0)
    config = transformers.Qwen2Config(**SIZES, tie_word_embeddings=True)
    model = reads_packed(transformers.AutoModelForCausalLM.from_config(config).float())
    prompt, responses = list(range(1, 11)), [[7] * 55, [8] * 55]
    packed = pack([(prompt, response) for response in responses])
    with FlopCounterMode(display=False) as forward:
        logprobs, _ = token_logprobs(model, packed)
    with FlopCounterMode(display=False) as backward:
        logprobs.sum().backward()
    forward_counted, backward_counted = forward.get_total_flops(), backward.get_total_flops()
    shape = shape_of(json.loads(model.config.to_json_string(use_diff=False)))
    rows = [Row(10, 55, shared=2)] * 2
    pairs = 2.0 * shape.layers * shape.heads * shape.head_width * sum(row.pairs for row in rows)
    # neither the filler nor the last token of a response, which is not read, is in the formula's count
    read = packed.places / sum(row.read for row in rows)
    decoder = (forward_flops(shape, rows) - pairs - 2.0 * shape.embedding * 110) * read
    assert decoder + 2.0 * shape.embedding * 110 == pytest.approx(forward_counted, rel=0.02)
    assert forward_counted * 2 == pytest.approx(backward_counted, rel=0.02)
    assert training_flops(shape, rows) == 3 * forward_flops(shape, rows)


def test_a_prompt_that_is_shared_counts_once():
    apart, together = [Row(100, 20)] * 4, [Row(100, 20, shared=4)] * 4
    assert sum(row.read for row in together) == 100 + 4 * 20
    assert sum(row.pairs for row in together) == 100**2 + 4 * (120**2 - 100**2)
    shape = shape_of(QWEN_1_5B)
    assert forward_flops(shape, together) < 0.4 * forward_flops(shape, apart)


def test_a_training_pass_over_a_thousand_responses_has_the_known_flops():
    rows = [Row(128, 1022)] * 1024
    assert training_flops(shape_of(QWEN_1_5B), rows) == pytest.approx(1.12e16, rel=0.02)


def test_decoding_is_bound_by_memory_until_the_batch_is_large():
    shape = shape_of(QWEN_7B)
    few = decode_seconds(shape, 256, 1000, 2, 3.35e12, 989e12)
    assert 256 / few == pytest.approx(29_000, rel=0.05)  # bandwidth of an H100
    assert decode_seconds(shape, 4096, 1, 2, 3.35e12, 989e12) == pytest.approx(2 * 7.07e9 * 4096 / 989e12, rel=0.01)
