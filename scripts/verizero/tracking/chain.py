"""The chain from a number down to what it was made from, as links of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.config.expansion import Step, parse_subject
from verizero.evidence.cells import estimate_cell
from verizero.evidence.reading import read_member
from verizero.tracking.lineage import Artifact
from verizero.tracking.table import Source, TableRow

Facts = dict[str, Any]
DAMAGE = (UserError, KeyError, ValueError, TypeError, AttributeError)
"""What reading a damaged artifact can raise; the chain says so and goes on, `--verify` names the file."""


@dataclass
class Link:
    """One thing on the way, what is known of it, and what it was made from."""

    title: str
    facts: Facts = field(default_factory=dict)
    below: list[Link] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """For `--json`."""
        return {"title": self.title, "facts": self.facts, "below": [link.plain() for link in self.below]}

    def walk(self) -> Iterator[Link]:
        """The link and all below it."""
        yield self
        for link in self.below:
            yield from link.walk()


def chain(row: TableRow) -> Link:
    """The whole chain of one row. What cannot be found is a link that says so."""
    texts = row.texts
    top = Link(
        f"{texts['metric']} on {texts['benchmark']}: {texts['model']}"
        + (f", {texts['optimizer']} on {texts['train_set']}" if texts["optimizer"] else ", untrained")
        + f", template {texts['template']}, step {texts['checkpoint']}, protocol {texts['protocol']}",
        {
            "estimate": _estimate(row),
            "problems": texts["n_problems"],
            "samples": texts["n_samples"],
            "seeds": texts["seeds"] or "none (a base model)",
        },
    )
    if row.missing_seeds:
        top.facts["MISSING SEEDS"] = row.missing_seeds
    builder = _Builder()
    top.below.append(
        builder.link(
            "study",
            row.study,
            lambda artifact: {"question": row.spec.question, "table": str(row.table), **_made(artifact)},
        )
    )
    try:
        sources = row.sources
    except DAMAGE as error:
        sources = []
        top.below.append(Link("grades", {"MISSING": str(error)}))
    if not sources and not any("MISSING" in link.facts for link in top.below):
        top.below.append(Link("grades", {"MISSING": "no grades of this row are here"}))
    top.below += [builder.source(source) for source in sources]
    unpinned = sorted({sentence for name in builder.unpinned.values() for sentence in name})
    if unpinned:
        top.facts["UNPINNED"] = (
            "; ".join(unpinned) + " (nobody resolved the revision: the same name may mean other bytes elsewhere)"
        )
    return top


def _estimate(row: TableRow) -> str:
    texts = row.texts
    if not texts["estimate"]:
        return "none: no sample says anything of this metric"
    interval = f", interval [{texts['ci_low']}, {texts['ci_high']}]" if texts["ci_low"] else ", no interval"
    try:
        confidence = f"{row.spec.confidence:g}"
        method = estimate_cell(
            {source.seed: read_member(source.grades.path) for source in row.sources},
            texts["metric"],
            row.spec.confidence,
        ).method
    except DAMAGE:
        return f"{texts['estimate']}{interval} (method not known without whole grades)"
    return f"{texts['estimate']}{interval} at {confidence} ({method})"


class _Builder:
    """Makes links; an artifact that was described already is only named again."""

    def __init__(self) -> None:
        self.described: set[Path] = set()
        self.recipes: dict[str, str] = {}
        self.unpinned: dict[Path, list[str]] = {}

    def link(
        self,
        title: str,
        artifact: Artifact,
        facts: Callable[[Artifact], Facts],
        below: Callable[[Artifact], list[Link]] | None = None,
    ) -> Link:
        """A link for an artifact; missing or damaged, it says that."""
        title = f"{title} {artifact.name}"
        if artifact.path in self.described:
            return Link(title, {"described": "above"})
        self.described.add(artifact.path)
        try:
            self.unpinned[artifact.path] = artifact.manifest.unpinned
            said = {
                "manifest": artifact.digest,
                **({"UNPINNED": "; ".join(artifact.manifest.unpinned)} if artifact.manifest.unpinned else {}),
                **facts(artifact),
            }
            return Link(title, said, below(artifact) if below else [])
        except DAMAGE as error:
            return Link(title, {"MISSING": str(error) if isinstance(error, UserError) else f"damaged: {error!r}"})

    def source(self, source: Source) -> Link:
        """The grades of one seed and everything below."""
        title = "grades" if source.seed is None else f"seed {source.seed}: grades"
        return self.link(
            title, source.grades, self._grades, lambda artifact: [self._samples(artifact.upstream()["samples"])]
        )

    def _grades(self, artifact: Artifact) -> Facts:
        counts = artifact.manifest.counts
        statuses = {
            name.removeprefix("status_").removeprefix("status/"): value
            for name, value in counts.items()
            if name not in ("samples", "correct")
        }
        shown = ", ".join(f"{name} {value}" for name, value in statuses.items())
        return {
            "grader": artifact.manifest.spec.get("grader", "not stated"),
            "grader code": artifact.record.code_sha256,
            "verdicts": f"{counts.get('correct')} of {counts.get('samples')} right ({shown})",
            **_made(artifact),
        }

    def _samples(self, samples: Artifact) -> Link:
        def facts(artifact: Artifact) -> Facts:
            spec = artifact.manifest.spec
            template = spec.get("template", {})
            return {
                "protocol": _pairs(spec.get("protocol", {})),
                "template": template.get("text", "not stated"),
                **({"chat template": "the tokenizer's own, around it"} if template.get("chat") else {}),
                **({"stops at": ", ".join(template["stop"])} if template.get("stop") else {}),
                "engine": f"{spec.get('engine', 'transformers')}, {spec.get('dtype', 'float32')}",
                "per problem": spec.get("samples", 1),
                "counts": _pairs(artifact.manifest.counts),
                **_made(artifact),
                **_environment(artifact),
            }

        def below(artifact: Artifact) -> list[Link]:
            upstream = artifact.upstream()
            step = parse_subject(artifact.path.parent.relative_to(artifact.results).parts[1]).step
            return [self._policy(upstream["policy"], step), self._dataset("benchmark", upstream["benchmark"])]

        return self.link("samples", samples, facts, below)

    def _policy(self, policy: Artifact, step: Step) -> Link:
        if policy.path.parent.parent.name == "models":
            return self._model("base model", policy)
        run = self._run(policy)
        where = f"checkpoint at step {step}"
        try:
            if step == "best":
                where = f"checkpoint that the validation chose, step {policy.manifest.counts.get('best step')}"
            files = [entry for entry in policy.manifest.files if entry.path.startswith(f"step-{step}/")]
        except UserError as error:
            return Link(where, {"MISSING": str(error)}, [run])
        if not files:
            return Link(where, {"MISSING": f"{policy.path} lists no file below step-{step}/"}, [run])
        return Link(where, {Path(entry.path).name: f"{entry.sha256} ({entry.size} bytes)" for entry in files}, [run])

    def _run(self, run: Artifact) -> Link:
        def facts(artifact: Artifact) -> Facts:
            spec = dict(artifact.manifest.spec)
            seed = spec.pop("seed", None)
            first = self.recipes.setdefault(str(spec), artifact.name)
            recipe = {"spec": _dotted(spec)} if first == artifact.name else {"spec": f"as of {first}, but for the seed"}
            return {"seed": seed, **recipe, **_made(artifact), **_environment(artifact)}

        def below(artifact: Artifact) -> list[Link]:
            upstream = artifact.upstream()
            found = [self._dataset("training set", upstream["dataset"]), self._model("base model", upstream["model"])]
            measured = [upstream["validation"]] if "validation" in upstream else []
            return found + [self._dataset("validation", benchmark) for benchmark in measured]

        return self.link(
            "training run",
            run,
            facts,
            below,
        )

    def _dataset(self, title: str, dataset: Artifact) -> Link:
        def facts(artifact: Artifact) -> Facts:
            problems = artifact.manifest.spec.get("problems", artifact.manifest.spec)
            return {
                "source": _pairs(problems.get("source", {})),
                "counts": _pairs(artifact.manifest.counts),
                "filters": _dotted({k: v for k, v in problems.items() if k != "source"}),
                **_made(artifact),
            }

        return self.link(
            title,
            dataset,
            facts,
            lambda artifact: [self._dataset("kept out", other) for other in artifact.upstream().values()],
        )

    def _model(self, title: str, model: Artifact) -> Link:
        def facts(artifact: Artifact) -> Facts:
            weights = {
                entry.path: f"{entry.sha256} ({entry.size} bytes)"
                for entry in artifact.manifest.files
                if entry.path.endswith((".safetensors", ".bin", ".gguf"))
            }
            return {"source": _pairs(artifact.manifest.spec.get("source", {})), **weights, **_made(artifact)}

        def below(artifact: Artifact) -> list[Link]:
            upstream = artifact.upstream()
            named = [self._model("pretrained from", upstream["model"])] if "model" in upstream else []
            return [*named, *([self._dataset("pretrained on", upstream["dataset"])] if "dataset" in upstream else [])]

        return self.link(title, model, facts, below)


def _made(artifact: Artifact) -> Facts:
    record = artifact.record
    attempts = [
        f"{one.started} to {one.ended or '?'}: {one.outcome} on {one.host}"
        + (f", Slurm job {one.slurm_job_id}" if one.slurm_job_id else "")
        for one in record.attempts
    ]
    dirty = f" with uncommitted changes {record.dirty_sha256}" if record.dirty_sha256 else ""
    facts: Facts = {
        "made": attempts[0] if len(attempts) == 1 else attempts,
        "by": f"{record.program}, code {record.code_sha256}",
        "commit": f"{record.commit}{dirty}" if record.commit else "none: made outside git",
    }
    if record.slurm:
        facts["Slurm"] = _pairs(record.slurm)
    if record.warnings:
        facts["WARNINGS"] = record.warnings
    return facts


def _environment(artifact: Artifact) -> Facts:
    record = artifact.record
    gpus = f"{', '.join(record.gpus)} (driver {record.driver})" if record.gpus else "no GPU"
    return {
        "machine": f"{record.platform}, {record.cpus} CPUs, {gpus}",
        "environment": f"Python {record.python}, {_pairs(record.packages)}",
    }


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in _dotted(values).items()) or "none"


def _dotted(values: dict[str, Any], prefix: str = "") -> Facts:
    found: Facts = {}
    for name, value in values.items():
        found.update(
            _dotted(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {f"{prefix}{name}": value}
        )
    return found
