"""Publishes the record of one experiment, in this process.

An experiment is one run, identified by the digest of its parameters and code: a row of MLflow's UI with headline
metrics, the settings that are not defaults, the data set and the model. The composed configuration is attached as a
file. Stages are nested runs with all metrics, curves and files.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config, identity
from veilbench.bench.family import Family
from veilbench.bench.provenance import require
from veilbench.bench.report.records import read_folder
from veilbench.bench.report.specs import Utility
from veilbench.bench.tracking.claim import STAGE, Queue
from veilbench.bench.tracking.data_set import describe_data_set
from veilbench.bench.tracking.logged_model import FILES as MODEL
from veilbench.bench.tracking.logged_model import ModelOwner, log_trained_model
from veilbench.bench.tracking.record import StageRecord, read_stages
from veilbench.bench.tracking.row import Row, summarise
from veilbench.bench.tracking.saved_views import save_view
from veilbench.bench.tracking.stage_times import Span, find_times, span
from veilbench.bench.tracking.store import Store, open_store
from veilbench.version import __version__

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param

LONGEST_PARAMETER = 250  # characters; older versions of MLflow truncate longer values, and parameters are immutable
PARAMETERS, POINTS = 100, 500  # largest batches that a server accepts
LAST_STEP = 2**63
MARGIN = 1.0  # seconds before the deadline at which to stop waiting: better with a reason than killed


@dataclass(frozen=True)
class Job:
    """A record to publish.

    Attributes:
        address: address of the tracking store.
        experiment: name of the MLflow experiment that groups the runs.
        deadline: seconds that publishing the record may take.
        lease: minutes without a sign of life after which others may take over.
        config: the resolved configuration of the experiment.
        records: the folder that holds one folder per stage.
        family: the family of its model; its name, title and columns are used.
    """

    address: str
    experiment: str
    deadline: float
    lease: float
    config: Config
    records: Path
    family: Family

    def to_plain(self) -> dict[str, Any]:
        """Return plain types for `from_plain`, since the worker process knows no family."""
        family = {"name": self.family.name, "title": self.family.title, "columns": [*map(asdict, self.family.columns)]}
        return {**vars(self), "records": str(self.records), "family": family}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Job:
        """Invert `to_plain`."""
        columns = tuple(Utility(**column) for column in plain["family"]["columns"])
        family = Family(**{**plain["family"], "columns": columns})
        return cls(**{**plain, "records": Path(plain["records"]), "family": family})


def publish(job: Job) -> str:
    """Publish the record of one experiment; does nothing if it is there already.

    Returns:
        The run's id.

    Raises:
        UserError: the record is damaged, or was made with other parameters.
        StoreFault: the store accepts no record.
    """
    started = time.monotonic()
    stages = read_stages(job.records)
    check_origin(job.config, job.records)
    row = summarise(read_folder(job.records, job.config), job.family, stages["train"].run)
    store = open_store(job.address, job.experiment, job.deadline)
    save_view(store, job.family)
    digest, left = identity(job.config), job.deadline - (time.monotonic() - started)
    tags, times = {"veilbench.version": __version__, **row.tags}, find_times(stages)
    queue, patience = Queue(store, digest, left, job.lease * 60), max(0.0, left - MARGIN)
    with store.lock_record(digest, patience), queue.turn(row.name, tags, span(times)) as (run_id, is_new):
        if is_new:
            _fill(store, run_id, job, row)
            for stage, found in stages.items():
                _publish_stage(store, run_id, f"{row.name}/{stage}", found, times[stage])
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


def _fill(store: Store, run_id: str, job: Job, row: Row) -> None:
    _log_values(store, run_id, _metrics(row.metrics), row.parameters)
    store.client.log_inputs(run_id, [describe_data_set(job.config)])
    store.client.log_text(run_id, yaml.safe_dump(job.config, sort_keys=False), "config.yaml")
    log_trained_model(store, ModelOwner(run_id, job.family.name, job.config), job.records / "train")


def _publish_stage(store: Store, parent: str, name: str, record: StageRecord, ran: Span) -> None:
    client, tags = store.client, {STAGE: record.folder.name, "mlflow.parentRunId": parent}
    run_id = client.create_run(store.group, ran.start, tags, name).info.run_id
    settings = record.run.changed if record.run else {}
    _log_values(store, run_id, _metrics(record.metrics) + _curves(record), settings)
    for file in sorted(path for path in record.folder.iterdir() if path.is_file() and path.name not in MODEL):
        client.log_artifact(run_id, str(file))
    for picture, image in record.pictures.items():
        client.log_image(run_id, image, picture)
    client.set_terminated(run_id, "FINISHED", ran.end)


def _log_values(store: Store, run_id: str, metrics: list[Metric], settings: dict[str, Any]) -> None:
    for some in _split_batches(_parameters(settings), PARAMETERS):
        store.client.log_batch(run_id, params=some)
    for points in _split_batches(metrics, POINTS):
        store.client.log_batch(run_id, points)


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


def _parameters(settings: dict[str, Any]) -> list[Param]:
    """Return settings by their dotted names without overlong ones; the whole configuration is attached as a file."""
    from mlflow.entities import Param

    texts = {name: str(value) for name, value in settings.items()}
    return [Param(_replace_forbidden(name), text) for name, text in texts.items() if len(text) <= LONGEST_PARAMETER]
