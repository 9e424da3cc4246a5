"""`trainer=ddp` in a sweep: each cell trains in two processes, and its metrics are near those of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT

pytestmark = pytest.mark.slow
JOBLIB = ["sweep=joblib", "hydra.launcher.n_jobs=2"]


@pytest.mark.parametrize(
    ("experiment", "words", "metric", "tolerance", "launcher"),
    [
        # Full batches are the same for both processes, and so is the mean of their gradients.
        pytest.param(
            "cipher_small",
            ["evaluation=[fidelity]", "training.max_steps=300"],
            "fidelity.round_trip_english",
            1e-6,
            [],
            marks=pytest.mark.loopback,
        ),
        (
            "undercomplete",
            ["evaluation=[reconstruction]", "training.max_steps=300"],
            "reconstruction.mse",
            6e-3,
            JOBLIB,
        ),
        pytest.param(
            "hashmap",
            ["evaluation=[verification]", "training.max_steps=60"],
            "verification.eer_own_token",
            0.05,
            JOBLIB,
            marks=pytest.mark.loopback,
        ),
    ],
)
def test_cells_train_in_two_processes_and_their_metrics_are_near_those_of_one(
    tmp_path: Path, experiment: str, words: list[str], metric: str, tolerance: float, launcher: list[str]
) -> None:
    settings = [f"experiment={experiment}", *words, "attack=[]", "tracking=none", "trainer.accelerator=cpu"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "veilbench", "sweep", *settings, "trainer=cpu,ddp", *launcher], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {}
    for file in tmp_path.glob("multirun/*/*/experiment.yaml"):
        strategy = yaml.safe_load(file.read_text())["trainer"]["strategy"]
        found[strategy] = json.loads((file.parent / "evaluate" / "metrics.json").read_text())[metric]
    assert found["ddp"] == pytest.approx(found["auto"], abs=tolerance)
    assert (found["ddp"] == found["auto"]) == (experiment == "cipher_small"), "two processes see other batches"
    assert not list(tmp_path.rglob(".*.partial*"))
