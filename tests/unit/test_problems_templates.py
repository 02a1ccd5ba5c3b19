"""Each template's prompt, character by character, as its source writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from verizero.config.load import read_yaml
from verizero.config.optimizers import Template
from verizero.problems.templates import render

FOLDER = Path(__file__).resolve().parents[2] / "config" / "templates"
R1 = (
    "A conversation between User and Assistant. The User asks a question, and the Assistant solves it. The Assistant first "
    "thinks about the reasoning process in the mind and then provides the User with the answer. The reasoning process is "
    "enclosed within <think> </think> and answer is enclosed within <answer> </answer> tags, respectively, i.e., <think> "
    "reasoning process here </think> <answer> answer here </answer>."
)
SYSTEM = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
BOXED = "Please reason step by step, and put your final answer within \\boxed{}."
PROMPTS = {
    "plain": "2+2?",
    "chat": "2+2?",
    "qwen-math": SYSTEM.format(BOXED, "2+2?"),
    "qwen-boxed": SYSTEM.format("You are a helpful assistant.", f"2+2?\n{BOXED}"),
    "qwen3": f"<|im_start|>user\nQuestion: 2+2?\n{BOXED}<|im_end|>\n<|im_start|>assistant\n",
    "r1": f"{R1}\nUser: 2+2?\nAssistant: <think>",
    "deepseek-r1": f"{R1} User: 2+2?. Assistant:",
    "open-reasoner-zero": (
        f"{R1} User: You must put your answer inside <answer> </answer> tags, i.e., <answer> answer here </answer>. And your "
        "final answer will be extracted automatically by the \\boxed{} tag.\nThis is the problem:\n2+2?\nAssistant: <think>"
    ),
    "prime-zero": (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
        "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
        "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> "
        "reasoning process here </think> <answer> answer here </answer>. User: 2+2?\n\nPresent the answer in LaTex format: "
        "\\boxed{Your answer}. Assistant:"
    ),
    "abel": "Question:\n2+2?\nAnswer:\nLet's think step by step.\n",
    "boxed-chat": "2+2? Let's think step by step and output the final answer within \\boxed{}.",
    "llama-instruct": f"2+2?\n{BOXED}\n\n",
    "r1-distill-qwen": f"<｜begin▁of▁sentence｜><｜User｜>2+2? {BOXED}\n<｜Assistant｜><think>\n",
}
STOPS = {"r1": ["</answer>"], "abel": ["Question:", "Answer:"], "qwen-boxed": ["assistant", "user", "_end", "_start"]}
CHAT = {"chat", "boxed-chat", "llama-instruct"}


def template(name: str) -> Template:
    return Template.model_validate(read_yaml(FOLDER / f"{name}.yaml"))


@pytest.mark.parametrize("name", PROMPTS)
def test_the_prompt_is_the_one_of_the_source(name: str) -> None:
    made = template(name)
    assert render(made, "2+2?") == PROMPTS[name]
    assert (made.stop, made.chat) == (STOPS.get(name, []), name in CHAT)


def test_every_template_is_pinned_here_or_is_our_own() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} - set(PROMPTS) == {"three-shot"}
