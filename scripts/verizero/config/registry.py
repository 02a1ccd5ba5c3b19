"""Everything that `config/` defines, read once and checked."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from verizero.artifacts.errors import UserError
from verizero.config.load import read_yaml, undefined, validated
from verizero.config.model import Name, Section
from verizero.config.optimizers import Optimizer, Template
from verizero.config.problem_sets import Benchmark, ProblemSet, Sets
from verizero.config.published import PARTS, PublishedValues, load_published, same_problems
from verizero.config.set_inputs import check_sets
from verizero.config.sources import MIRROR_ROOT, Cut, Hub, Model, Pretrained, Protocol, Suite
from verizero.config.study import Config, PublishedLine, Study

S = TypeVar("S", bound=Section)
_NAME = TypeAdapter(Name)


@dataclass(frozen=True)
class Registry:
    """The named things of a configuration folder."""

    root: Path
    models: dict[str, Model]
    datasets: dict[str, ProblemSet]
    benchmarks: dict[str, Benchmark]
    suites: dict[str, Suite]
    protocols: dict[str, Protocol]
    cuts: dict[str, Cut]
    optimizers: dict[str, Optimizer]
    templates: dict[str, Template]

    @cached_property
    def published(self) -> PublishedValues:
        """The papers' numbers; read only for a study that names some.

        Raises:
            UserError: the first mistake in the file.
        """
        return load_published(self.root)

    def problem_set(self, name: str) -> ProblemSet:
        """A training set or a benchmark: they share one name space and one stage."""
        return self.datasets.get(name) or self.benchmarks[name]

    def study(self, name: str) -> Study:
        """A study by name, its names checked against the registry.

        Raises:
            UserError: the file, the key, and the valid choices.
        """
        folder = self.root / "studies"
        path = folder / f"{name}.yaml"
        if not path.is_file():
            raise undefined(self.root / "config.yaml", "study", name, [file.stem for file in folder.glob("*.yaml")])
        study = validated(Study, read_yaml(path), path)
        self._check_names(path, "models", study.models, self.models)
        self._check_names(path, "train_sets", study.train_sets, self.datasets)
        self._check_names(path, "templates", study.templates, self.templates)
        self._check_names(path, "optimizers", study.optimizers, self.optimizers)
        self._check_names(path, "evaluation.suites", study.evaluation.suites, self.suites)
        self._check_names(path, "evaluation.probes", study.evaluation.probes, self.suites)
        self._check_names(path, "evaluation.checkpoint_suites", study.evaluation.checkpoint_suites, self.suites)
        for suite in (*study.evaluation.suites, *study.evaluation.checkpoint_suites):
            for member in self.suites[suite].members:
                self._check_names(path, f"evaluation.suites: {suite} samples", [member.benchmark], self.benchmarks)
        self._check_headline(path, study)
        self._check_published(path, study)
        self._check_step(path, study)
        self._check_validation(path, study)
        self._check_lengths(path, study)
        self._check_order(path, study)
        return study

    def unpinned(self, study: Study) -> list[str]:
        """The hub sources of a study whose revision nobody resolved, as sentences; none that a mirror stands in for."""
        found = []
        sets = {member.benchmark for name in study.evaluation.all_suites for member in self.suites[name].members} | (
            {study.validation.benchmark} if study.validation else set()
        )
        for name in study.models:
            source = self.models[name].source
            if isinstance(source, Hub) and source.revision == "unpinned":
                found.append(f"model {name} ({source.repo})")
        for name in sorted({*study.train_sets, *sets}):
            entry = self.problem_set(name)
            beside = entry.hub if isinstance(entry, Benchmark) and not os.environ.get(MIRROR_ROOT) else None
            origin = beside or entry.source
            if isinstance(origin, Hub) and origin.revision == "unpinned":
                found.append(f"problems {name} ({origin.repo})")
        return found

    def _check_names(self, path: Path, key: str, names: list[str], known: dict[str, S]) -> None:
        for name in names:
            if name not in known:
                raise undefined(path, key, name, list(known))

    def _check_headline(self, path: Path, study: Study) -> None:
        """A column that nothing fills would be empty at the end of the study."""
        evaluation = study.evaluation
        asked = [("headline", one.benchmark, one.protocol) for one in study.headline]
        for key, benchmark, protocol in asked:
            self._check_column(path, key, benchmark, protocol, evaluation.all_suites)
        if twice := next((one for one in asked if asked.count(one) > 1), None):
            raise UserError(f"{path}: headline has {twice[1]} under {twice[2]} twice; list each column once")
        if study.sequential is None:
            return
        primary = study.sequential.primary
        suites = [*evaluation.suites, *evaluation.checkpoint_suites]
        self._check_column(path, "sequential.primary", primary.benchmark, primary.protocol, suites)
        axis = "optimizers" if primary.a in study.optimizers else "train_sets"
        for name in ("models", "templates", "optimizers", "train_sets"):
            if name != axis and len(getattr(study, name)) > 1:
                raise UserError(
                    f"{path}: sequential.primary compares two {axis}, but the study has {len(getattr(study, name))} {name}, and it would be several "
                    "comparisons; a sequential design needs a study in which all else is fixed"
                )

    def _check_column(self, path: Path, key: str, benchmark: str, protocol: str, suites: list[str]) -> None:
        sampled = {
            (member.benchmark, used)
            for name in suites
            for member in self.suites[name].members
            for used in (
                member.protocol,
                *(cut for cut in self.suites[name].cuts if self.cuts[cut].of == member.protocol),
            )
        }
        if (benchmark, protocol) not in sampled:
            choices = ", ".join(f"{name} under {how}" for name, how in sorted(sampled))
            raise UserError(
                f"{path}: {key} has {benchmark} under {protocol}, which no suite of the study samples; choices: {choices}"
            )

    def _check_published(self, path: Path, study: Study) -> None:
        """A line that stands for a paper's must name one line of each."""
        for place, line in enumerate(study.published):
            key = f"published.{place}"
            before: list[str] = []
            for part in PARTS:
                name = getattr(line, part)
                if name not in (choices := self.published.choices(*before)):
                    raise undefined(path, f"{key}.{part}", name, [choice or '""' for choice in choices])
                before.append(name)
            self._check_line(path, key, study, line)
            sampled = self._sampled(study, line)
            printed = {
                one.benchmark
                for one in self.published.at((line.paper, line.table, line.subject, line.variant))
                if one.metric.startswith("avg@")
            }
            if not any(same_problems(ours, theirs) for ours in sampled for theirs in printed):
                raise UserError(
                    f"{path}: {key} is about {', '.join(sorted(printed)) or 'no accuracy on a single benchmark'}, and the study samples this "
                    f"line on {', '.join(sorted(sampled)) or 'nothing'}; leave it out, or evaluate on a suite that has one of them"
                )

    def _sampled(self, study: Study, line: PublishedLine) -> set[str]:
        """The benchmarks that a line of the study is asked."""
        evaluation = study.evaluation
        if line.optimizer:
            names = (*evaluation.suites, *evaluation.checkpoint_suites)
            return {member.benchmark for name in names for member in self.suites[name].members}
        template = line.template or study.templates[0]
        return {
            member.benchmark
            for name in (*evaluation.suites, *evaluation.probes)
            for member in self.suites[name].members
            if member.template == template or (member.template is None and template in study.templates)
        }

    def _check_line(self, path: Path, key: str, study: Study, line: PublishedLine) -> None:
        """The names are the study's, and where it has several, one is chosen."""
        suites = (*study.evaluation.suites, *study.evaluation.probes)
        fixed = {member.template for name in suites for member in self.suites[name].members if member.template}
        known = {
            "model": study.models,
            "optimizer": study.optimizers,
            "train_set": study.train_sets,
            "template": study.templates if line.optimizer else sorted({*study.templates, *fixed}),
        }
        needed = {"train_set", "template"} if line.optimizer else {"template"}
        for part, names in known.items():
            name = getattr(line, part)
            if name is not None and name not in names:
                raise undefined(path, f"{key}.{part}", name, names)
            if name is None and part in needed and len(names) > 1:
                raise UserError(
                    f"{path}: `{key}.{part}` is missing, and the study has several; choices: {', '.join(names)}"
                )

    def _check_step(self, path: Path, study: Study) -> None:
        """A step's weights can be evaluated only where they are kept."""
        step = study.evaluation.checkpoints
        for optimizer in study.optimizers if isinstance(step, int) else []:
            if step not in (kept := self.optimizers[optimizer].kept_steps()):
                raise UserError(
                    f"{path}: evaluation.checkpoints is step {step}, but `{optimizer}` keeps the weights of {', '.join(map(str, kept))} only; "
                    f"add {step} to its `checkpoints`"
                )

    def _check_validation(self, path: Path, study: Study) -> None:
        """A checkpoint that is chosen must be chosen on problems that the study reports nothing of."""
        how = study.validation
        if study.evaluation.checkpoints == "best" and not (how and how.keep_best):
            raise UserError(
                f"{path}: evaluation.checkpoints is `best`, which is chosen by a validation; add `validation` with `keep_best: true`"
            )
        if how is None:
            return
        self._check_names(path, "validation.benchmark", [how.benchmark], self.benchmarks)
        self._check_names(path, "validation.protocol", [how.protocol], self.protocols)
        if how.samples > 1 and self.protocols[how.protocol].temperature == 0:
            raise UserError(
                f"{path}: validation.samples is {how.samples}, but `{how.protocol}` is greedy: they would be equal"
            )
        if not how.keep_best:
            return
        for suite in (*study.evaluation.suites, *study.evaluation.checkpoint_suites):
            for member in self.suites[suite].members:
                if may_share(self, how.benchmark, member.benchmark):
                    raise UserError(
                        f"{path}: validation.benchmark `{how.benchmark}` chooses the checkpoint, and `{member.benchmark}`, which suite "
                        f"`{suite}` reports, is from the same source; choose on other problems than those that are reported"
                    )
        for optimizer in study.optimizers:
            if how.every >= self.optimizers[optimizer].steps:
                raise UserError(
                    f"{path}: validation.every is {how.every}, and `{optimizer}` has {self.optimizers[optimizer].steps} steps: the last one alone "
                    "would be measured, and be the best"
                )

    def _check_order(self, path: Path, study: Study) -> None:
        """A curriculum needs sets that say what is hard."""
        for optimizer in study.optimizers:
            if self.optimizers[optimizer].order.rule != "curriculum":
                continue
            for name in study.train_sets:
                if not self._has_difficulty(name):
                    raise UserError(
                        f"{path}: optimizer `{optimizer}` has order.rule `curriculum`, but the training set `{name}` says nothing of difficulty; give "
                        "it `difficulty` in datasets.yaml"
                    )

    def _has_difficulty(self, name: str) -> bool:
        entry = self.problem_set(name)
        below = entry.source.names if isinstance(entry.source, Sets) else []
        return entry.difficulty is not None or (bool(below) and all(map(self._has_difficulty, below)))

    def _check_lengths(self, path: Path, study: Study) -> None:
        """A completion must fit behind its prompt; that is known before any job."""
        for name in study.models:
            limit = self.models[name].max_model_len
            if limit is None:
                continue
            for suite in study.evaluation.all_suites:
                for member in self.suites[suite].members:
                    if (tokens := self.protocols[member.protocol].max_tokens) >= limit:
                        raise UserError(
                            f"{path}: suite `{suite}` samples {member.benchmark} under `{member.protocol}` with completions of up to "
                            f"{tokens} tokens, which leaves no room for a prompt: model `{name}` has max_model_len {limit}"
                        )
            if study.validation and (tokens := self.protocols[study.validation.protocol].max_tokens) >= limit:
                raise UserError(
                    f"{path}: validation samples completions of up to {tokens} tokens under `{study.validation.protocol}`, which leaves no "
                    f"room for a prompt: model `{name}` has max_model_len {limit}"
                )
            for optimizer in study.optimizers:
                rollout = self.optimizers[optimizer].rollout
                if rollout.max_prompt_tokens + rollout.max_tokens > limit:
                    raise UserError(
                        f"{path}: optimizer `{optimizer}` wants prompts of up to {rollout.max_prompt_tokens} and completions of up to "
                        f"{rollout.max_tokens} tokens, but model `{name}` has max_model_len {limit}"
                    )


