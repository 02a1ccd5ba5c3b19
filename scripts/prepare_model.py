"""Make a base model: a Hugging Face folder, whatever it comes from.

    python scripts/prepare_model.py --spec "$(python scripts/spec.py prepare_model tiny-init)" \
        --name tiny-init --out results/models/tiny-init/manifest.json

Sources: a hub repository at a revision, a folder, a GGUF file inside an installed package, or random weights with a
character tokenizer (`scratch`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from verizero.artifacts.errors import UserError, main_program
from verizero.artifacts.job import Job
from verizero.config.sources import UNPINNED, Folder, Gguf, Hub, ModelSource, Scratch
from verizero.config.spec import ModelSpec, read_spec
from verizero.policy.load import load_policy
from verizero.policy.save import save_policy


def policy_from(source: ModelSource) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Model and tokenizer of a source."""
    if isinstance(source, Scratch):
        from verizero.policy.scratch import scratch_policy

        return scratch_policy(source)
    if isinstance(source, Gguf):
        from verizero.policy.gguf import gguf_policy

        return gguf_policy(source)
    if isinstance(source, Hub):
        from verizero.policy.hub import hub_folder

        return load_policy(hub_folder(source), "float32")
    if isinstance(source, Folder):
        return load_policy(Path(source.path), "float32")
    raise UserError("a pretrained model is made by scripts/pretrain.py")


def main() -> None:
    """Load, check and write one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="JSON, or @FILE; `python scripts/spec.py prepare_model NAME` prints it")
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    spec, plain = read_spec(ModelSpec, arguments.spec)
    job = Job("model", arguments.name, plain, arguments.out)
    unpinned = []
    if isinstance(spec.source, Hub) and spec.source.revision == UNPINNED:
        unpinned = [f"model {arguments.name} ({spec.source.repo})"]
        job.warn(f"{spec.source.repo} is not pinned: another day may bring other weights")
    model, tokenizer = policy_from(spec.source)
    save_policy(model, tokenizer, job.staging, spec.dtype)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    job.publish(counts={"parameters": parameters, "vocabulary": len(tokenizer)}, unpinned=unpinned)


if __name__ == "__main__":
    main_program(main)()
