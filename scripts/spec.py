"""Print the spec of one job: what identifies it, and what its program takes as --spec.

python scripts/spec.py train tiny.sums.plain.grpo-toy.s1
python scripts/spec.py generate tiny.sums.plain.grpo-toy.s1@120/toy
python scripts/spec.py prepare_dataset sums
python scripts/spec.py overlap demo/sums
python scripts/train.py --spec "$(python scripts/spec.py train RUN)" --model ... --dataset ... --out ...
"""

from __future__ import annotations

import argparse
from pathlib import Path

from verizero.artifacts.errors import UserError, main_program
from verizero.config.expansion import parse_run, parse_subject
from verizero.config.load import undefined
from verizero.config.model import Section
from verizero.config.registry import Registry, load_registry
from verizero.config.spec import (
    dataset_spec,
    generate_spec,
    grade_spec,
    model_spec,
    overlap_spec,
    spec_text,
    study_spec,
    train_spec,
)

STAGES = ("prepare_model", "pretrain", "prepare_dataset", "overlap", "train", "generate", "grade", "aggregate")


def spec_of(registry: Registry, stage: str, name: str, study: str | None = None) -> Section:
    """The spec of a stage for one artifact.

    Args:
        study: whose `validation` a run has; none by default.

    Raises:
        UserError: the name is not defined.
    """
    path = registry.root / "registry"
    if stage in ("prepare_model", "pretrain"):
        return model_spec(registry, _known(name, registry.models, path / "models.yaml"))
    if stage == "prepare_dataset":
        return dataset_spec(
            registry, _known(name, {**registry.datasets, **registry.benchmarks}, path / "datasets.yaml")
        )
    if stage == "train":
        run = parse_run(name)
        _known(run.optimizer, registry.optimizers, registry.root / "optimizers")
        _known(run.template, registry.templates, registry.root / "templates")
        return train_spec(registry, run, registry.study(study).validation if study else None)
    if stage == "aggregate":
        return study_spec(registry, name, registry.study(name))
    if stage == "overlap":
        return overlap_spec(registry.study(name.partition("/")[0]))
    subject, _, suite = name.partition("/")
    if not suite:
        raise UserError(f"`{name}`: {stage} wants <subject>/<suite>")
    _known(suite, registry.suites, path / "suites.yaml")
    make = generate_spec if stage == "generate" else grade_spec
    return make(registry, parse_subject(subject), suite)


def _known(name: str, known: dict[str, object], path: Path) -> str:
    if name not in known:
        raise undefined(path, "the command line", name, list(known))
    return name


def main() -> None:
    """Print one spec."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("name", help="a model, data set, run, <subject>/<suite>, <study>/<data set>, or study")
    parser.add_argument("--config-dir", type=Path, default=Path("config"))
    parser.add_argument("--study", help="for `train`: the study whose `validation` the run has")
    arguments = parser.parse_args()
    registry = load_registry(arguments.config_dir)
    print(spec_text(spec_of(registry, arguments.stage, arguments.name, arguments.study)))


if __name__ == "__main__":
    main_program(main)()