def _leaves(registry: Registry, name: str) -> list[tuple[set[str], Selection]]:
    """Where the problems of a set are from: the places of each source below it, and how that source's problems are selected."""
    entry = registry.problem_set(name)
    if isinstance(entry.source, Sets):
        return [leaf for other in entry.source.names for leaf in _leaves(registry, other)]
    hub = entry.hub if isinstance(entry, Benchmark) else None
    return [({_place(source) for source in (entry.source, hub) if source}, entry.select)]


def may_share(registry: Registry, one: str, other: str) -> bool:
    """Whether two sets can hold the same problem: they have a source in common, and are no disjoint shares of it."""
    whole, rest = registry.problem_set(one), registry.problem_set(other)
    if whole.source == rest.source and _disjoint(whole.select, rest.select):
        return False
    return any(
        places & others and not _disjoint(first, second)
        for (places, first), (others, second) in itertools.product(_leaves(registry, one), _leaves(registry, other))
    )


def _disjoint(first: Selection, second: Selection) -> bool:
    """Whether two selections from the same problems are shares that have none in common."""
    shares = first.rule == second.rule == "share" and first.seed == second.seed
    return shares and (first.high <= second.low or second.high <= first.low)


def _place(source: Section) -> str:
    """What a source's problems follow from: the file or repository, whatever its revision."""
    plain = source.model_dump()
    for name in ("sha256", "path", "repo"):
        if plain.get(name):
            return f"{plain['kind']}:{plain.get('subset') or ''}:{plain.get('split') or ''}:{plain[name]}"
    return repr(sorted(plain.items()))


