"""Experiments on a GPU, compared with the same on the CPU of the same machine. Needs no DVC and no MLflow server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from veilbench.bench.trained_model import load_trained_model

ROOT = Path(__file__).parents[2]
QUICK = ["attack.template_inversion.judge=null", "attack.template_inversion.operating_point.most_victims=20"]
CASES = {  # experiment, settings, metric of a stage, largest difference between the two devices
    "pair": ("cipher_small", ["attack=[]"], "evaluate/fidelity.bit_error_rate", 0.01),
    "ensemble": ("cipher_ensemble", ["attack=[]"], "evaluate/fidelity.bit_error_rate", 0.01),
    "keyed": ("cipher_keyed", ["training.max_steps=300", "attack=[]"], "evaluate/fidelity.round_trip_english", 0.05),
    "encoder": ("hashmap", ["attack=[template_inversion]", *QUICK], "evaluate/verification.eer_stolen_token", 0.04),
    "autoencoder": ("undercomplete", ["attack=[membership]"], "evaluate/reconstruction.mse", 0.005),
    "anomaly": ("anomaly", ["attack=[]"], "evaluate/anomaly.auroc", 0.05),
    "evasion": ("anomaly", ["attack=[evasion]"], "attack/evasion.hidden", 0.2),
    "filter": ("mail_federated", ["attack=[]"], "evaluate/filtering.accuracy", 0.02),
}

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")


def run(folder: Path, experiment: str, *settings: str) -> Path:
    command = [sys.executable, "pipelines/sweep.py", f"experiment={experiment}", "tracking=none"]
    done = subprocess.run(
        [*command, *settings, f"hydra.run.dir={folder}"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_gpu_gives_what_the_cpu_gives(case: str, tmp_path: Path) -> None:
    """Digits differ, since sums are in another order; what is concluded from them does not."""
    experiment, settings, metric, tolerance = CASES[case]
    stage, name = metric.split("/")
    values, seconds = {}, {}
    for trainer in ("cpu", "gpu"):
        folder = run(tmp_path / trainer, experiment, f"trainer={trainer}", *settings)
        values[trainer] = json.loads((folder / stage / "metrics.json").read_text())[name]
        costs = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/cost.json")}
        seconds[trainer] = {of: round(sum(part["seconds"] for part in cost.values()), 1) for of, cost in costs.items()}
        load_trained_model(folder / "train")  # on the CPU
    print(f"\n{case}: {metric} {values}, seconds {seconds}", flush=True)
    assert values["gpu"] == pytest.approx(values["cpu"], abs=tolerance)


def test_distributed_training_runs_on_one_gpu(tmp_path: Path) -> None:
    settings = ["trainer=ddp", "trainer.devices=1", "trainer.accelerator=gpu", "attack=[]", "evaluation=[verification]"]
    folder = run(tmp_path / "ddp", "hashmap", *settings)
    metrics = json.loads((folder / "evaluate" / "metrics.json").read_text())
    assert metrics["verification.eer_stolen_token"] < 0.12
