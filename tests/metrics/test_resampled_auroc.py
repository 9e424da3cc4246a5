"""The AUROC of bootstrap samples against scikit-learn's, and its interval against a loop over the samples."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from veilbench.bench.verdict import CONFIDENCE
from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.resampled_auroc import ResampledAuroc, weighted_auroc


def make_comparisons(people: int, apart: float, seed: int, step: float = 0.0) -> Comparisons:
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((people, people)) + apart * np.eye(people)
    scores = np.round(scores / step) * step if step else scores
    return Comparisons.of_all(scores, np.arange(people) + 5, np.arange(people) + 5)


def loop_over_samples(comparisons: Comparisons, times: np.ndarray) -> list[float]:
    first, second, mated = comparisons.first - 5, comparisons.second - 5, comparisons.mated
    counts = [np.where(mated, one[first], one[first] * one[second]) for one in times]
    return [roc_auc_score(mated, comparisons.scores, sample_weight=weights) for weights in counts]


@pytest.mark.parametrize("step", [0.0, 0.5], ids=["distinct", "tied"])
def test_each_sample_has_the_area_of_scikit_learn(step: float) -> None:
    comparisons = make_comparisons(12, 1.0, 0, step)
    times = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12), 20)
    found = weighted_auroc(comparisons, comparisons.first - 5, comparisons.second - 5, times)
    np.testing.assert_allclose(found, loop_over_samples(comparisons, times))


def test_the_interval_is_that_of_a_loop_over_the_samples() -> None:
    comparisons = make_comparisons(20, 0.8, 2)
    times = np.random.default_rng(3).multinomial(20, np.full(20, 1 / 20), 1000)
    wanted = np.quantile(loop_over_samples(comparisons, times), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    area = ResampledAuroc.draw(comparisons, np.random.default_rng(3), 1000)
    found = area.metric(CONFIDENCE)
    assert (found.low, found.high) == pytest.approx(tuple(wanted))
    assert found.value == pytest.approx(roc_auc_score(comparisons.mated, comparisons.scores))
    assert (found.n, found.interval) == (20, "bootstrap over identities, 99 %")
    assert found.low < area.metric(0.95).low


def test_a_sample_of_one_person_has_no_area() -> None:
    comparisons = make_comparisons(3, 0.0, 4)
    found = weighted_auroc(comparisons, comparisons.first - 5, comparisons.second - 5, np.array([[3, 0, 0]]))
    assert np.isnan(found).all()
    assert np.isfinite(ResampledAuroc.draw(comparisons, np.random.default_rng(0), 200).drawn).all()