def load_registry(root: Path) -> Registry:
    """Read `config/` and check it on its own.

    Raises:
        UserError: the first mistake, with file and key.
    """
    entries = root / "registry"
    suites_file = entries / "suites.yaml"
    suite_data = read_yaml(suites_file)
    if extra := set(suite_data) - {"suites", "protocols", "cuts"}:
        raise UserError(f"{suites_file}: unknown key `{min(extra)}`; valid keys here: cuts, protocols, suites")
    registry = Registry(
        root=root,
        models=_entries(Model, entries / "models.yaml"),
        datasets=_entries(ProblemSet, entries / "datasets.yaml"),
        benchmarks=_entries(Benchmark, entries / "benchmarks.yaml"),
        suites=_named(Suite, suite_data.get("suites") or {}, suites_file, "suites."),
        protocols=_named(Protocol, suite_data.get("protocols") or {}, suites_file, "protocols."),
        cuts=_named(Cut, suite_data.get("cuts") or {}, suites_file, "cuts."),
        optimizers=_optimizers(root / "optimizers"),
        templates={path.stem: validated(Template, read_yaml(path), path) for path in _yaml_files(root / "templates")},
    )
    _check(registry)
    return registry


def load_config(path: Path, overrides: dict[str, object] | None = None) -> Config:
    """`config.yaml`, with what the command line says over it."""
    return validated(
        Config, {**read_yaml(path), **{key: _typed(value) for key, value in (overrides or {}).items()}}, path
    )


