"""Publishes the record of one experiment, in this process.

An experiment is one run, identified by the digest of its parameters and code. The run holds the composed configuration
and the headline metrics of all stages, so that one row in MLflow's UI shows all of them. Stages are nested runs with
their curves and files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, identity
from veilbench.bench.provenance import require
from veilbench.bench.tracking.claim import STAGE, Queue
from veilbench.bench.tracking.record import StageRecord, read_record
from veilbench.bench.tracking.store import Store, open_store
from veilbench.version import __version__

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

LONGEST_PARAMETER = 250  # characters; older versions of MLflow truncate longer values, and parameters are immutable
PARAMETERS, POINTS = 100, 500  # largest batches that a server accepts
LAST_STEP = 2**63


@dataclass(frozen=True)
class Job:
    """A record to publish.

    Attributes:
        address: address of the tracking store.
        experiment: name of the MLflow experiment that groups the runs.
        deadline: seconds that publishing the record may take.
        config: the resolved configuration of the experiment.
        records: the folder that holds one folder per stage.
    """

    address: str
    experiment: str
    deadline: float
    config: Config
    records: Path


def publish(job: Job) -> str:
    """Publish the record of one experiment; does nothing if it is there already.

    Returns:
        The run's id.

    Raises:
        UserError: the record is damaged, or was made with other parameters.
        StoreFault: the store accepts no record.
    """
    started = time.monotonic()
    record = read_record(job.records)
    check_origin(job.config, job.records)
    store = open_store(job.address, job.experiment, job.deadline)
    queue = Queue(store, identity(job.config), job.deadline - (time.monotonic() - started))
    name = str(job.config["names"]["experiment"])
    with queue.turn(name, {"veilbench.version": __version__, **record.verdicts}) as (run_id, is_new):
        if is_new:
            _fill(store, run_id, job.config, record.metrics)
            for stage, found in record.stages.items():
                _publish_stage(store, run_id, f"{name}/{stage}", stage, found)
    return run_id


def check_origin(config: Config, records: Path) -> None:
    """Check that the records were made with this configuration.

    Raises:
        UserError: they were made with another one, or the configuration has no name or no digests.
    """
    if not isinstance(config.get("names"), dict) or "experiment" not in config["names"]:
        raise UserError(f"the configuration of {records} has no names.experiment")
    try:
        for stage in ("train", "evaluate", "attack"):
            require(records / stage, stage, config)
    except (KeyError, TypeError) as error:
        raise UserError(f"the configuration of {records} holds no digest of the stage {error}") from error


def _fill(store: Store, run_id: str, config: Config, metrics: dict[str, float]) -> None:
    for some in _split_batches(_parameters(config), PARAMETERS):
        store.client.log_batch(run_id, params=some)
    for points in _split_batches(_metrics(metrics), POINTS):
        store.client.log_batch(run_id, points)
    store.client.log_text(run_id, yaml.safe_dump(config, sort_keys=False), "config.yaml")


def _publish_stage(store: Store, parent: str, name: str, stage: str, record: StageRecord) -> None:
    client, tags = store.client, {STAGE: stage, "mlflow.parentRunId": parent}
    run_id = client.create_run(store.group, run_name=name, tags=tags).info.run_id
    for points in _split_batches(_metrics(record.metrics) + _curves(record), POINTS):
        client.log_batch(run_id, points)
    client.log_artifacts(run_id, str(record.folder))
    for file, image in record.pictures.items():
        client.log_image(run_id, image, file)
    client.set_terminated(run_id, "FINISHED")


def _split_batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _metrics(values: dict[str, float]) -> list[Metric]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(_replace_forbidden(name), value, now, 0) for name, value in values.items()]


def _replace_forbidden(name: str) -> str:
    """Replace characters that MLflow refuses in names, such as a comma, with spaces."""
    return re.sub(r"[^-A-Za-z0-9_. /]", " ", name)


def _curves(record: StageRecord) -> list[Metric]:
    """Return the points of the curves. MLflow's steps are integers; points with other x are only in the record."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    steps = [point for point in record.points if point.x.is_integer() and abs(point.x) < LAST_STEP]
    return [Metric(_replace_forbidden(f"curve.{point.curve}"), point.y, now, int(point.x)) for point in steps]


def _parameters(config: Config) -> list[Param]:
    """Return the scalar settings by their dotted names; the whole configuration is attached as a file."""
    from mlflow.entities import Param

    flat = dict(_flatten({key: config[key] for key in config if key not in ("digests", "tracking")}))
    return [
        Param(_replace_forbidden(name), str(value))
        for name, value in flat.items()
        if len(str(value)) <= LONGEST_PARAMETER
    ]


def _flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _flatten(child, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
