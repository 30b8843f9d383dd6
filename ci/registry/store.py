"""The connection to MLflow: SQLite in the repository's state, or a server that is named."""

from __future__ import annotations

import logging
import os
import warnings
from typing import TYPE_CHECKING

from ci.telemetry import OFF

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ci.repository import Repository


def client(repository: Repository) -> MlflowClient:
    """A client of ``MLFLOW_TRACKING_URI`` where it is set, else of ``.mlops/mlflow.db``."""
    os.environ.update(OFF)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it raises it, too
    logging.getLogger("alembic").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")
    from mlflow import MlflowClient

    repository.state_dir.mkdir(parents=True, exist_ok=True)
    default = f"sqlite:///{repository.state_dir / 'mlflow.db'}"
    return MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or default)


def has_server() -> bool:
    """Whether ``MLFLOW_TRACKING_URI`` names a server."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI"))


def artifact_location(repository: Repository) -> str | None:
    """Where run artifacts go; a named server decides for itself."""
    if has_server():
        return None
    return (repository.state_dir / "mlartifacts").as_uri()
