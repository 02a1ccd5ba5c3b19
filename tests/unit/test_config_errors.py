"""A mistake in the configuration is one sentence with file, key and what would be right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from verizero.artifacts.errors import UserError
from verizero.config.plan import Plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.chdir(tmp_path)
    return tmp_path


MISTAKES = {
    "unknown key": (
        "optimizers/dr-grpo-toy.yaml",
        "base: grpo-toy",
        "base: grpo-toy\nlearnin_rate: 1.0",
        ["config/optimizers/dr-grpo-toy.yaml", "unknown key `learnin_rate`", "did you mean `learning_rate`?"],
    ),
    "nested unknown key": (
        "optimizers/grpo-toy.yaml",
        "  prompts: 16",
        "  prompt: 16",
        ["unknown key `rollout.prompt`", "did you mean `prompts`?"],
    ),
    "undefined optimizer": (
        "studies/demo.yaml",
        "[grpo-toy, dr-grpo-toy]",
        "[grpo-toy, drgrpo-toy]",
        ["config/studies/demo.yaml", "`optimizers`", "`drgrpo-toy`", "did you mean `dr-grpo-toy`?"],
    ),
    "undefined suite": (
        "studies/demo.yaml",
        "suites: [toy]",
        "suites: [toys]",
        ["evaluation.suites", "`toys`", "did you mean `toy`?"],
    ),
    "a headline of what nobody samples": (
        "studies/demo.yaml",
        "templates: [plain]",
        "templates: [plain]\nheadline: [{benchmark: sums-ood, protocol: greedy-toy}]",
        ["headline has sums-ood under greedy-toy", "choices: sums-id under greedy-toy, sums-id under sampled-toy"],
    ),
    "a primary comparison that nobody samples": (
        "studies/demo.yaml",
        "templates: [plain]",
        "templates: [plain]\nsequential: {primary: {a: grpo-toy, b: dr-grpo-toy, benchmark: gsm8k, protocol: greedy}}",
        ["sequential.primary has gsm8k under greedy", "choices: sums-id under"],
    ),
    "a primary comparison of nothing": (
        "studies/demo.yaml",
        "templates: [plain]",
        "templates: [plain]\nsequential: {primary: {a: grpo-toy, b: ppo, benchmark: sums-id, protocol: greedy-toy}}",
        ["config/studies/demo.yaml", "compares grpo-toy with ppo", "neither two `optimizers` nor two `train_sets`"],
    ),
    "a headline with a column twice": (
        "studies/demo.yaml",
        "templates: [plain]",
        "templates: [plain]\nheadline: [{benchmark: sums-id, protocol: greedy-toy}, {benchmark: sums-id, protocol: greedy-toy}]",
        ["headline has sums-id under greedy-toy twice"],
    ),
    "a primary comparison that is several": (
        "studies/demo.yaml",
        "templates: [plain]",
        "templates: [plain, r1]\nsequential: {primary: {a: grpo-toy, b: dr-grpo-toy, benchmark: sums-id, protocol: greedy-toy}}",
        ["the study has 2 templates, and it would be several comparisons"],
    ),
    "a primary comparison with itself": (
        "studies/demo.yaml",
        "templates: [plain]",
        "templates: [plain]\nsequential: {primary: {a: grpo-toy, b: grpo-toy, benchmark: sums-id, protocol: greedy-toy}}",
        ["compares grpo-toy with itself"],
    ),
    "a step that is not kept": (
        "studies/demo.yaml",
        "checkpoints: last",
        "checkpoints: 61",
        [
            "evaluation.checkpoints is step 61",
            "`grpo-toy` keeps the weights of 60, 120 only",
            "add 61 to its `checkpoints`",
        ],
    ),
    "undefined base": ("optimizers/dr-grpo-toy.yaml", "base: grpo-toy", "base: grppo", ["`base`", "`grppo`"]),
    "1e-6 is a text": (
        "optimizers/grpo.yaml",
        "learning_rate: 1.0e-6",
        "learning_rate: 1e-6",
        ["config/optimizers/", "`learning_rate`", "write 1.0e-6"],
    ),
    "GPUs that belong to no engine": (
        "config.yaml",
        "  gpus: 0",
        "  gpus: 8\n  vllm_tensor_parallel: 3",
        ["config/config.yaml", "vllm_tensor_parallel is 3, but gpus is 8", "must divide"],
    ),
    "more than all memory": (
        "config.yaml",
        "  gpus: 0",
        "  vllm_train_memory_percent: 150",
        ["config/config.yaml", "runtime.vllm_train_memory_percent", "100"],
    ),
    "duplicate seed": (
        "studies/demo.yaml",
        "[1, 2, 3]",
        "[1, 2, 2]",
        ["config/studies/demo.yaml", "seeds", "2 is listed 2 times"],
    ),
    "branch as a revision": (
        "registry/models.yaml",
        "revision: unpinned",
        "revision: main",
        ["registry/models.yaml", "qwen2-5-math-1-5b", "40 hexadecimal digits", "pin.py"],
    ),
    "no revision": (
        "registry/models.yaml",
        "    revision: unpinned\n",
        "",
        ["qwen2-5-math-1-5b.source.revision` is missing"],
    ),
    "key twice": (
        "studies/demo.yaml",
        "seeds: [1, 2, 3]",
        "seeds: [1, 2, 3]\nseeds: [4]",
        ["config/studies/demo.yaml, line", "`seeds` is there twice"],
    ),
    "clip range": (
        "optimizers/grpo-toy.yaml",
        "base: grpo",
        "base: grpo\nsurrogate: {clip_high: 0.1}",
        ["clip_high is 0.1, below clip_low 0.2"],
    ),
    "too long for the model": (
        "optimizers/grpo-toy.yaml",
        "  max_tokens: 128",
        "  max_tokens: 256",
        ["max_model_len 256"],
    ),
    "no room for a prompt in an evaluation": (
        "registry/suites.yaml",
        "  greedy-toy:\n    temperature: 0.0\n    max_tokens: 128",
        "  greedy-toy:\n    temperature: 0.0\n    max_tokens: 256",
        ["suite `toy`", "`greedy-toy`", "no room for a prompt", "max_model_len 256"],
    ),
    "several greedy samples": (
        "registry/suites.yaml",
        "{benchmark: sums-id, protocol: greedy-toy}",
        "{benchmark: sums-id, protocol: greedy-toy, samples: 4}",
        ["greedy", "sums-id"],
    ),
    "a cut of nothing": (
        "registry/suites.yaml",
        "    of: c-t1-16k\n",
        "    of: c-t1-16\n",
        ["cuts.c-t1-3k-of-16k.of", "did you mean `c-t1-16k`?"],
    ),
    "a cut between the places that samples note": (
        "registry/suites.yaml",
        "    tokens: 3000",
        "    tokens: 3100",
        ["suites.yaml", "cuts.c-t1-3k-of-16k", "tokens is 3100", "multiples of 1000 and of 1024"],
    ),
    "a cut that cuts nothing": (
        "registry/suites.yaml",
        "    tokens: 3000",
        "    tokens: 16000",
        ["`cuts.c-t1-3k-of-16k.tokens` is 16000", "not below the 16000 that `c-t1-16k` samples"],
    ),
    "a cut in a suite that does not sample it": (
        "registry/suites.yaml",
        "    cuts: [c-t1-3k-of-16k]\n    members:\n      - {benchmark: gsm8k, protocol: c-t1-16k}",
        "    cuts: [c-t1-3k-of-16k]\n    members:\n      - {benchmark: aime25, protocol: main}\n  other:\n    members:\n"
        "      - {benchmark: gsm8k, protocol: c-t1-16k}",
        ["`suites.paper-c.cuts` has `c-t1-3k-of-16k`", "no member is sampled under `c-t1-16k`"],
    ),
    "name with capitals": ("registry/models.yaml", "tiny-init:", "Tiny_init:", ["`Tiny_init`", "lower-case"]),
    "wrong kind": ("registry/models.yaml", "kind: scratch", "kind: random", ["tiny-init.source", "scratch"]),
    "template without a question": (
        "templates/plain.yaml",
        "{question}",
        "question",
        ["config/templates/plain.yaml", "{question}"],
    ),
    "no mapping": ("studies/demo.yaml", None, "- a\n- b\n", ["config/studies/demo.yaml", "list"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_with_file_and_key(name: str, checkout: Path) -> None:
    path, before, after, words = MISTAKES[name]
    file = checkout / "config" / path
    text = file.read_text(encoding="utf-8")
    assert before is None or before in text
    file.write_text(after if before is None else text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(UserError) as error:
        Plan(checkout, {})
    sentence = str(error.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence


def test_an_undefined_study_names_the_studies_there_are(checkout: Path) -> None:
    with pytest.raises(UserError, match=r"`demmo`.*did you mean `demo`\?.*smollm2"):
        Plan(checkout, {"study": "demmo"})


def test_the_command_line_goes_before_the_file(checkout: Path) -> None:
    assert not Plan(checkout, {"tracking": {"enabled": "false"}}).config.tracking.enabled


@pytest.mark.parametrize("study", sorted(path.stem for path in (ROOT / "config" / "studies").glob("*.yaml")))
def test_every_study_of_the_repository_resolves(study: str) -> None:
    assert Plan(ROOT, {"study": study}).grade_manifests()
