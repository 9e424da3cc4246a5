"""Detection measures against scikit-learn and closed forms, and the coverage of intervals on a known distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from veilbench.bench.errors import UserError
from veilbench.metrics.anomaly import Ranking, need_scores, rank_correlation
from veilbench.metrics.intervals import bootstrap


def law(
    rng: np.random.Generator, normal: int = 120, odd: int = 40, shift: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Two normal distributions of variance 1: the AUROC is Phi(shift / sqrt 2)."""
    scores = np.concatenate([rng.normal(size=normal), rng.normal(shift, size=odd)])
    return scores, np.arange(normal + odd) >= normal


@pytest.mark.parametrize("decimals", [8, 1, 0])
@pytest.mark.parametrize("weighted", [False, True])
def test_measures_are_scikit_learns_with_ties_and_weights(decimals: int, weighted: bool) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        scores, odd = law(rng)
        scores = scores.round(decimals)
        counts = rng.multinomial(160, np.full(160, 1 / 160)) if weighted else None
        ranking = Ranking(scores, odd)
        assert ranking.auroc(counts) == pytest.approx(roc_auc_score(odd, scores, sample_weight=counts), abs=1e-12)
        wanted = average_precision_score(odd, scores, sample_weight=counts)
        assert ranking.average_precision(counts) == pytest.approx(wanted, abs=1e-12)


def test_the_ends_of_the_range() -> None:
    odd = np.array([False, False, True, True])
    for scores, auroc, precision in (([0, 1, 2, 3], 1, 1), ([3, 2, 1, 0], 0, (1 / 3 + 2 / 4) / 2), ([1] * 4, 0.5, 0.5)):
        ranking = Ranking(np.array(scores), odd)
        assert ranking.auroc() == auroc
        assert ranking.average_precision() == pytest.approx(precision)


@pytest.mark.parametrize("odd", [np.zeros(4, bool), np.ones(4, bool)])
def test_one_kind_of_rows_is_refused(odd: np.ndarray) -> None:
    with pytest.raises(ValueError, match="of 4 rows are anomalies"):
        Ranking(np.arange(4.0), odd)


def test_bootstrap_intervals_cover_a_known_auroc_as_often_as_they_say() -> None:
    truth, covered, widths, trials = stats.norm.cdf(1 / np.sqrt(2)), 0, [], 150
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        scores, odd = law(rng)
        made = bootstrap(Ranking(scores, odd).auroc, odd, rng, repeats=150)
        covered += made.low <= truth <= made.high
        widths.append(made.high - made.low)
    assert 0.91 <= covered / trials <= 0.985
    assert 0.1 < np.mean(widths) < 0.25  # Hanley and McNeil's standard error is 0.043 here


def test_bootstrap_intervals_of_a_mean_are_students() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    made = bootstrap(
        lambda counts: float(np.average(values, weights=counts)), np.zeros(400), np.random.default_rng(2), 4000
    )
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert (made.low, made.high) == pytest.approx((low, high), abs=0.02)
    assert made.value == pytest.approx(values.mean())
    assert made.interval == "bootstrap of 4,000, 95 %"


def test_the_bootstrap_keeps_the_strata_and_its_seed() -> None:
    strata = np.array([0] * 5 + [1] * 9)
    sizes = set()

    def seen(counts: np.ndarray) -> float:
        sizes.add((counts[:5].sum(), counts[5:].sum()))
        return float(counts[0])

    one, again = (bootstrap(seen, strata, np.random.default_rng(3), 50) for _ in range(2))
    assert sizes == {(5, 9)}
    assert one == again
    assert one.high > 1


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([1.0, np.nan, 2.0], "1 of 3 scores of it are not finite"),
        ([1.0, np.inf, -np.inf], "2 of 3 scores"),
        ([2.5, 2.5, 2.5], "it scores every row 2.5"),
    ],
)
def test_what_is_no_score_is_refused(scores: list[float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        need_scores(np.array(scores), "it")
    need_scores(np.array([1.0, 1.0, 1.1]), "it")


@pytest.mark.parametrize("decimals", [8, 0])
def test_rank_correlation_is_scipys(decimals: int) -> None:
    rng = np.random.default_rng(0)
    one, noise = rng.normal(size=(2, 90)).round(decimals)
    wanted = stats.spearmanr(one, one**3 + noise).statistic
    assert rank_correlation(one, one**3 + noise) == pytest.approx(wanted, abs=1e-12)
    assert rank_correlation(one, np.ones(90)) == 0


@pytest.mark.parametrize("odd", [[True, False, False], [True, True, False]])
def test_one_row_of_a_kind_is_enough(odd: list[bool]) -> None:
    assert Ranking(np.array([3.0, 2.0, 1.0]), np.array(odd)).auroc() == 1
