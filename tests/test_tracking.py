from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from pipelines import track

from veilbench.findings import Curve, Figure, Findings, Metric, Verdict, write_record
from veilbench.metrics.grids import picture
from veilbench.tracking import Mlflow


def test_names_that_the_store_refuses_are_bent_and_pictures_are_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commas and colons in the names of costs, metrics and curves, as tables of several cases have them."""
    import numpy as np

    monkeypatch.chdir(tmp_path)
    made = Findings("Leak", {"CKKS, one: words": Metric.exact(0.5)}, cost={"CKKS, one: seconds": 2.0})
    made.figures.append(Figure("f", "x", "y", [Curve("a, b: c", [1, 2], [0.1, 0.2])]))
    made.pictures.append(picture("p", [("x", np.zeros((1, 1, 4, 4), np.float32))]))
    made.verdict = Verdict.HOLDS
    for stage in ("train", "evaluate", "attack"):
        (tmp_path / stage).mkdir()
        write_record(tmp_path / stage, {"leak": made} if stage == "attack" else {})
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    run_id = Mlflow(uri).publish({"names": {"experiment": "e"}, "seed": 0}, tmp_path)
    assert run_id
    client = MlflowClient(uri)
    run = client.get_run(run_id)
    assert run.data.metrics["attack.leak.CKKS  one  words"] == 0.5
    assert run.data.metrics["cost.attack.leak.CKKS  one  seconds"] == 2.0
    (attack,) = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}' AND tags.`veilbench.stage` = 'attack'"
    )
    assert [m.value for m in client.get_metric_history(attack.info.run_id, "curve.a  b  c")] == [0.1, 0.2]
    assert [f.path for f in client.list_artifacts(attack.info.run_id, "pictures")] == ["pictures/leak-0.png"]
    assert json.loads((tmp_path / "attack" / "cost.json").read_text())["leak"] == {"CKKS, one: seconds": 2.0}


def test_records_that_asked_not_to_be_published_do_not_keep_others_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = {"a": {"_target_": "veilbench.tracking.NoTracking"}, "b": {"_target_": "veilbench.tracking.Mlflow"}}
    for name, tracking in kinds.items():
        folder = tmp_path / "multirun" / name
        for stage in ("train", "evaluate", "attack"):
            (folder / stage).mkdir(parents=True)
            write_record(folder / stage, {})
        config = {"names": {"experiment": name}, "seed": 0, "tracking": tracking}
        (folder / "experiment.yaml").write_text(json.dumps(config))
    monkeypatch.setattr("sys.argv", ["track.py"])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    track.main()
    assert "1 of 1 records are in the tracking store" in capsys.readouterr().out
