r"""Prepare a base model: a plain Hugging Face folder, whatever it comes from.

    python scripts/prepare_model.py --spec "$(python scripts/spec.py prepare_model tiny-init)" --name tiny-init \
        --out results/models/tiny-init/manifest.json

Sources: a hub repository at a revision (each file's SHA-256 checked against the registry), a folder, a GGUF file
inside an installed package (dequantised), or a small decoder with random weights and a character tokenizer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.job import Job
from verizero.config.sources import UNPINNED, Folder, Gguf, Hub, Scratch
from verizero.config.spec import ModelSpec, read_spec


def main() -> None:
    """One model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="JSON of the spec, or @FILE")
    parser.add_argument("--name", required=True, help="the model's name in the registry")
    parser.add_argument("--out", required=True, type=Path, help="where the manifest goes")
    arguments = parser.parse_args()
    spec, plain = read_spec(ModelSpec, arguments.spec)
    job = Job("model", arguments.name, plain, arguments.out)

    unpinned: list[str] = []
    match spec.source:
        case Scratch() as source:
            from verizero.policy.scratch import scratch_policy

            model, tokenizer = scratch_policy(source.architecture, source.alphabet, source.seed)
        case Gguf() as source:
            from verizero.policy.gguf import gguf_policy

            model, tokenizer = gguf_policy(source)
        case Hub() | Folder() as source:
            from verizero.policy.fetch import hub_folder, local_folder
            from verizero.policy.load import load_policy

            model, tokenizer = load_policy(
                hub_folder(source) if isinstance(source, Hub) else local_folder(source), spec.dtype
            )
            unpinned = unpinned_sentences(source)
        case source:
            raise UserError(f"the source of {arguments.name} is of kind `{source.kind}`; `pretrain.py` makes that one")
    for sentence in unpinned:
        job.warn(sentence)

    from verizero.policy.load import context_length
    from verizero.policy.save import save_policy

    save_policy(model, tokenizer, job.staging, spec.dtype)
    tokenizer.model_max_length = context_length(job.staging, spec.max_model_len)
    tokenizer.save_pretrained(job.staging)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    job.publish(
        counts={"parameters": parameters, "vocabulary": len(tokenizer)},
        seeds=[spec.source.seed] if isinstance(spec.source, Scratch) else [],
        unpinned=unpinned,
    )


def unpinned_sentences(source: Hub | Folder) -> list[str]:
    """What is not proven about a source's identity, for everyone who uses the model."""
    if isinstance(source, Hub) and source.revision == UNPINNED:
        return [
            f"model {source.repo}: the revision is not resolved (`python scripts/pin.py` does it); another download may be another model"
        ]
    if isinstance(source, Folder) and source.sha256 is None:
        return [f"model {source.path}: the folder's digest is not in the registry"]
    return []


if __name__ == "__main__":
    main_program(main)()