def _typed(value: object) -> object:
    """Below the first level, Snakemake's `--config a={b: false}` hands on every value as a text."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, str) and isinstance(scalar := yaml.safe_load(value) if value else value, bool | int | float):
        return scalar
    return value


def _entries(model: type[S], path: Path) -> dict[str, S]:
    return _named(model, read_yaml(path), path)


def _named(model: type[S], data: dict[str, object], path: Path, prefix: str = "") -> dict[str, S]:
    return {_checked_name(name, path): validated(model, entry, path, f"{prefix}{name}") for name, entry in data.items()}


def _checked_name(name: object, path: Path) -> str:
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise UserError(
            f"{path}: the name `{name}` must have lower-case letters, digits and single hyphens only"
        ) from None


def _yaml_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.yaml"))
    for path in files:
        _checked_name(path.stem, path)
    return files


def _optimizers(folder: Path) -> dict[str, Optimizer]:
    """Optimizer files; `base: NAME` starts from another one's values, but not from what it says about itself."""
    raw = {path.stem: read_yaml(path) for path in _yaml_files(folder)}
    return {name: validated(Optimizer, _with_base(name, raw, folder, ()), folder / f"{name}.yaml") for name in raw}


def _with_base(name: str, raw: dict[str, dict[str, object]], folder: Path, seen: tuple[str, ...]) -> dict[str, object]:
    path = folder / f"{name}.yaml"
    own = dict(raw[name])
    base = own.pop("base", None)
    if base is None:
        return own
    if base not in raw:
        raise undefined(path, "base", str(base), list(raw))
    if base in (*seen, name):
        raise UserError(f"{path}: `base` leads back to `{base}`: {' -> '.join((*seen, name, str(base)))}")
    inherited = _with_base(str(base), raw, folder, (*seen, name))
    return merged({key: value for key, value in inherited.items() if key not in ("source", "note")}, own)


