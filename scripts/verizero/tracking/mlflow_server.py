"""A tracking server of MLflow, opened so that it works: offline, in several processes, and without calling home."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from verizero.artifacts.errors import UserError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SQLITE = "sqlite:///"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def server(uri: str) -> Iterator[MlflowClient]:
    """A client of a tracking server.

    A new SQLite file is created by whoever opens it first, and several at once break its schema (measured: 7 of 8
    processes fail); so a lock beside the file lets one process in at a time.

    Raises:
        UserError: the server cannot be reached, or the database is damaged.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    file = sqlite_file(uri)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(file):
        try:
            mlflow.set_tracking_uri(uri)
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
        except (MlflowException, OSError) as error:
            raise UserError(
                f"config/config.yaml: tracking.mlflow.uri is {uri}, which cannot be used: {str(error).splitlines()[0][:300]}"
            ) from None
        yield client


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite address; None for a server."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def experiment(client: MlflowClient, name: str, uri: str) -> str:
    """The id of an experiment, made if it is not there.

    Beside an SQLite file, artifacts go to a folder beside the file; a server knows its own place.

    Raises:
        UserError: the experiment was deleted on the server.
    """
    if (found := client.get_experiment_by_name(name)) is not None:
        if found.lifecycle_stage != "active":
            raise UserError(
                f"the MLflow experiment `{name}` was deleted; "
                f"`mlflow experiments restore --experiment-id {found.experiment_id}` restores it"
            )
        return str(found.experiment_id)
    file = sqlite_file(uri)
    place = (file.resolve().parent / f"{file.stem}-artifacts" / name).as_uri() if file else None
    return str(client.create_experiment(name, artifact_location=place))


@contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    with file.with_name(file.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
