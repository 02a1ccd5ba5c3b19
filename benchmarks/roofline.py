"""What a step of a run on GPUs must take at least, phase by phase, from a model's sizes and two numbers of the card.

    python benchmarks/roofline.py                                   # NeMo-RL's published step of Llama-3.1-8B on 8 H100 (issue 959)
    python benchmarks/roofline.py --config results/models/NAME/payload/config.json --gpus 8 --prompts 128 --samples 8 --response 1000

Nothing is measured: `bound` is the arithmetic (or the bytes) at the card's limit, `at` the same at the share of it that --share
assumes. Sampling has one limit more: the longest response, whose tokens come one after the other whatever the batch is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from verizero.config.flops import Row, decode_seconds, forward_flops, recomputed_flops, training_flops
from verizero.config.model_shape import ModelShape, shape_of

LLAMA_8B = {
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
}
"""The sizes that Llama-3.1-8B's config.json says."""


def bounds(shape: ModelShape, options: argparse.Namespace) -> dict[str, float]:
    """Phase -> seconds at the card's limits, on each of the GPUs alike."""
    count = options.prompts * options.samples
    rows, peak = [Row(options.prompt, options.response)] * count, options.tflops * 1e12 * options.gpus
    bandwidth, seats = options.bandwidth * 1e9, count // options.gpus
    middle = options.prompt + options.response / 2
    later = (options.updates - 1) / options.updates
    return {
        "train": training_flops(shape, rows) / peak,
        "recomputed logits": recomputed_flops(shape, rows, False, True) / peak,
        "recomputed layers, with gradient checkpointing": recomputed_flops(shape, rows, True, False) / peak,
        "log-probabilities before the updates after the first": later * forward_flops(shape, rows) / peak,
        "log-probabilities of a reference policy": forward_flops(shape, rows) / peak,
        "generate, all of the mean length": options.response
        * decode_seconds(shape, seats, middle, 2, bandwidth, options.tflops * 1e12),
        "generate, the longest response alone": options.longest
        * decode_seconds(shape, 1, options.longest / 2, 2, bandwidth, options.tflops * 1e12),
        "sync, weights copied within a GPU": 2 * 2 * shape.parameters / bandwidth,
    }


def main() -> None:
    """Print a line for each phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="a config.json; by default Llama-3.1-8B's sizes")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--prompt", type=int, default=150, help="mean length in tokens")
    parser.add_argument("--response", type=int, default=795, help="mean length in tokens")
    parser.add_argument("--longest", type=int, default=4096, help="in tokens")
    parser.add_argument("--tflops", type=float, default=989.0, help="dense bfloat16 of a card; an H100's and H200's")
    parser.add_argument("--bandwidth", type=float, default=3350.0, help="GB/s of a card's memory; an H200 has 4800")
    parser.add_argument("--share", type=float, default=0.5, help="of the limit that is assumed to be reached")
    options = parser.parse_args()
    config = json.loads(options.config.read_text(encoding="utf-8")) if options.config else LLAMA_8B
    found = bounds(shape_of(config, str(options.config)), options)
    print(f"{'seconds':54}{'bound':>8}  at {options.share:.0%}")
    for phase, seconds in found.items():
        print(f"{phase:54}{seconds:8.2f}{seconds / options.share:8.2f}")


if __name__ == "__main__":
    main()
