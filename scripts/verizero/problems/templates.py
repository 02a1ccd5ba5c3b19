"""A problem becomes a prompt."""

from __future__ import annotations

from verizero.config.optimizers import Template


def render(template: Template, question: str) -> str:
    """The template's text with the question in it.

    Plain replacement: braces in the question or in the template (LaTeX, JSON) mean nothing. With `chat`, the result is
    the user's message, which the policy's tokenizer puts into its chat template.
    """
    return template.text.replace("{question}", question)
