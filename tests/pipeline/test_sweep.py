"""Sweeps: all stages of an experiment in one process, parallel jobs, and complete tracking."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, Project


def runs(folder: Path) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    group = client.get_experiment_by_name("veilbench")
    return list(client.search_runs([group.experiment_id], max_results=1000))


def parents(found: list[Any]) -> list[Any]:
    return [run for run in found if run.data.tags["veilbench.stage"] == "experiment"]


@pytest.mark.slow
def test_four_jobs_at_once_lose_no_run_and_no_metric(project: Project, forks: dict[str, str]) -> None:
    project.forks = {}
    for path in project.folder.glob("mlflow.db*"):
        path.unlink()  # a fresh store: the hardest case
    done = project.run(
        "python", "pipelines/sweep.py", "-m", "sweep=joblib", "hydra.launcher.n_jobs=4",
        "experiment=plain_table", "seed=range(4)", "model.code_bits=[16]", "tracking.deadline=600",
    )  # fmt: skip
    for seed in range(4):
        assert f"job {seed}: plain_table model.code_bits=[16] seed={seed}  " in done.stderr
    (sweep,) = Path(project.folder / "multirun").iterdir()
    assert done.stdout.endswith(f"the page: veilbench report {sweep.relative_to(project.folder)}\n")
    found = runs(project.folder)
    own = parents(found)
    assert sorted(run.data.params["seed"] for run in own) == [str(seed) for seed in range(4)]
    for run in own:
        assert run.info.status == "FINISHED"
        assert len(list(sweep.glob("*/experiment.yaml"))) == 4
        assert {"privacy/gain", "privacy/broken"} <= set(run.data.metrics)
        children = [r for r in found if r.data.tags.get("mlflow.parentRunId") == run.info.run_id]
        metrics = {child.data.tags["veilbench.stage"]: set(child.data.metrics) for child in children}
        assert set(metrics) == {"train", "evaluate", "attack"}
        assert "fidelity.round_trip_english" in metrics["evaluate"]
        assert "chosen_plaintext.gain" in metrics["attack"]
        assert all(child.info.status == "FINISHED" for child in children)
    project.forks = forks
    again = project.run("python", "pipelines/track.py")
    assert (
        len(runs(project.folder)) == len(found) + 4 * 3
    )  # the three experiments of `dvc repro` are also new in this store
    assert "7 of 7" in again.stdout
    project.run("python", "pipelines/track.py")
    assert len(runs(project.folder)) == len(found) + 4 * 3


@pytest.mark.slow
def test_an_unreachable_server_loses_nothing(project: Project) -> None:
    nobody = "http://127.0.0.1:9"
    done = project.run("python", "pipelines/sweep.py", "experiment=plain_table", "seed=77", MLFLOW_TRACKING_URI=nobody)
    lines = [line for line in done.stderr.splitlines() if line.startswith("tracking:")]
    assert len(lines) == 1
    assert nobody in lines[0]
    before = len(parents(runs(project.folder)))
    project.run("python", "pipelines/track.py")
    after = parents(runs(project.folder))
    assert len(after) == before + 1
    assert "77" in {run.data.params["seed"] for run in after}


@pytest.mark.slow
def test_a_broken_store_is_named_and_loses_nothing(project: Project) -> None:
    (project.folder / "mlflow.db").write_bytes(b"no database" * 1000)
    command = ("python", "pipelines/sweep.py", "experiment=plain_table", "seed=78", "hydra.run.dir=outputs/broken")
    done = project.run(*command, ok=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "mlflow.db is broken" in line
    done = project.run("python", "pipelines/track.py", "outputs/broken", ok=False)
    assert (done.returncode, done.stdout) == (2, "0 of 1 records are in the tracking store\n")
    (project.folder / "mlflow.db").rename(project.folder / "mlflow.db.away")
    project.run("python", "pipelines/track.py", "outputs/broken")
    assert [run.data.params["seed"] for run in parents(runs(project.folder))] == ["78"]


@pytest.mark.slow
def test_the_objective_is_what_a_sweeper_gets(project: Project) -> None:
    done = project.run(
        "python", "-c",
        "from pathlib import Path; from veilbench.workflow.job import objective;"
        "print(objective('evaluate.fidelity.bytes_per_character', Path('results/plain_table')))",
    )  # fmt: skip
    assert float(done.stdout) == 4.0
    bad = project.run(
        "python", "pipelines/sweep.py", "experiment=plain_table", "tracking=none", "objective=profit", ok=False
    )
    assert bad.returncode == 2
    assert "objective=profit is no metric" in bad.stderr


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("+model.typo=1", "model.typo=1"),
        ("model.code_bits=[-1]", "-1"),
        ("model.chunk=often", "often"),
        ("experiment=nonesuch", "nonesuch"),
        ("seed=-3", "-3"),
        ("data.words=[5,2]", "[5, 2]"),
        ("hydra.run.dir=/proc/veilbench", "/proc/veilbench"),
    ],
)
def test_bad_input_is_one_line_and_nothing_half_written(project: Project, override: str, named: str) -> None:
    before = set(project.folder.iterdir())
    words = ["experiment=plain_table"] if not override.startswith("experiment") else []
    done = project.run("python", "pipelines/sweep.py", *words, override, ok=False)
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert named in lines[0]
    assert set(project.folder.iterdir()) == before


def test_a_traceback_on_request(project: Project) -> None:
    done = project.run(
        "python", "pipelines/sweep.py", "experiment=plain_table", "seed=-3", ok=False, VEILBENCH_TRACEBACK="1"
    )
    assert "Traceback" in done.stderr


def test_a_missing_record_or_data_file_is_named(project: Project) -> None:
    (project.folder / "prepared" / "text" / "target.txt").unlink()
    done = project.run("python", "pipelines/attack.py", "plain_table", ok=False)
    assert done.returncode == 2
    assert "target.txt" in done.stderr
    done = project.run("python", "pipelines/train.py", "nonesuch", ok=False)
    assert done.returncode == 2
    assert "plain_table" in done.stderr  # the message lists the existing names


@pytest.mark.slow
def test_the_rest_search_api_of_a_served_store(project: Project) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{project.folder / 'mlflow.db'}"
    # `reproduced` was tracked before this copy was made, so that the artifacts' folder is the original's.
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--host", "127.0.0.1",
         "--port", str(port), "--workers", "1"],
        cwd=project.folder, env=os.environ | {"CI": "true"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ask = Rest(f"http://127.0.0.1:{port}/api/2.0/mlflow/")
        ask.wait()
        group = ask("experiments/get-by-name?experiment_name=veilbench")["experiment"]["experiment_id"]
        query = {"experiment_ids": [group], "filter": "tags.`veilbench.stage` = 'experiment'"}
        found = ask("runs/search", query)["runs"]
        assert {run["info"]["run_name"] for run in found} == {
            "plain_table seed=0", "other_table seed=1", "real_cipher seed=2",
        }  # fmt: skip
        for run in found:
            assert {p["key"] for p in run["data"]["params"]} >= {"seed", "model", "data"}
            assert {m["key"] for m in run["data"]["metrics"]} >= {"privacy/gain", "privacy/broken"}
            run_id = run["info"]["run_id"]
            files = {f["path"] for f in ask(f"artifacts/list?run_id={run_id}")["files"]}
            assert files == {"config.yaml"}
            children = ask(
                "runs/search", {"experiment_ids": [group], "filter": f"tags.mlflow.parentRunId = '{run_id}'"}
            )
            assert len(children["runs"]) == 3
    finally:
        server.terminate()
        server.wait()


class Rest:
    """MLflow's REST API, without its client."""

    def __init__(self, base: str) -> None:
        self.base = base

    def __call__(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def wait(self) -> None:
        for _ in range(120):
            try:
                self("experiments/search", {"max_results": 1})
            except OSError:
                time.sleep(0.5)
            else:
                return
        raise AssertionError("the server did not start")


@pytest.mark.slow
@pytest.mark.loopback
def test_two_processes_train_one_model_and_one_of_them_keeps_the_record(tmp_path: Path) -> None:
    """DDP on two CPU processes: the gradients of both count, so the model differs from that of one process."""
    words = ["experiment=undercomplete", "evaluation=[reconstruction]", "attack=[]", "tracking=none"]
    words += ["training.max_steps=300", "trainer.accelerator=cpu"]
    scores = {}
    for trainer in ("cpu", "ddp"):
        command = [sys.executable, str(ROOT / "pipelines/sweep.py"), *words, f"trainer={trainer}"]
        done = subprocess.run(
            [*command, f"hydra.run.dir={tmp_path / trainer}"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        metrics = json.loads((tmp_path / trainer / "evaluate" / "metrics.json").read_text())
        scores[trainer] = metrics["reconstruction.mse"]
        assert not list((tmp_path / trainer).glob(".*.partial*"))
    assert scores["cpu"] != scores["ddp"]
    assert scores["ddp"] < 0.05  # predicting the mean row gives 0.074
