"""Anomalies: planted ones are found and explained, guesses are guesses, broken scores are loud."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.identity_code import IdentityCode
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.baselines.nearest_neighbours import NearestNeighbours
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.evaluations.anomaly import Anomaly

RNG = np.random.default_rng(0)


class Told(InputNorm):
    """Scores that a function of the rows says."""

    def __init__(self, says: Callable[[np.ndarray], np.ndarray] = lambda rows: np.zeros(len(rows))) -> None:
        super().__init__()
        self.says = says

    def score(self, rows: np.ndarray) -> np.ndarray:
        return self.says(rows)


def guessed(rows: np.ndarray) -> np.ndarray:
    return np.random.default_rng(len(rows)).normal(size=len(rows))


def test_planted_anomalies_are_found_and_measured_as_scikit_learn_does(examine: Any, oddities: Rows) -> None:
    trained = Pca(1).fit(oddities, RNG)
    metrics = examine(Anomaly(), trained, oddities).metrics
    scores = trained.score(oddities.test.x)
    assert metrics["auroc"].value == pytest.approx(roc_auc_score(oddities.test.y, scores))
    assert metrics["average_precision"].value == pytest.approx(average_precision_score(oddities.test.y, scores))
    assert metrics["auroc"].low > 0.9
    assert metrics["prevalence"].value == pytest.approx(100 / 600)
    assert metrics["detected"].low > 0.9
    assert metrics["distinct_scores"].value > 550


def test_alarms_are_set_by_normal_rows_that_were_held_out(examine: Any, oddities: Rows) -> None:
    trained = Mahalanobis().fit(oddities, RNG)
    for quantile, wanted in ((0.9, 0.1), (0.5, 0.5)):
        metrics = examine(Anomaly(quantile), trained, oddities).metrics
        threshold = np.quantile(trained.score(oddities.validation.x), quantile)
        assert metrics["threshold"].value == pytest.approx(threshold)
        normal = trained.score(oddities.test.x[oddities.test.y == 0])
        assert metrics["false_alarms"].value == (normal > threshold).mean()
        assert metrics["false_alarms"].low < wanted < metrics["false_alarms"].high
        assert (metrics["false_alarms"].n, metrics["detected"].n) == (500, 100)


def test_a_guess_is_measured_as_a_guess(examine: Any, oddities: Rows) -> None:
    metrics = examine(Anomaly(), Told(guessed), oddities).metrics
    assert metrics["auroc"].low < 0.5 < metrics["auroc"].high
    assert metrics["average_precision"].low < metrics["prevalence"].value < metrics["average_precision"].high
    assert abs(metrics["norm_correlation"].value) < 0.2


def test_the_norm_is_called_the_norm(examine: Any, oddities: Rows) -> None:
    found = examine(Anomaly(), InputNorm(), oddities)
    assert found.metrics["norm_correlation"].value == pytest.approx(1)
    assert any(note.startswith("This model is the norm") for note in found.notes)
    turned = examine(Anomaly(), Told(lambda rows: -InputNorm().score(rows)), oddities)
    assert turned.metrics["norm_correlation"].value == pytest.approx(-1)
    assert any(note.startswith("This model is the norm") for note in turned.notes)
    other = examine(Anomaly(), Pca(1).fit(oddities, RNG), oddities)
    assert abs(other.metrics["norm_correlation"].value) < 0.5
    assert not any("is the norm" in note for note in other.notes)


def test_the_feature_that_was_moved_is_named(examine: Any, oddities: Rows) -> None:
    found = examine(Anomaly(examples=4), Pca(1).fit(oddities, RNG), oddities)
    beside, explained = found.tables
    assert len(explained.rows) == 4
    assert explained.columns[:3] == ["test row", "score", "feature 1"]
    for line in explained.rows:
        assert oddities.test.y[int(line[0])] == 1
        assert str(line[2]).startswith("column 2 = ")
    assert [line[1] for line in explained.rows] == sorted((line[1] for line in explained.rows), reverse=True)
    assert len(beside.rows) == 1


def test_a_score_without_parts_is_noted_and_none_are_shown_where_none_are_asked_for(
    examine: Any, oddities: Rows
) -> None:
    found = examine(Anomaly(), NearestNeighbours(3).fit(oddities, RNG), oddities)
    assert len(found.tables) == 1
    assert "No features are named: the score of NearestNeighbours is not made of features' parts." in found.notes
    assert len(examine(Anomaly(examples=0), Pca(1).fit(oddities, RNG), oddities).tables) == 1


def test_baselines_stand_beside_the_model(examine: Any, oddities: Rows) -> None:
    found = examine(Anomaly(baselines=[InputNorm(), Pca(1)]), Pca(1).fit(oddities, RNG), oddities)
    names, aurocs, precisions = zip(*found.tables[0].rows, strict=True)
    assert names == ("this model", "InputNorm", "Pca")
    assert aurocs[0] == found.metrics["auroc"]
    assert aurocs[2].value == pytest.approx(aurocs[0].value)
    assert aurocs[1].high < aurocs[0].low
    assert precisions[1].value < precisions[0].value
    assert found.metrics["auroc_over_best_baseline"].value == pytest.approx(0, abs=1e-9)  # the best one is itself
    worse = examine(Anomaly(baselines=[InputNorm(), Pca(1)]), InputNorm(), oddities).metrics["auroc_over_best_baseline"]
    assert worse.high < 0
    assert worse.value == pytest.approx(aurocs[1].value - aurocs[2].value)


def test_images_are_shown_with_their_odd_places(examine: Any, digits: Rows, pixels: Callable[..., np.ndarray]) -> None:
    spot = digits.test.x[:100].copy()
    spot[:, 0, :2, :2] += 1
    test = Part(np.concatenate([digits.test.x, spot]), np.repeat([0, 1], [300, 100]))
    rows = replace(digits, test=test, labels=["normal", "anomaly"], one_class=True)
    found = examine(Anomaly(), Pca(20).fit(rows, RNG), rows)
    assert found.metrics["auroc"].low > 0.95
    shown = pixels(found.pictures[0])[:, :, 0].astype(float)
    assert shown.shape == (100, 400)
    places = shown[50:98:6, :48:6]
    assert places[:2, :2].mean() > 3 * places[2:].mean()


def test_a_perfect_score_says_that_its_interval_has_no_width(examine: Any, oddities: Rows) -> None:
    rows = replace(
        oddities, test=Part(oddities.test.x + 99 * oddities.test.y[:, None].astype(np.float32), oddities.test.y)
    )
    found = examine(Anomaly(), InputNorm(), rows)
    assert (found.metrics["auroc"].low, found.metrics["auroc"].value) == (1, 1)
    assert any("no width" in note for note in found.notes)


@pytest.mark.parametrize(
    ("says", "said"),
    [
        (lambda rows: np.full(len(rows), 2.0), "this model scores every row 2"),
        (lambda rows: np.where(np.arange(len(rows)) == 3, np.nan, 1.0), "1 of 600 scores of this model are not finite"),
        (lambda rows: np.where(rows[:, 0] > 5, np.inf, 1.0), "scores of this model are not finite"),
        (lambda rows: rows, r"shape \(600, 4\) for 600 rows"),
        (lambda rows: guessed(rows) if len(rows) == 600 else np.full(400, np.inf), "the validation rows are not all"),
    ],
)
def test_what_is_no_score_is_a_loud_error(examine: Any, oddities: Rows, says: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        examine(Anomaly(), Told(says), oddities)


def test_a_constant_baseline_is_named(examine: Any, oddities: Rows) -> None:
    with pytest.raises(UserError, match="Told scores every row 0"):
        examine(Anomaly(baselines=[Told()]), InputNorm(), oddities)


def test_what_it_does_not_apply_to_says_so(examine: Any, oddities: Rows, table: Rows) -> None:
    with pytest.raises(NotImplementedError, match="IdentityCode scores no rows"):
        examine(Anomaly(), IdentityCode(), oddities)
    with pytest.raises(NotImplementedError, match=r"data\.normal"):
        examine(Anomaly(), InputNorm(), table)
    with pytest.raises(ValueError, match="quantile=1 must be between"):
        Anomaly(quantile=1)


def test_a_baseline_with_two_settings_has_two_lines(examine: Any, oddities: Rows) -> None:
    both = [NearestNeighbours(1), NearestNeighbours(20), InputNorm()]
    found = examine(Anomaly(baselines=both), InputNorm(), oddities)
    names = [line[0] for line in found.tables[0].rows]
    assert names == ["this model", "NearestNeighbours (k=1)", "NearestNeighbours (k=20)", "InputNorm"]
