"""A spec says the same for equal meanings and something else for different ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verizero.artifacts.canonical import canonical_json
from verizero.config import model as config_model
from verizero.config.expansion import parse_run, parse_subject
from verizero.config.optimizers import Surrogate
from verizero.config.registry import load_registry
from verizero.config.schema import SCHEMAS, current_defaults, grown, schema_text
from verizero.config.spec import (
    DatasetSpec,
    GenerateSpec,
    StudySpec,
    TrainSpec,
    dataset_spec,
    generate_spec,
    read_spec,
    spec_text,
    study_spec,
    train_spec,
)

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load_registry(ROOT / "config")
RUN = parse_run("tiny.sums.plain.dr-grpo-toy.s1")


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_what_the_models_say(name: str) -> None:
    assert (ROOT / "workflow" / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8") == schema_text(name), (
        "run `python scripts/schema.py`"
    )


def test_every_default_is_frozen() -> None:
    frozen = config_model.frozen_defaults()
    assert grown(frozen) == frozen, "run `python scripts/schema.py`"
    assert frozen.keys() >= current_defaults().keys()


def test_every_spec_reads_back_as_what_it_was() -> None:
    specs = [
        (TrainSpec, train_spec(REGISTRY, RUN)),
        (DatasetSpec, dataset_spec(REGISTRY, "asdiv-train")),
        (GenerateSpec, generate_spec(REGISTRY, parse_subject("tiny.plain"), "toy")),
        (StudySpec, study_spec(REGISTRY, "demo", REGISTRY.study("demo"))),
    ]
    for kind, spec in specs:
        assert read_spec(kind, spec_text(spec))[0] == spec


def test_a_value_that_equals_its_default_is_not_in_the_spec() -> None:
    assert spec_text(Surrogate(kind="clip", clip_low=0.2)) == "{}"


def test_a_changed_default_shows_in_the_spec_and_reads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a spec leaves out has its first meaning for ever."""
    monkeypatch.setattr(config_model, "frozen_defaults", lambda: {"Surrogate": {"clip_low": 0.1}})
    monkeypatch.setattr("verizero.config.spec.frozen_defaults", lambda: {"Surrogate": {"clip_low": 0.1}})
    assert json.loads(spec_text(Surrogate())) == {"clip_low": 0.2}
    assert spec_text(Surrogate(clip_low=0.1, clip_high=0.2)) == "{}"
    assert read_spec(Surrogate, "{}")[0].clip_low == 0.1


@given(
    st.dictionaries(
        st.text(min_size=1), st.one_of(st.integers(), st.text(), st.booleans(), st.none(), st.lists(st.integers()))
    )
)
def test_key_order_does_not_show_in_canonical_json(value: dict[str, object]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError):
        canonical_json({"a": float("nan")})


@pytest.mark.parametrize("text", ["tiny", "tiny.plain", "tiny.sums.plain.grpo-toy.s1@60"])
def test_a_subject_reads_back_as_its_id(text: str) -> None:
    assert parse_subject(text).id == text


def test_the_presets_are_the_papers_objectives() -> None:
    """papers.md section 12: A-GRPO, A-Dr. GRPO, and the token mean of B."""
    grpo, dr_grpo, token_mean = (REGISTRY.optimizers[name] for name in ("grpo", "dr-grpo", "grpo-token-mean"))
    assert (grpo.advantage.scale, grpo.advantage.epsilon, grpo.weight.kind, grpo.kl.coefficient) == (
        "group-std",
        1e-8,
        "sequence",
        0.0,
    )
    assert (dr_grpo.advantage.scale, dr_grpo.weight.kind, dr_grpo.weight.length) == ("none", "constant", 3000)
    assert (
        token_mean.advantage.epsilon,
        token_mean.weight.kind,
        token_mean.kl.coefficient,
        token_mean.entropy_coefficient,
    ) == (1e-6, "token", 1e-3, 1e-3)
    assert (grpo.learning_rate, grpo.rollout.prompts, grpo.rollout.samples, grpo.updates_per_rollout) == (
        1e-6,
        128,
        8,
        8,
    )
