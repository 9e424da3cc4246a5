"""Detectors of scikit-learn and PyOD: their own scores, restored without pickle, and nothing else may be named."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.svm import OneClassSVM

from finished import Finished
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.wrapped.library_detector import LibraryDetector

TINY = [
    "evaluation.anomaly={repeats:100,examples:1}",
    "attack.evasion.most_rows=6",
    "attack.evasion.search={queries:5}",
    "attack.membership.most_rows=40",
    "attack.membership.shadows.count=4",
    "model.arguments.n_estimators=10",
]


def part(n: int, shift: float = 0.0) -> Part:
    x = np.random.default_rng(n).standard_normal((n, 1, 2, 3)) + shift
    return Part(x.astype(np.float32), np.zeros(n, np.int64))


ROWS = Rows(part(120), part(30), part(30), part(40, 0.5), [], ["row"], False, [])


def fit(name: str, **arguments: Any) -> LibraryDetector:
    return LibraryDetector(name, arguments).fit(ROWS, np.random.default_rng(0))


@pytest.fixture(autouse=True)
def nothing_is_unpickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **settings: Any) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)


def test_scores_are_those_of_scikit_learn() -> None:
    flat, test = (x.reshape(len(x), -1).astype(np.float64) for x in (ROWS.train.x, ROWS.test.x))
    expected = -OneClassSVM(nu=0.2).fit(flat).score_samples(test)
    np.testing.assert_allclose(fit("sklearn.svm.OneClassSVM", nu=0.2).score(ROWS.test.x), expected)
    forest = -IsolationForest(random_state=5, n_estimators=9).fit(flat).score_samples(test)
    ours = fit("sklearn.ensemble.IsolationForest", random_state=5, n_estimators=9).score(ROWS.test.x)
    np.testing.assert_allclose(ours, forest)


def test_scores_are_those_of_pyod() -> None:
    ecod = pytest.importorskip("pyod.models.ecod", reason="PyOD is not installed")
    flat, test = (x.reshape(len(x), -1).astype(np.float64) for x in (ROWS.train.x, ROWS.test.x))
    detector = ecod.ECOD()
    detector.fit(flat)
    np.testing.assert_allclose(fit("pyod.models.ecod.ECOD").score(ROWS.test.x), detector.decision_function(test))


def test_scores_that_depend_on_the_rows_beside_are_named() -> None:
    pytest.importorskip("pyod", reason="PyOD is not installed")
    assert any("depends on the rows" in note for note in fit("pyod.models.ecod.ECOD").notes())
    assert not any("depends on the rows" in note for note in fit("pyod.models.pca.PCA").notes())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sklearn.ensemble.IsolationForest", {"n_estimators": 9}),
        ("sklearn.mixture.GaussianMixture", {"n_components": 3}),
        ("sklearn.neighbors.LocalOutlierFactor", {"novelty": True, "n_neighbors": 5}),
    ],
)
def test_a_detector_comes_back_without_pickle(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    model = fit(name, **arguments)
    model.save(tmp_path)
    state = np.random.get_state()[1].copy()
    back = load_trained_model(tmp_path)
    np.testing.assert_allclose(back.score(ROWS.test.x), model.score(ROWS.test.x))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_detector_that_scores_otherwise_when_fitted_again_is_refused(tmp_path: Path) -> None:
    fit("sklearn.ensemble.IsolationForest").save(tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    save_file({**arrays, "scores": arrays["scores"] * 1.01}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="fitted again, gives other scores"):
        load_trained_model(tmp_path)


def test_all_stages_run_and_a_detector_has_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = Finished(tmp_path / "job", "experiment=library_detector", *TINY)
    assert job.inapplicable().keys() == {"reconstruction"}
    assert "it examines a Representation" in job.inapplicable()["reconstruction"]
    rows = load_file(job.folder / "prepared" / "rows.safetensors")
    scores = job.model.score(rows["test_x"])  # type: ignore[attr-defined]
    measured = job.found("evaluate")["anomaly"]["metrics"]["auroc"]["value"]
    assert measured == pytest.approx(roc_auc_score(rows["test_y"], scores))
    assert all(job.found("attack")[name]["gain"] for name in ("evasion", "membership"))
    notes = json.loads((job.folder / "train" / "findings.json").read_text())["training"]["notes"]
    assert any("holds the training rows" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("os.system", "names nothing that can be imported"),
        ("sklearn.base.joblib", "may be named"),
        ("sklearn.utils.estimator_html_repr", "may be named"),
        ("sklearn.ensemble.Forest", "may be named"),
        ("sklearn.nothing.Forest", "cannot be imported"),
        ("sklearn.linear_model.LinearRegression", "must have the method score_samples"),
        ("veilbench.bench.threat.ThreatModel", "must have the method score_samples"),
        ("__import__", "must be a dotted name"),
    ],
)
def test_detectors_alone_are_named(name: str, said: str) -> None:
    with pytest.raises((UserError, ValueError), match=said) as refused:
        LibraryDetector(name)
    assert name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("sklearn.ensemble.IsolationForest", {"trees": 9}, "unknown argument trees=9"),
        ("sklearn.ensemble.IsolationForest", {"n_estimators": -1}, "cannot be fitted to 120 training rows"),
        ("sklearn.neighbors.LocalOutlierFactor", {}, "cannot score 256 rows|cannot score"),
    ],
)
def test_wrong_arguments_are_one_line(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        fit(name, **arguments).score(ROWS.test.x)
    assert "\n" not in str(refused.value)
