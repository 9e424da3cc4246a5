from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_records import config, found, job, make
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED
from mlflow.tracking import MlflowClient

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.tracking.faults import StoreFault, Unreachable, explain
from veilbench.bench.tracking.publishing import _curves, publish
from veilbench.bench.tracking.record import Point, StageRecord
from veilbench.bench.verdict import Verdict
from veilbench.metrics.grids import picture


def rows(store: Path, experiment: str = "veilbench") -> list[Any]:
    client = MlflowClient(f"sqlite:///{store}")
    group = client.get_experiment_by_name(experiment)
    return list(client.search_runs([group.experiment_id], "tags.`veilbench.stage` = 'experiment'"))


def test_names_that_the_store_refuses_are_bent_and_pictures_are_files(tmp_path: Path, store: Path) -> None:
    """Names of costs, metrics and curves may contain commas and colons."""
    made = Findings("Leak", {"CKKS, one: words": Metric.exact(0.5)}, cost={"CKKS, one: seconds": 2.0})
    made.figures.append(Figure("f", "x", "y", [Curve("a, b: c", [1, 2], [0.1, 0.2]), Curve("-5 dB", [3.5, 4], [7, 8])]))
    made.pictures.append(picture("p", [("x", np.zeros((1, 1, 4, 4), np.float32))]))
    made.verdict = Verdict.HOLDS
    settings = config()
    record = make(tmp_path / "r", settings, {"leak": made})
    run_id = publish(job(record, settings, store))
    client = MlflowClient(f"sqlite:///{store}")
    run = client.get_run(run_id)
    assert run.data.tags["verdict.leak"] == "holds at this budget"
    (attack,) = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}' AND tags.`veilbench.stage` = 'attack'"
    )
    assert [m.value for m in client.get_metric_history(attack.info.run_id, "curve.a  b  c")] == [0.1, 0.2]
    assert attack.data.metrics["leak.CKKS  one  words"] == 0.5
    assert attack.data.metrics["cost.leak.CKKS  one  seconds"] == 2.0
    points = client.get_metric_history(attack.info.run_id, "curve.-5 dB")
    assert [(m.step, m.value) for m in points] == [(4, 8.0)]  # steps are integers
    assert [f.path for f in client.list_artifacts(attack.info.run_id, "pictures")] == ["pictures/leak-0.png"]
    assert json.loads((record / "attack" / "cost.json").read_text())["leak"] == {"CKKS, one: seconds": 2.0}


def test_more_settings_and_points_than_one_request_may_hold(tmp_path: Path, store: Path) -> None:
    steps = list(range(1201))
    made = found()
    made.figures.append(Figure("long", "x", "y", [Curve("long", steps, steps)]))
    changed = {f"model.setting {index}": index for index in range(250)}
    record = make(tmp_path / "r", config(), {"leak": made})
    (record / "train" / "run.json").write_text(json.dumps({"started": 5, "ended": 7, "commit": "", "changed": changed}))
    run_id = publish(job(record, config(), store))
    client = MlflowClient(f"sqlite:///{store}")
    run = client.get_run(run_id)
    (train,) = client.search_runs([run.info.experiment_id], "tags.`veilbench.stage` = 'train'")
    for one in (run, train):
        assert {one.data.params[name] for name in changed} == set(map(str, range(250)))
    assert [m.step for m in client.get_metric_history(train.info.run_id, "curve.long")] == steps


def test_points_at_whole_steps_of_64_bits_are_curves() -> None:
    most = float(2**63 - 1024)  # the largest float that an int64 holds
    places = [0.0, 1.0, 1.5, -3.0, most, -most, 2.0**63, 1e300]
    record = StageRecord(Path(), {}, 0.0, {}, [Point("a", x, 0.5) for x in places], None)
    steps = [point.step for point in _curves(record)]
    assert steps == [0, 1, -3, int(most), -int(most)]
    assert np.array(steps, np.int64).tolist() == steps


