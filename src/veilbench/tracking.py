"""Publishing records to MLflow, as often as one likes: the same record is one run, however often it is published.

An experiment is one run, found by the digest of its parameters and code: it holds the composed configuration and
every headline metric of all stages, so that one row of the UI's comparison says it all. Its stages are nested runs
with their curves and files. What could not be published stays on disk and can be published later.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from veilbench import __version__
from veilbench.errors import UserError
from veilbench.experiment import Config, identity

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

DIGEST, STAGE = "veilbench.digest", "veilbench.stage"
STAGES = ("train", "evaluate", "attack")
LONGEST_PARAMETER = 250
BATCH = 500


class NoTracking:
    """Keeps records on disk only."""

    def publish(self, config: Config, records: Path) -> str | None:
        """Nothing."""
        return None


class Mlflow:
    """An MLflow tracking store.

    Args:
        uri: None takes the environment's `MLFLOW_TRACKING_URI`, or a SQLite file in the working folder.
        experiment: the name under which runs are grouped.
    """

    def __init__(self, uri: str | None = None, experiment: str = "veilbench") -> None:
        self.uri, self.experiment = uri, experiment

    def address(self) -> str:
        """The store that is used."""
        default = f"sqlite:///{Path('mlflow.db').resolve()}"
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or default

    def publish(self, config: Config, records: Path) -> str | None:
        """Publish the record of one experiment; does nothing if it is there already.

        Args:
            config: the resolved experiment.
            records: the folder with one folder per stage.

        Returns:
            The run's id, or None, after one line on stderr, where the store cannot be reached.
        """
        if missing := [stage for stage in STAGES if not (records / stage / "metrics.json").is_file()]:
            raise UserError(f"{records} holds no record of the stage {missing[0]}; run it first")
        try:
            return self._publish(config, records)
        except Exception as error:  # whatever the store, its driver or the network raise
            if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":  # ours, not the store's
                raise
            reason = " ".join(f"{error}".split())[:200]
            print(
                f"tracking: {self.address()} cannot be reached, the record is kept in {records} and can be published "
                f"later with `python pipelines/track.py`: {reason}",
                file=sys.stderr,
            )
            return None

    def _publish(self, config: Config, records: Path) -> str:
        client, group = self._open()
        digest, name = identity(config), str(config["names"]["experiment"])
        for run in client.search_runs([group], f"tags.`{DIGEST}` = '{digest}' AND tags.`{STAGE}` = 'experiment'"):
            if run.info.status == "FINISHED":
                return str(run.info.run_id)
            self._discard(client, group, run)
        tags = {DIGEST: digest, STAGE: "experiment", "veilbench.version": __version__, **verdicts(records)}
        run_id = client.create_run(group, run_name=name, tags=tags).info.run_id
        client.log_batch(run_id, _metrics(headline(records)), _parameters(config))
        client.log_text(run_id, yaml.safe_dump(config, sort_keys=False), "config.yaml")
        for stage in STAGES:
            self._publish_stage(client, group, run_id, name, stage, records / stage)
        client.set_terminated(run_id, "FINISHED")
        return str(run_id)

    def _publish_stage(
        self, client: MlflowClient, group: str, parent: str, name: str, stage: str, record: Path
    ) -> None:
        tags = {STAGE: stage, "mlflow.parentRunId": parent}
        run_id = client.create_run(group, run_name=f"{name}/{stage}", tags=tags).info.run_id
        points = _metrics(json.loads((record / "metrics.json").read_text())) + _curves(record / "curves.csv")
        for start in range(0, len(points), BATCH):
            client.log_batch(run_id, points[start : start + BATCH])
        client.log_artifacts(run_id, str(record))
        for name, image in _pictures(record / "findings.json"):
            client.log_image(run_id, image, name)
        client.set_terminated(run_id, "FINISHED")

    def _discard(self, client: MlflowClient, group: str, run: Run) -> None:
        """Delete a run whose publishing was cut short, with its stages."""
        for child in client.search_runs([group], f"tags.mlflow.parentRunId = '{run.info.run_id}'"):
            client.delete_run(child.info.run_id)
        client.delete_run(run.info.run_id)

    def _open(self) -> tuple[MlflowClient, str]:
        """The client and the id of the group of runs; both are made if they are new."""
        for variable, value in (("MAX_RETRIES", "1"), ("TIMEOUT", "10")):
            os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{variable}", value)
        for chatty in ("mlflow.store.db.utils", "alembic"):  # they announce each table of a new store
            logging.getLogger(chatty).setLevel(logging.WARNING)
        from mlflow.tracking import MlflowClient

        with _alone(self.address()):
            client = MlflowClient(self.address())
            found = client.get_experiment_by_name(self.experiment)
            if found:
                return client, found.experiment_id
            local = self.address().startswith("sqlite:")
            place = Path("mlartifacts").resolve().as_uri() if local else None
            return client, client.create_experiment(self.experiment, place)


@contextmanager
def _alone(address: str) -> Iterator[None]:
    """One process at a time may open a SQLite store: several that create its tables at once break it."""
    if not address.startswith("sqlite:///"):
        yield
        return
    from filelock import FileLock

    with FileLock(address.removeprefix("sqlite:///") + ".lock", timeout=120):
        yield


def headline(records: Path) -> dict[str, float]:
    """Every headline metric of all stages, and their seconds: {"evaluate.fidelity.round_trip_english": 1.0, ...}."""
    found: dict[str, float] = {}
    for stage in STAGES:
        metrics = json.loads((records / stage / "metrics.json").read_text())
        found |= {f"{stage}.{name}": value for name, value in metrics.items()}
        cost = json.loads((records / stage / "cost.json").read_text())
        found |= {f"cost.{stage}.{part}.{k}": v for part, values in cost.items() for k, v in values.items()}
    return found


def verdicts(records: Path) -> dict[str, str]:
    """The verdict on each attack, as tags."""
    attacks = json.loads((records / "attack" / "findings.json").read_text())
    return {f"verdict.{name}": str(found["verdict"]) for name, found in attacks.items()}


def _metrics(values: dict[str, float]) -> list[Metric]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(_allowed(name), value, now, 0) for name, value in values.items()]


def _allowed(name: str) -> str:
    """A name that MLflow takes: what it refuses, such as a comma, becomes a space."""
    return re.sub(r"[^-A-Za-z0-9_. /]", " ", name)


def _curves(path: Path) -> list[Metric]:
    """The points of curves.csv; a step is a whole number, so that other curves stay in the record only."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Metric(
            _allowed(f"curve.{row['curve']}"),
            float(row["y"]),
            now,
            int(float(row["x"])),
        )
        for row in rows
        if float(row["x"]).is_integer()
    ]


def _pictures(path: Path) -> Iterator[tuple[str, Any]]:
    """The pictures within a record as files that MLflow shows: name and PIL image."""
    found = json.loads(path.read_text(encoding="utf8"))
    for key, findings in found.items():
        for index, picture in enumerate(findings.get("pictures", [])):
            from PIL import Image

            yield f"pictures/{key}-{index}.png", Image.open(io.BytesIO(base64.b64decode(picture["png"])))


def _parameters(config: Config) -> list[Any]:
    """The scalar settings, by their dotted names; the whole configuration is attached as a file."""
    from mlflow.entities import Param

    flat = dict(_flat({key: config[key] for key in config if key not in ("digests", "tracking")}))
    return [Param(name, str(value)) for name, value in flat.items() if len(str(value)) <= LONGEST_PARAMETER]


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _flat(child, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
