"""Publishing records to MLflow."""

from __future__ import annotations


class Mlflow:
    """An MLflow tracking store.

    Args:
        uri: None takes the environment's `MLFLOW_TRACKING_URI`, or a SQLite file in the project's folder.
        experiment: the name under which runs are grouped.
    """

    def __init__(self, uri: str | None = None, experiment: str = "veilbench") -> None:
        self.uri, self.experiment = uri, experiment


class NoTracking:
    """Keeps records on disk only."""
