"""Describes the data set of an experiment to MLflow: name, digest and settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from veilbench.bench.experiment import Config

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

CONTEXT = "mlflow.data.context"


def describe_data_set(config: Config) -> DatasetInput:
    """Return the data set of a resolved experiment.

    Its digest is that of the stage `prepare`: it depends on the settings, on the code that makes the data, and on the
    content of the files that it is read from. The settings are shown as its profile.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    settings = config["data"]
    source = {"tags": {"mlflow.source.name": settings["_target_"], "mlflow.source.type": "LOCAL"}}
    made = Dataset(
        name=str(config["names"]["data"]),
        digest=config["digests"]["prepare"],
        source_type="code",
        source=json.dumps(source),
        profile=json.dumps(settings),
    )
    return DatasetInput(made, [InputTag(CONTEXT, "train, evaluate and attack")])
