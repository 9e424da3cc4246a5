from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.workflow.compose import composed, plain


def aurocs(tmp_path: Path, model: str, *overrides: str) -> tuple[float, float, float]:
    """Of the configured autoencoder, PCA and the input norm."""
    config = plain(composed([f"model={model}", "training=anomaly", *overrides]))
    data = build(config["data"])
    data.prepare(tmp_path)
    rows, rng = data.load(tmp_path), np.random.default_rng(0)
    fit = build(config["training"]).fit
    ours = fit(build(config["model"]), rows, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)[0]
    a, b, c = (
        float(roc_auc_score(rows.test.y, detector.score(rows.test.x)))
        for detector in (ours, Pca(6).fit(rows, rng), InputNorm().fit(rows, rng))
    )
    return a, b, c


@pytest.mark.parametrize("model", ["anomaly", "anomaly_neighbours"])
def test_it_tells_a_digit_from_the_others_better_than_its_norm_does(tmp_path: Path, model: str) -> None:
    ours, _, norm = aurocs(tmp_path, model, "data=digits_one", "data.normal=['8']", "data.scale=standard")
    assert ours > 0.95
    assert ours > norm


@pytest.mark.slow
@pytest.mark.parametrize("table", ["20_letter", "40_vowels"])
def test_it_beats_pca_and_the_norm_on_tables_of_adbench(tmp_path: Path, table: str) -> None:
    beside = Path(__file__).parents[2].parent / "shared" / "data"
    path = Path(os.environ.get("VEILBENCH_SHARED_DATA", beside)) / "adbench" / f"{table}.npz"
    if not path.is_file():
        pytest.skip(f"no {path}; name the folder of adbench/ with VEILBENCH_SHARED_DATA")
    ours, pca, norm = aurocs(tmp_path, "anomaly", "data=adbench", f"data.source.path={path}")
    assert ours > pca + 0.01
    assert ours > norm + 0.01


def test_anomalies_among_the_training_rows_cost_the_neighbours_less(tmp_path: Path) -> None:
    config = ["data=breast_cancer_contaminated", "data.contamination=0.1"]
    plain_score, _, _ = aurocs(tmp_path, "anomaly", *config)
    neighbours, _, _ = aurocs(tmp_path, "anomaly_neighbours", *config)
    assert neighbours > max(plain_score, 0.85)
