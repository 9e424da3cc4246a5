"""Metrics repeat between processors: other kernels of torch and NumPy change them by rounding errors only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOLERANCE = 1e-4  # docs/reliability.md states it
# Older instructions stand for another machine: the sums of dot products are taken in another order.
KERNELS = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem", "MKL_CBWR": "SSE4_2"}
PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
from veilbench.workflow.compose import composed, plain
from veilbench.bench import experiment
from veilbench.bench.accelerator import Accelerator

small = ["data.source.identities=140", "data.source.impressions=3", "data.split=[0.5,0.25,0.25]"]
config = plain(composed(["experiment=random_projection", "attack=[template_stolen_key]", *small]))
folder = Path(sys.argv[1])
data = experiment.build(config["data"])
if not any(folder.iterdir()):
    data.prepare(folder)
prints = data.load(folder)
attack = experiment.build(config["attack"]["template_stolen_key"])
target = experiment.build(config["model"]).fit(prints, np.random.default_rng(0))
found = attack.run(target, prints, Accelerator("cpu"), np.random.default_rng(1), control=False)
print(json.dumps({name: metric.value for name, metric in found.metrics.items()}))
"""


@pytest.mark.slow
def test_other_kernels_give_the_same_metrics_within_the_stated_tolerance(tmp_path: Path) -> None:
    usual, older = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, str(tmp_path)],
                check=True,
                capture_output=True,
                text=True,
                cwd=Path(__file__).parents[2],
                env=os.environ | kernels,
            ).stdout.splitlines()[-1]
        )
        for kernels in ({}, KERNELS)
    )
    assert usual.keys() == older.keys()
    assert len(usual) > 3
    for name, value in usual.items():
        assert older[name] == pytest.approx(value, abs=TOLERANCE), name
