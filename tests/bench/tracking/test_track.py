"""The script `track.py`: several at once, with damaged records and stores."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from made_records import config, make
from mlflow.tracking import MlflowClient

from veilbench.workflow import track

ROOT = Path(__file__).parents[3]


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    return subprocess.Popen(
        [sys.executable, str(ROOT / "pipelines" / "track.py"), *arguments], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths} | environment,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    out, err = process.communicate()
    return process.returncode, out, err.splitlines()


def rows(folder: Path) -> list[Any]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    return list(client.search_runs([client.get_experiment_by_name("veilbench").experiment_id]))


def sweep(folder: Path, jobs: int, **tracking: Any) -> list[Path]:
    made = [folder / "multirun" / "m" / str(job) for job in range(jobs)]
    settings = {"deadline": 600.0, **tracking}  # so that the test does not depend on the load of the machine
    return [make(path, config(seed=seed, **settings)) for seed, path in enumerate(made)]


@pytest.mark.slow
def test_three_at_once_on_a_fresh_store_make_one_row_for_each_record(tmp_path: Path) -> None:
    folders = [str(folder.relative_to(tmp_path)) for folder in sweep(tmp_path, 4)]
    running = [start(tmp_path, *folders), start(tmp_path, *reversed(folders)), start(tmp_path)]
    for code, out, err in map(ended, running):
        assert (code, err) == (0, [])
        assert out == "4 of 4 records are in the tracking store\n"
    found = rows(tmp_path)
    own = [run for run in found if run.data.tags["veilbench.stage"] == "experiment"]
    assert sorted(run.data.params["seed"] for run in own) == ["0", "1", "2", "3"]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert len(found) == 4 * 4
    assert {run.data.tags.get("mlflow.parentRunId") for run in found} == {None, *(run.info.run_id for run in own)}


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.02, 0.4, 0.8])
def test_a_killed_one_leaves_what_the_next_one_completes(tmp_path: Path, moment: float) -> None:
    """The kill happens while the store is created, or while the records are published."""
    sweep(tmp_path, 2)
    running = start(tmp_path)
    marks = {0.02: ".mlflow.db.new", 0.4: "mlflow.db", 0.8: "mlartifacts"}
    while not (tmp_path / marks[moment]).exists():
        assert running.poll() is None
        time.sleep(0.005)
    time.sleep(moment)
    running.send_signal(signal.SIGKILL)
    ended(running)
    assert ended(start(tmp_path)) == (0, "2 of 2 records are in the tracking store\n", [])
    own = [run for run in rows(tmp_path) if run.data.tags["veilbench.stage"] == "experiment"]
    assert sorted(run.data.params["seed"] for run in own) == ["0", "1"]
    assert len(rows(tmp_path)) == 2 * 4


def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    code = track.main([])
    said = capsys.readouterr()
    return code, said.out, said.err.splitlines()


@pytest.mark.slow
@pytest.mark.usefixtures("own_store")
def test_damaged_records_are_named_and_the_rest_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, *broken = sweep(tmp_path, 7)
    asleep = make(
        tmp_path / "outputs" / "quiet", config() | {"tracking": {"_target_": "veilbench.bench.tracking.NoTracking"}}
    )
    (broken[0] / "evaluate" / "findings.json").write_text("{")
    (broken[1] / "train" / "metrics.json").write_text('{"loss": NaN}')
    (broken[2] / "experiment.yaml").write_text("seed: [")
    (broken[3] / "experiment.yaml").write_text("- a list")
    (broken[4] / "attack" / "made_by.json").unlink()
    (broken[5] / "experiment.yaml").write_text(json.dumps(config(seed=5) | {"digests": config(seed=8)["digests"]}))
    code, out, err = main(monkeypatch, capsys)
    assert (code, out) == (2, "1 of 7 records are in the tracking store\n")
    named = [
        "evaluate/findings.json",
        "train/metrics.json",
        "experiment.yaml",
        "experiment.yaml",
        "made_by.json",
        "with other",
    ]
    assert len(err) == 6
    for folder, file, line in zip(broken, named, err, strict=True):
        assert line.startswith("tracking: ")
        assert folder.name in line
        assert file in line
        assert "reached" not in line
    assert {run.data.params["seed"] for run in rows(tmp_path) if run.data.params} == {"0"}
    assert sound.exists()
    assert asleep.exists()
    for seed, folder in enumerate(broken, 1):  # repaired
        shutil.rmtree(folder)
        make(folder, config(seed=seed, deadline=600.0))
    assert main(monkeypatch, capsys) == (0, "7 of 7 records are in the tracking store\n", [])


def test_results_are_published_under_the_parameters_that_they_were_made_with_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "results" / "pca", config("pca") | {"model": {"code": 8}})
    (tmp_path / "params").mkdir()
    changed = config("pca") | {"model": {"code": 3}}
    changed["digests"] = changed["digests"] | {"train": "changed"}
    (tmp_path / "params" / "pca.yaml").write_text(json.dumps(changed))
    code, out, (line,) = main(monkeypatch, capsys)
    assert (code, out) == (2, "0 of 1 records are in the tracking store\n")
    assert "results/pca/train was made with other settings or code" in line
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["ftp://me:pa55word@host", "http://me:pa55word@127.0.0.1:9", "sqlite:///broken.db"])
def test_a_store_that_takes_none_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uri: str
) -> None:
    sweep(tmp_path, 3)
    (tmp_path / "broken.db").write_text("no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    code, out, (line,) = main(monkeypatch, capsys)
    assert (code, out) == (2, "0 of 3 records are in the tracking store\n")
    assert "pa55word" not in line
    assert {"f": "unknown scheme", "h": "cannot be reached", "s": "broken.db is broken"}[uri[0]] in line