def merged(base: dict[str, object], own: dict[str, object]) -> dict[str, object]:
    """One configuration with another one's values over it, section by section."""
    found = dict(base)
    for key, value in own.items():
        below = found.get(key)
        found[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found


def _check(registry: Registry) -> None:
    """What no single entry can know."""
    entries = registry.root / "registry"
    if both := registry.datasets.keys() & registry.benchmarks.keys():
        raise UserError(
            f"{entries / 'benchmarks.yaml'}: `{min(both)}` is in datasets.yaml too; training sets and benchmarks share one name space"
        )
    for name, model in registry.models.items():
        if isinstance(model.source, Pretrained):
            _check_pretrained(registry, name, model.source, entries / "models.yaml")
    for file, sets in (("datasets.yaml", registry.datasets), ("benchmarks.yaml", registry.benchmarks)):
        for name, problems in sets.items():
            for excluded in problems.exclude:
                if excluded not in registry.benchmarks or excluded == name:
                    raise undefined(
                        entries / file, f"{name}.exclude", excluded, [key for key in registry.benchmarks if key != name]
                    )
                if registry.benchmarks[excluded].exclude:
                    raise UserError(
                        f"{entries / file}: `{name}.exclude` has `{excluded}`, which excludes others itself; chains of exclusion are not followed"
                    )
            if problems.select.rule == "random" and problems.select.n is None:
                raise UserError(f"{entries / file}: `{name}.select.n` is missing; the rule `random` needs it")
            if problems.select.rule == "share" and problems.select.low >= problems.select.high:
                raise UserError(
                    f"{entries / file}: `{name}.select` has low {problems.select.low}, not below high {problems.select.high}"
                )
    _check_cuts(registry, entries / "suites.yaml")
    for name, suite in registry.suites.items():
        path, ids = entries / "suites.yaml", set()
        for member in suite.members:
            key = f"suites.{name}.members"
            if member.benchmark not in registry.benchmarks and member.benchmark not in registry.datasets:
                raise undefined(path, key, member.benchmark, [*registry.benchmarks, *registry.datasets])
            if member.protocol not in registry.protocols:
                raise undefined(path, key, member.protocol, list(registry.protocols))
            if member.template is not None and member.template not in registry.templates:
                raise undefined(path, key, member.template, list(registry.templates))
            if registry.protocols[member.protocol].temperature == 0 and member.samples > 1:
                raise UserError(
                    f"{path}: `{key}` wants {member.samples} samples of {member.benchmark} under `{member.protocol}`, which is greedy: they would be equal"
                )
            identity = (member.benchmark, member.template, member.protocol)
            if identity in ids:
                raise UserError(
                    f"{path}: `{key}` has {member.benchmark} under `{member.protocol}` and the same template twice"
                )
            ids.add(identity)
    check_sets(registry)


def _check_cuts(registry: Registry, path: Path) -> None:
    for name, cut in registry.cuts.items():
        if name in registry.protocols:
            raise UserError(
                f"{path}: `{name}` is a protocol and a cut; they share one name space, the tables' column `protocol`"
            )
        if cut.of not in registry.protocols:
            raise undefined(path, f"cuts.{name}.of", cut.of, list(registry.protocols))
        if cut.tokens >= (limit := registry.protocols[cut.of].max_tokens):
            raise UserError(
                f"{path}: `cuts.{name}.tokens` is {cut.tokens}, not below the {limit} that `{cut.of}` samples"
            )
    for name, suite in registry.suites.items():
        for cut_name in suite.cuts:
            if cut_name not in registry.cuts:
                raise undefined(path, f"suites.{name}.cuts", cut_name, list(registry.cuts))
            if all(member.protocol != registry.cuts[cut_name].of for member in suite.members):
                raise UserError(
                    f"{path}: `suites.{name}.cuts` has `{cut_name}`, but no member is sampled under `{registry.cuts[cut_name].of}`"
                )


def _check_pretrained(registry: Registry, name: str, source: Pretrained, path: Path) -> None:
    if source.model not in registry.models:
        raise undefined(path, f"{name}.source.model", source.model, list(registry.models))
    if source.train_set not in registry.datasets:
        raise undefined(path, f"{name}.source.train_set", source.train_set, list(registry.datasets))
    if source.template not in registry.templates:
        raise undefined(path, f"{name}.source.template", source.template, list(registry.templates))
    seen, here = {name}, source.model
    while isinstance(onward := registry.models[here].source, Pretrained):
        if here in seen or onward.model not in registry.models:
            break
        seen.add(here)
        here = onward.model
    if here in seen:
        raise UserError(f"{path}: `{name}.source.model` leads back to `{here}`")
