"""What Snakemake remembers of jobs that are done (`.snakemake/metadata`), written by Snakemake itself.

Snakemake 9.27 has no public way to say that a job is done: `--touch` keeps no params and no checksums, so that the next
change is not seen. Here the workflow is resolved by its API, and for each job that holds, its own persistence layer writes
the record that it writes after a run (`snakemake/persistence`, `finished`). This is internal; a test compares the result
with what a run writes, and the version is pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verizero.artifacts.errors import UserError
from verizero.config.plan import PlannedJob


@dataclass
class Restored:
    """What was done: outputs that are now known as made, and (output, reason) of those that were left alone."""

    done: list[Path] = field(default_factory=list)
    left: list[tuple[Path, str]] = field(default_factory=list)


def remember(
    snakefile: Path, config: Mapping[str, Any], objection: Callable[[PlannedJob], str | None], locked: bool = True
) -> Restored:
    """Let Snakemake remember every job of a workflow to which nobody objects.

    Args:
        snakefile: its folder becomes the working directory.
        config: what `--config` would say.
        objection: why a job cannot be taken as done; None when it can.
        locked: whether to take Snakemake's lock; not where the caller's own Snakemake has it.

    Raises:
        UserError: the workflow cannot be resolved, or another Snakemake is at work in the folder.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import LockException, print_exception
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        ResourceSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        try:
            resolved = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=dict(config)),
                snakefile=snakefile,
                workdir=snakefile.parent,
            )
            resolved.dag(dag_settings=DAGSettings())
            workflow = resolved._workflow
            workflow.execution_settings = ExecutionSettings()
            workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=False)
            workflow._build_dag()
            with workflow.persistence.lock() if locked else nullcontext():
                return _remember(workflow, objection)
        except LockException:
            raise UserError(
                f"another Snakemake is at work in {snakefile.parent}; wait for it, or `snakemake --unlock` when it was killed"
            ) from None
        except UserError:
            raise
        except Exception as error:
            print_exception(error)
            raise UserError(
                f"{snakefile}: the workflow cannot be resolved ({(str(error).strip() or type(error).__name__).splitlines()[0]})"
            ) from None


def _remember(workflow: Any, objection: Callable[[PlannedJob], str | None]) -> Restored:
    found = Restored()
    for job in sorted(workflow.dag.jobs, key=lambda one: [str(file) for file in one.output]):
        if not hasattr(job.params, "spec"):
            continue  # a rule that only collects
        output = Path(str(job.output[0]))
        inputs = tuple(Path(str(file)) for file in job.input)
        reason = objection(
            PlannedJob(job.rule.name, str(output.parent), output, job.params.spec, job.params.code, inputs)
        )
        if reason is None:
            workflow.async_run(workflow.persistence.finished(job))
            found.done.append(output)
        else:
            if output.is_file():
                _remember_as_stale(workflow, job, reason)
            found.left.append((output, reason))
    return found


def _remember_as_stale(workflow: Any, job: Any, reason: str) -> None:
    """Without a record Snakemake compares times alone, and takes an old output that is newer than its inputs as made."""
    params = workflow.persistence._params(job)  # one list for each job, which `finished` writes
    params.append(repr(reason))
    try:
        workflow.async_run(workflow.persistence.finished(job))
    finally:
        params.pop()