def test_a_record_is_published_once_and_a_run_cut_short_is_made_again(tmp_path: Path, store: Path) -> None:
    settings = config()
    record = make(tmp_path / "r", settings)
    first = publish(job(record, settings, store))
    assert publish(job(record, settings, store)) == first
    client = MlflowClient(f"sqlite:///{store}")
    client.update_run(first, "RUNNING")  # as if the publisher, an earlier call of this process, had been killed
    before = {run.info.run_id for run in client.search_runs([client.get_run(first).info.experiment_id])}
    second = publish(job(record, settings, store))
    assert [run.info.run_id for run in rows(store)] == [second]
    after = {run.info.run_id for run in client.search_runs([client.get_run(second).info.experiment_id])}
    assert (len(before), len(after), before & after) == (4, 4, set())  # the runs of its stages were deleted, too


def test_a_record_made_with_other_parameters_is_not_published(tmp_path: Path) -> None:
    settings, store = config(), tmp_path / "store.db"
    record = make(tmp_path / "r", settings)
    for stage in ("train", "evaluate", "attack"):
        other = settings | {"digests": settings["digests"] | {stage: "0123"}}
        with pytest.raises(UserError, match="made with other settings or code") as error:
            publish(job(record, other, store))
        assert f"r/{stage} was made with" in str(error.value)
    (record / "evaluate" / "made_by.json").unlink()
    with pytest.raises(UserError, match=r"evaluate/made_by\.json is missing"):
        publish(job(record, settings, store))
    assert not store.exists()
    without = {key: value for key, value in settings.items() if key != "digests"}
    with pytest.raises(UserError, match="digest"):
        publish(job(record, without, store))


def test_a_failure_half_way_leaves_no_row(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config()
    record = make(tmp_path / "r", settings)

    def is_full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", is_full)
        with pytest.raises(OSError, match="No space") as error:
            publish(job(record, settings, store))
    meant = explain(error.value, f"sqlite:///{store}", store, record)
    assert isinstance(meant, StoreFault)
    assert "no space is left" in str(meant)
    assert rows(store) == []
    publish(job(record, settings, store))
    assert len(rows(store)) == 1


def test_a_deleted_experiment_is_said_with_its_remedy(tmp_path: Path, store: Path) -> None:
    settings = config()
    record = make(tmp_path / "r", settings)
    first = publish(job(record, settings, store))
    client = MlflowClient(f"sqlite:///{store}")
    group = client.get_run(first).info.experiment_id
    client.delete_experiment(group)
    with pytest.raises(StoreFault, match=rf"mlflow experiments restore --experiment-id {group}`") as error:
        publish(job(record, settings, store))
    assert "tracking.experiment=NAME" in str(error.value)
    client.restore_experiment(group)
    assert publish(job(record, settings, store)) == first


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (MlflowException("x failed with error code 401 != 200"), StoreFault, "refuses access"),
        (MlflowException("x failed with error code 403 != 200"), StoreFault, "may not publish there"),
        (MlflowException("Forbidden", PERMISSION_DENIED), StoreFault, "may not publish there"),
        (RuntimeError("not ours"), RuntimeError, "not ours"),
        (ConnectionRefusedError(111, "Connection refused"), Unreachable, "Connection refused"),
        (MlflowException("API request to http://h failed"), Unreachable, "API request"),
        (MlflowException("The run a must be in the 'active' state", INVALID_PARAMETER_VALUE), UserError, "was deleted"),
        (MlflowException("Invalid value", INVALID_PARAMETER_VALUE), UserError, "refuses a value"),
        (OSError(errno.ENOSPC, "No space left on device"), StoreFault, "no space is left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StoreFault, "no space is left"),
        (ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2"), StoreFault, "package psycopg2"),
        (PermissionError(13, "Permission denied", "/records/train/a"), UserError, "cannot read /records/train/a"),
    ],
)  # fmt: skip
def test_what_an_error_means(error: Exception, kind: type[Exception], words: str) -> None:
    meant = explain(error, "http://h", None, Path("/records"))
    assert type(meant) is kind
    assert words in str(meant)
